"""How long partitions are silent: after a worker with many open traces is killed, and while others come and go in order."""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Final

from loadtest.agreement import DisagreementError
from loadtest.consumption import NotMeasuredError
from loadtest.expected import Expected
from loadtest.feed import Order, feeding, steady
from loadtest.latency import wait_until_ready
from loadtest.loops import NS
from loadtest.pipeline_stage import Outputs, Stage
from loadtest.pipeline_work import PipelineWork, Work
from loadtest.violation_log import Said, ViolationLog
from loadtest.worker_process import Worker

PARTITION_COUNT: Final = 8
OPEN_PER_WORKER: Final = 100_000
SESSION_S: Final = 6.0
_PROBES_PER_S: Final = 400
_SETTLE_S: Final = 6.0
_TIMEOUT_S: Final = 120.0
# Longer than all that is measured, shorter than what would close the open traces.
_PROBED_S: Final = 60.0
_SETTINGS: Final[dict[str, object]] = {
    "is_early": True,
    "idle_timeout_s": 600,
    "closed_retention_s": 600,
    "group_session_timeout_s": SESSION_S,
}


@dataclass(frozen=True, slots=True)
class Silences:
    """Seconds. `recovery_s`: from the kill until every partition of the killed worker is judged again, beyond the session timeout.

    `joining_s`, `leaving_s`: the longest in which a partition that stayed where it was said nothing while a worker came and while it left.
    `open_count` is how many traces the killed worker had open.
    """

    recovery_s: float
    joining_s: float
    leaving_s: float
    open_count: float


@dataclass
class Heard:
    """When violations of each partition could be read, and when their traces had begun; in unix nanoseconds."""

    by_partition: dict[int, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))
    rules: dict[int, set[str]] = field(default_factory=lambda: defaultdict(set))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, one: Said) -> None:
        """Hear of one more violation."""
        with self._lock:
            self.by_partition[one.partition].append((one.trace.began_ns, one.read_ns))
            self.rules[one.trace.trace].add(one.rule)

    def longest_s(self, partitions: Sequence[int], begin_ns: int, end_ns: int) -> float:
        """Return the longest silence of one of these partitions between two moments."""
        with self._lock:
            return max((silence_s([read_ns for _, read_ns in self.by_partition[one]], begin_ns, end_ns) for one in partitions), default=0.0)

    def again_ns(self, partition: int, since_ns: int) -> int | None:
        """Return when the first violation of a trace that began after a moment could be read."""
        with self._lock:
            return next((read_ns for began_ns, read_ns in self.by_partition[partition] if began_ns > since_ns), None)


def silence_s(reads_ns: Sequence[int], begin_ns: int, end_ns: int) -> float:
    """Return the longest time between two reads, of those between two moments, which count as reads as well."""
    within = [begin_ns, *(read_ns for read_ns in reads_ns if begin_ns < read_ns < end_ns), end_ns]
    return max(later - earlier for earlier, later in pairwise(within)) / NS


def silences(stage: Stage, work: PipelineWork, open_per_worker: int = OPEN_PER_WORKER) -> Silences:
    """Let two workers have so many traces open each, let a third come and leave, and kill one."""
    probes = work.probes()
    topic = stage.spans_topic(PARTITION_COUNT)
    rules = stage.write_rules("rules", work.rules.sources)
    outputs = stage.outputs(topic, PARTITION_COUNT)
    crew = _Crew(stage, topic, outputs, rules)
    crew.begin(2)
    _open(stage, work, topic, crew.workers, 2 * open_per_worker)
    heard = Heard()
    # The ids of the open traces have the low numbers.
    order = replace(steady(stage.servers, topic, PARTITION_COUNT, probes.loop, _PROBES_PER_S, _PROBED_S), first_copy=2**24)
    with ViolationLog(stage.servers, outputs.violations, heard.take).followed(), feeding(order):
        _wait_for_all(heard)
        joining_s, leaving_s = _planned(crew, heard)
        open_count = crew.workers[0].metric("betrace_traces_remembered")
        recovery_s = _killed(crew, heard)
    for worker in crew.workers[1:]:
        worker.stop()
    _check(heard, probes)
    stage.remove(topic)
    return Silences(recovery_s, joining_s, leaving_s, open_count)


