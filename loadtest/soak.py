"""`soak`: a worker at half load for an hour, row 15: its memory does not grow, no partition stands still, and nothing is said wrong."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import linear_regression, mean, median
from typing import Final

from loadtest.consumption import PARTITION_COUNT, Load, NotMeasuredError, consume, preload_evenly
from loadtest.expected import check_verdict_counts, check_violations
from loadtest.feed import Fed, feeding, steady, watched
from loadtest.half_load import Trial, half_load, positions
from loadtest.latency import wait_until_closed, wait_until_ready
from loadtest.pipeline_stage import Stage, pipeline_stage
from loadtest.pipeline_work import PipelineWork, Work
from loadtest.rows import GROWTH, NO_BAR, STUCK, Row
from loadtest.violation_log import Believed, ViolationLog
from loadtest.worker_run import WorkerRun

_STUCK_S: Final = 10.0
_CLOSE_TIMEOUT_S: Final = 120.0
# So many traces are remembered that the plateau is reached soon; the topic keeps what comes in three minutes: who lags more loses input.
_SETTINGS: Final[dict[str, object]] = {"idle_timeout_s": 10, "closed_retention_s": 10, "timestamp_skew_max_s": 5}
_TOPIC: Final = {"retention.ms": "180000", "segment.bytes": str(64 * 2**20), "segment.ms": "30000"}


@dataclass(frozen=True, slots=True)
class SoakEffort:
    """How long it is: `seconds` of traffic, after `measured_count` records by which half of the load is found, once the worker is warm.

    `tried_s`: how long that half is tried before.
    """

    seconds: float
    measured_count: int
    warm_cpu_s: float
    tried_s: float


# A machine writes back what a broker has written after half a minute: a trial is longer than that.
FULL: Final = SoakEffort(3_600, 400_000, 1.5, 120)
QUICK: Final = SoakEffort(190, 30_000, 0.2, 40)


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen of the worker at a moment, in seconds since the begin: memory, and where it was in each partition."""

    at_s: float
    resident_mib: float
    positions: Mapping[str, float]


def growth_percent(looks: Sequence[Look]) -> float:
    """Return by how much the memory of the last quarter of the time is greater than that of the second, by their medians.

    The first quarter is for warming up.
    """
    quarter = len(looks) // 4
    second, last = (median(look.resident_mib for look in some) for some in (looks[quarter : 2 * quarter], looks[-quarter:]))
    return 100 * (last / second - 1)


def slope_percent(looks: Sequence[Look]) -> float:
    """Return by how much memory grows over all the time after the first quarter, by least squares, in percent of its mean."""
    after = looks[len(looks) // 4 :]
    sizes = [look.resident_mib for look in after]
    slope = linear_regression([look.at_s for look in after], sizes).slope
    return 100 * slope * (after[-1].at_s - after[0].at_s) / mean(sizes)


def stuck(looks: Sequence[Look], still_s: float = _STUCK_S) -> list[str]:
    """Return the partitions whose position did not move for so long."""
    moved: dict[str, tuple[float, float]] = {}
    found: set[str] = set()
    for look in looks:
        for partition, position in look.positions.items():
            before = moved.get(partition)
            if before is None or position != before[1]:
                moved[partition] = (look.at_s, position)
            elif look.at_s - before[0] > still_s:
                found.add(partition)
    return sorted(found)


class SoakRun(WorkerRun):
    """One run of the soak."""

    @property
    def effort(self) -> SoakEffort:
        """How long it is."""
        return QUICK if self.quick else FULL

    def measure(self) -> None:
        """Find half of the load, and let it come."""
        work = PipelineWork().ten_spans()
        self.note(work)
        with pipeline_stage() as stage:
            self.heard("what one worker does alone")
            alone = self._alone(stage, work)
            self.heard(f"whether it keeps up with half of {alone:.0f} records a second")
            half = half_load(stage, work, alone, Trial(self.effort.tried_s, _SETTINGS, stage.cpus[0]))
            self.heard(f"{self.effort.seconds:.0f} s at {half:.0f} records a second")
            looks, fed = self._soak(stage, work, half)
        self._report(looks, fed)

    def _alone(self, stage: Stage, work: Work) -> float:
        load = preload_evenly(stage, work, self.effort.measured_count)
        found = consume(stage, load, 1, self.effort.warm_cpu_s).per_second
        stage.remove(load.topic)
        return found

    def _soak(self, stage: Stage, work: Work, traces_per_s: float) -> tuple[list[Look], Fed]:
        topic = stage.spans_topic(PARTITION_COUNT, _TOPIC)
        order = steady(stage.servers, topic, PARTITION_COUNT, work.loop, traces_per_s, self.effort.seconds)
        load = Load(work, topic, order.copy_count, stage.write_rules("rules", work.sources))
        outputs = stage.outputs(topic, PARTITION_COUNT)
        worker = stage.start(topic, outputs, load.rules, _SETTINGS, stage.cpus[0])
        wait_until_ready(worker, PARTITION_COUNT)
        believed = Believed()
        with ViolationLog(stage.servers, outputs.violations, believed.take).followed(), feeding(order) as feed:
            looks = watched(feed, lambda at_s: Look(at_s, worker.resident_mib(), positions(worker)))
            fed = feed.result()
            wait_until_closed(worker, load.trace_count, _CLOSE_TIMEOUT_S)
            time.sleep(2)
            verdicts = worker.metrics()
        worker.stop()
        check_violations("soak", believed.by_trace(), work.expected, order.copy_count)
        check_verdict_counts("soak", verdicts, work.expected, order.copy_count)
        stage.remove(topic)
        return looks, fed

    def _report(self, looks: Sequence[Look], fed: Fed) -> None:
        if len(looks) < 8:  # noqa: PLR2004 - two of each quarter
            raise NotMeasuredError("too short to say whether memory grows")
        against = f"{fed.span_count / fed.seconds:.0f} spans/s for {fed.seconds / 60:.0f} min, half of what one worker bears; " + ", ".join(
            f"{name}={value}" for name, value in _SETTINGS.items()
        )
        self.rows.append(Row(15, "growth of memory, second quarter to last", growth_percent(looks), "%", GROWTH, 1, against))
        self.rows.append(Row(15, "growth of memory after a quarter, least squares", slope_percent(looks), "%", NO_BAR, 1, against))
        self.rows.append(Row(15, f"partitions that stood still for {_STUCK_S:g} s", len(stuck(looks)), "partitions", STUCK, 1, against))
        memory = median(look.resident_mib for look in looks[len(looks) // 4 :])
        self.rows.append(Row(15, "memory of the worker", memory, "MiB", NO_BAR, 1, against))
        found: dict[str, object] = {"name": "soak", "fed": fed._asdict(), "resident_mib": [round(look.resident_mib, 1) for look in looks]}
        self.measurements.append(found)
