"""Workers read a topic from its first record to its last, and judge it: how fast, for how much processor time, and whether rightly."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, NamedTuple

from loadtest.agreement import DisagreementError
from loadtest.expected import check_violations
from loadtest.feed import Order, feeding
from loadtest.loops import NS
from loadtest.pipeline_stage import Outputs, Stage
from loadtest.pipeline_work import Work
from loadtest.violation_log import read_believed
from loadtest.worker_process import Worker, total

PARTITION_COUNT: Final = 4
_LOOK_S: Final = 0.1
_LOOK_SELDOM_S: Final = 2.0
_TIMEOUT_S: Final = 300.0
# The last checkpoint of a worker follows within its interval of a second.
_LAST_CHECKPOINT_S: Final = 1.3
# How long ago the last record was stamped: all traces are due when it has been read.
_AGE_NS: Final = 60 * NS
_SHARE_MIN: Final = 0.1
# How much of the records must have been read between the first look and the last for a figure.
_SEEN_MIN: Final = 0.25
# How fast traces begin by the stamps of what is preloaded evenly: so many are open at a time as begin in five seconds.
_STAMPED_PER_S: Final = 2_000


class NotMeasuredError(Exception):
    """Something did not happen that is measured, or not in time."""


@dataclass(frozen=True, slots=True)
class Load:
    """Records that stand on a topic: `copy_count` rounds of some work."""

    work: Work
    topic: str
    copy_count: int
    rules: Path

    @property
    def record_count(self) -> int:
        """How many records there are."""
        return self.copy_count * len(self.work.loop.pieces)

    @property
    def trace_count(self) -> int:
        """How many traces there are."""
        return self.copy_count * len(self.work.loop.ids)

    @property
    def spans_per_record(self) -> float:
        """How many spans a record has on average."""
        return self.work.loop.span_count / len(self.work.loop.pieces)


@dataclass(frozen=True, slots=True)
class Consumed:
    """How workers got on, once warm, to their last records: records, wall-clock time, processor time and memory of all of them."""

    record_count: float
    seconds: float
    cpu_s: float
    resident_mib: float

    @property
    def per_second(self) -> float:
        """Records a second."""
        return self.record_count / self.seconds

    @property
    def per_cpu_second(self) -> float:
        """Records a second of processor time."""
        return self.record_count / self.cpu_s


class _Look(NamedTuple):
    at: float
    records: float
    cpu_s: float


def preload(stage: Stage, work: Work, copy_count: int, step_ns: int) -> Load:
    """Put rounds of records on a topic of their own, stamped as if one round had begun `step_ns` after the other until a minute ago."""
    topic = stage.spans_topic(PARTITION_COUNT)
    began_ns = time.time_ns() - _AGE_NS - copy_count * step_ns - work.loop.pieces[-1].offset_ns
    load = Load(work, topic, copy_count, stage.write_rules("rules", work.sources))
    with feeding(Order(stage.servers, topic, PARTITION_COUNT, work.loop, copy_count, step_ns, began_ns)) as fed:
        fed.result(_TIMEOUT_S)
    if (found := stage.record_count(topic, PARTITION_COUNT)) != load.record_count:
        raise NotMeasuredError(f"{found} records stand on {topic} instead of {load.record_count}")
    return load


def preload_evenly(stage: Stage, work: Work, record_count: int) -> Load:
    """Put about so many records on a topic of their own, at least a round, stamped at even distances."""
    loop = work.loop.paced(NS // _STAMPED_PER_S)
    round_count = len(loop.pieces)
    return preload(stage, replace(work, loop=loop), max(1, round(record_count / round_count)), round_count * NS // _STAMPED_PER_S)


def consume(stage: Stage, load: Load, worker_count: int, warm_cpu_s: float = 0) -> Consumed:
    """Judge as `judge` does; raises NotMeasuredError where too much had been read before the workers were warm."""
    found = judge(stage, load, worker_count, warm_cpu_s)
    if (seen := found.record_count) < _SEEN_MIN * load.record_count:
        raise NotMeasuredError(f"only {seen:.0f} of {load.record_count} records were left once the workers were warm: too few for a figure")
    return found


def judge(stage: Stage, load: Load, worker_count: int, warm_cpu_s: float = 0) -> Consumed:
    """Let workers of a new group read and judge all, timed once each has worked for `warm_cpu_s` of processor time.

    Raises DisagreementError where they do not say what the reference engine says.
    """
    outputs = stage.outputs(load.topic, PARTITION_COUNT)
    cpus = [stage.cpus[number % len(stage.cpus)] for number in range(worker_count)]
    with ThreadPoolExecutor(worker_count) as pool:
        workers = list(pool.map(lambda cpu: stage.start(load.topic, outputs, load.rules, cpu=cpu), cpus))
    found = _watch(workers, load, warm_cpu_s)
    for worker in workers:
        worker.stop()
    check_said(stage, load, outputs)
    return found


def _watch(workers: Sequence[Worker], load: Load, warm_cpu_s: float) -> Consumed:
    until = time.monotonic() + _TIMEOUT_S
    warm_at: dict[int, float] = {}
    first: dict[int, _Look] = {}
    ended: float | None = None
    records: dict[int, float] = {}
    while True:
        time.sleep(_until_next_look(list(first.values()), sum(records.values()), load.record_count))
        if time.monotonic() > until:
            raise NotMeasuredError(f"only {sum(records.values()):.0f} of {load.record_count} records were judged within {_TIMEOUT_S:g} s")
        closed = 0.0
        for number, worker in enumerate(workers):
            worker.check()
            metrics = worker.metrics()
            records[number] = total(metrics, "betrace_records_read_total")
            closed += total(metrics, "betrace_traces_closed_total")
            if records[number] and number not in first:
                look = _Look(time.monotonic(), records[number], worker.cpu_s())
                if look.cpu_s >= warm_at.setdefault(number, look.cpu_s + warm_cpu_s):
                    first[number] = look
        if ended is None and sum(records.values()) >= load.record_count:
            ended = time.monotonic()
        if ended is not None and closed >= load.trace_count:
            break
    time.sleep(_LAST_CHECKPOINT_S)
    if len(first) < len(workers) or min(records.values()) < _SHARE_MIN * load.record_count:
        raise NotMeasuredError(f"not every worker read its share of the records and got warm: {list(records.values())}")
    return Consumed(
        sum(records[number] - look.records for number, look in first.items()),
        ended - min(look.at for look in first.values()),
        sum(workers[number].cpu_s() - look.cpu_s for number, look in first.items()),
        sum(worker.resident_mib() for worker in workers),
    )


def _until_next_look(first: Sequence[_Look], record_count: float, wanted: float) -> float:
    """Return for how many seconds not to look: a look costs the worker processor time, so many are taken only near begin and end."""
    so_far = record_count - sum(look.records for look in first)
    if not first or so_far <= 0 or record_count >= wanted:
        return _LOOK_S
    left_s = (wanted - record_count) / so_far * (time.monotonic() - min(look.at for look in first))
    return min(_LOOK_SELDOM_S, max(_LOOK_S, left_s / 2))


def check_said(stage: Stage, load: Load, outputs: Outputs) -> None:
    """Raise DisagreementError unless the violations on the topic are those of the reference engine, for every trace."""
    believed = read_believed(stage.servers, outputs.violations)
    check_violations(f"the worker, {load.work.name}", believed.by_trace(), load.work.expected, load.copy_count)
    if letters := stage.record_count(outputs.dead_letters, PARTITION_COUNT):
        raise DisagreementError(f"the worker, {load.work.name}: {letters} records were refused")