@dataclass
class _Crew:
    stage: Stage
    topic: str
    outputs: Outputs
    rules: Path
    workers: list[Worker] = field(default_factory=list)

    def begin(self, count: int) -> None:
        """Start the first workers, and wait until they share the partitions."""
        with ThreadPoolExecutor(count) as pool:
            self.workers = list(pool.map(lambda _: self.add(), range(count)))
        for worker in self.workers:
            wait_until_ready(worker, PARTITION_COUNT // count)

    def add(self) -> Worker:
        """Start one more."""
        return self.stage.start(self.topic, self.outputs, self.rules, _SETTINGS)

    def owners(self) -> dict[int, int]:
        """Return which of the first workers owns each partition, by their numbers."""
        found = {}
        for number, worker in enumerate(self.workers):
            for name in json.loads(worker.get("/readyz")[1] or b"{}").get("partitions", ()):
                found[int(name.rpartition("[")[2].rstrip("]"))] = number
        return found


def _open(stage: Stage, work: PipelineWork, topic: str, workers: Sequence[Worker], count: int) -> None:
    """Let traces begin, and wait until all of them have been read and stored."""
    loop = work.open_traces()
    copy_count = -(-count // len(loop.ids))
    with feeding(Order(stage.servers, topic, PARTITION_COUNT, loop, copy_count, 1, time.time_ns())) as fed:
        fed.result(_TIMEOUT_S)
    until = time.monotonic() + _TIMEOUT_S
    while sum(worker.metric("betrace_traces_remembered") for worker in workers) < copy_count * len(loop.ids):
        if time.monotonic() > until:
            raise NotMeasuredError("the traces were not opened in time")
        time.sleep(0.2)
    time.sleep(_SETTLE_S)


def _wait_for_all(heard: Heard) -> None:
    until = time.monotonic() + _TIMEOUT_S
    while any(heard.again_ns(partition, 0) is None for partition in range(PARTITION_COUNT)):
        if time.monotonic() > until:
            raise NotMeasuredError("not every partition says violations")
        time.sleep(0.05)
    time.sleep(1)


def _planned(crew: _Crew, heard: Heard) -> tuple[float, float]:
    """Let a worker come and leave; return the longest silence of the partitions that did not move, both times."""
    before, begin_ns = crew.owners(), time.time_ns()
    third = crew.add()
    wait_until_ready(third, 1)
    time.sleep(_SETTLE_S)
    between, middle_ns = crew.owners(), time.time_ns()
    third.stop()
    time.sleep(_SETTLE_S)
    after, end_ns = crew.owners(), time.time_ns()
    return heard.longest_s(stayed(before, between), begin_ns, middle_ns), heard.longest_s(stayed(between, after), middle_ns, end_ns)


def stayed(before: Mapping[int, int], after: Mapping[int, int]) -> list[int]:
    """Return the partitions that have the same owner before and after. Raises NotMeasuredError where there are none."""
    found = [partition for partition, owner in before.items() if after.get(partition) == owner]
    if not found:
        raise NotMeasuredError("no partition stayed where it was")
    return found


def _killed(crew: _Crew, heard: Heard) -> float:
    """Kill the first worker; return in how many seconds beyond the session timeout all of its partitions are judged again."""
    lost = [partition for partition, owner in crew.owners().items() if owner == 0]
    if not lost:
        raise NotMeasuredError("the worker to be killed owns no partition")
    crew.workers[0].kill()
    killed_ns = time.time_ns()
    until = time.monotonic() + _TIMEOUT_S
    while True:
        found = [heard.again_ns(partition, killed_ns) for partition in lost]
        again = [read_ns for read_ns in found if read_ns is not None]
        if len(again) == len(lost):
            return max(0.0, (max(again) - killed_ns) / NS - SESSION_S)
        crew.workers[1].check()
        if time.monotonic() > until:
            raise NotMeasuredError(f"{len(lost) - len(again)} partitions were not judged again within {_TIMEOUT_S:g} s")
        time.sleep(0.05)


def _check(heard: Heard, probes: Work) -> None:
    """Raise DisagreementError unless every trace that was to violate rules early is said to violate them, and no others."""
    expected: Expected = probes.expected
    for trace, rules in expected.early.items():
        found = heard.rules.get(trace, set())
        if not rules <= found <= expected.violated[trace]:
            raise DisagreementError(f"recovery: trace {trace} violates {sorted(found)}, expected are {sorted(rules)} early")
