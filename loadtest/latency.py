"""Detection latency: how long after its record was stamped a violation can be read, while traffic comes at half of what a worker bears."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from loadtest.consumption import PARTITION_COUNT, Load, NotMeasuredError, check_said
from loadtest.feed import Fed, feeding, steady
from loadtest.loops import NS
from loadtest.pipeline_stage import Stage
from loadtest.pipeline_work import Work
from loadtest.violation_log import Said, ViolationLog
from loadtest.worker_process import Worker

CLOSE_DELAY_S: Final = 5.0
LATENCY_SETTINGS: Final[dict[str, object]] = {"is_early": True, "root_grace_s": CLOSE_DELAY_S}
_SETTLE_S: Final = 4.0
_TIMEOUT_S: Final = 120.0
_READY: Final = 200


@dataclass(frozen=True, slots=True)
class Latencies:
    """Seconds from stamp to reader: of violations said while their trace was open and, less the close delay, of those said at its close.

    `fed` says at what rate the records really came.
    """

    early_s: Sequence[float]
    close_s: Sequence[float]
    fed: Fed


@dataclass
class _Clock:
    """Notes when the first revision of each violation could be read, of traces that began after a moment."""

    since_ns: int
    early_s: list[float] = field(default_factory=list)
    close_s: list[float] = field(default_factory=list)

    def take(self, one: Said) -> None:
        if one.revision > 1 or one.trace.began_ns < self.since_ns:
            return
        taken_s = (one.read_ns - one.trace.began_ns) / NS
        if one.is_early:
            self.early_s.append(taken_s)
        else:
            self.close_s.append(taken_s - CLOSE_DELAY_S)


def quantile(values: Sequence[float], share: float) -> float:
    """Return the smallest of the values that at least this share of them does not exceed. Raises NotMeasuredError without any."""
    if not values:
        raise NotMeasuredError("there is no violation to measure the latency of")
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def latencies(stage: Stage, work: Work, traces_per_s: float, seconds: float) -> Latencies:
    """Feed a worker at a steady rate and watch the topic of violations."""
    topic = stage.spans_topic(PARTITION_COUNT)
    order = steady(stage.servers, topic, PARTITION_COUNT, work.loop, traces_per_s, seconds)
    load = Load(work, topic, order.copy_count, stage.write_rules("rules", work.sources))
    outputs = stage.outputs(topic, PARTITION_COUNT)
    worker = stage.start(topic, outputs, load.rules, LATENCY_SETTINGS)
    wait_until_ready(worker, PARTITION_COUNT)
    clock = _Clock(time.time_ns() + round(_SETTLE_S * NS))
    log = ViolationLog(stage.servers, outputs.violations, clock.take)
    with log.followed(), feeding(order) as feed:
        fed = feed.result(seconds + _TIMEOUT_S)
        wait_until_closed(worker, load.trace_count)
        time.sleep(1)
    worker.stop()
    check_said(stage, load, outputs)
    stage.remove(topic)
    return Latencies(clock.early_s, clock.close_s, fed)


def wait_until_ready(worker: Worker, partition_count: int) -> None:
    """Return when a worker owns so many partitions. Raises NotMeasuredError."""
    until = time.monotonic() + _TIMEOUT_S
    while worker.get("/readyz")[0] != _READY or worker.metric("betrace_partitions_owned") < partition_count:
        worker.check()
        if time.monotonic() > until:
            raise NotMeasuredError(f"the worker was not given {partition_count} partitions within {_TIMEOUT_S:g} s")
        time.sleep(0.1)


def wait_until_closed(worker: Worker, trace_count: int, timeout_s: float = _TIMEOUT_S) -> None:
    """Return when a worker has closed so many traces. Raises NotMeasuredError."""
    until = time.monotonic() + timeout_s
    while (closed := worker.metric("betrace_traces_closed_total")) < trace_count:
        worker.check()
        if time.monotonic() > until:
            raise NotMeasuredError(f"{closed:.0f} of {trace_count} traces closed within {timeout_s:g} s")
        time.sleep(0.2)
