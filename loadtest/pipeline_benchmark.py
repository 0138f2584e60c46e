"""`pipeline`: records on Kafka to violations on Kafka, by real workers with checkpoints to a store, rows 4-9."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from loadtest.bare_client import Read, read_all
from loadtest.checkpoint_cost import TRACE_COUNT, cpu_per_record
from loadtest.collector import OTELCOL, collector_program, spans_per_cpu_second
from loadtest.consumption import PARTITION_COUNT, Consumed, Load, consume, preload, preload_evenly
from loadtest.half_load import Trial, half_load
from loadtest.kafka_broker import VERSION
from loadtest.latency import LATENCY_SETTINGS, Latencies, latencies, quantile
from loadtest.machine import pipeline_versions
from loadtest.pipeline_stage import Stage, pipeline_stage, store_version
from loadtest.pipeline_work import RULE_COUNT, PipelineWork, Work, recorded_shop
from loadtest.recovery_times import OPEN_PER_WORKER, SESSION_S, Silences, silences
from loadtest.rows import (
    CHECKPOINTS,
    CLOSE_LATENCY,
    EARLY_LATENCY,
    END_TO_END,
    KEYED,
    NO_BAR,
    OF_BARE,
    OF_COLLECTOR,
    RECOVERY,
    SCALING,
    SILENCE,
    TIMES,
    Bar,
    Row,
)
from loadtest.worker_run import WorkerRun

TIMES_BARE: Final = f"{TIMES} bare client"
TIMES_ONE: Final = f"{TIMES} one"
TIMES_COLLECTOR: Final = f"{TIMES} Collector"
# How many repetitions of the recording run at the same time, by their stamps.
_OVERLAPPING: Final = 8
_P99: Final = 0.99


@dataclass(frozen=True, slots=True)
class PipelineEffort:
    """How much is run.

    Runs of each row; records of a run, and for how much processor time a worker runs before it is timed, since a program compiles itself
    while it runs; seconds at half load, and for how long that load is tried before; changes of an open trace; runs of the recovery.
    """

    run_count: int
    record_count: int
    keyed_record_count: int
    warm_cpu_s: float
    live_s: float
    tried_s: float
    change_count: int
    recovery_count: int


FULL: Final = PipelineEffort(5, 400_000, 800_000, 1.5, 30, 60, 20, 5)
QUICK: Final = PipelineEffort(3, 60_000, 120_000, 0.2, 12, 12, 10, 1)


class PipelineRun(WorkerRun):
    """One run of the benchmark."""

    @property
    def effort(self) -> PipelineEffort:
        """How much is run for a figure."""
        return QUICK if self.quick else FULL

    def measure(self) -> None:
        """Measure all rows."""
        work = PipelineWork()
        with pipeline_stage() as stage:
            per_s = self._ten_spans(stage, work.ten_spans())
            self._keyed(stage, recorded_shop(RULE_COUNT), KEYED)
            self._keyed(stage, recorded_shop(), NO_BAR)
            self._checkpoints(stage, work.changing(self.effort.change_count))
            stage.share_processors()
            self._latency(stage, work.ten_spans(), per_s)
            self._recovery(stage, work)
        self.rows.sort(key=lambda row: row.row)

    def _found(self, row: Row) -> None:
        self.rows.append(row)
        self.heard(f"row {row.row}, {row.name}: {'no figure' if row.figure is None else f'{row.figure:.4g} {row.unit}'}")

    def _ten_spans(self, stage: Stage, work: Work) -> float:
        """Measure rows 4 and 6 in turns; return the records a second of one worker."""
        self.note(work)
        self.heard(f"{work.name}: putting the records on the topic")
        load = preload_evenly(stage, work, self.effort.record_count)
        halves = [range(0, PARTITION_COUNT, 2), range(1, PARTITION_COUNT, 2)]
        bare, alone, bare_two, two = [], [], [], []
        for number in range(self.effort.run_count):
            self.heard(f"{work.name}: run {number + 1}")
            bare += read_all(stage.servers, load.topic, [range(PARTITION_COUNT)], stage.cpus[:1])
            alone.append(consume(stage, load, 1, self.effort.warm_cpu_s))
            bare_two.append(read_all(stage.servers, load.topic, halves, [stage.cpus[number % len(stage.cpus)] for number in range(2)]))
            two.append(consume(stage, load, 2, self.effort.warm_cpu_s))
        stage.remove(load.topic)
        self._end_to_end(4, load, alone, bare, END_TO_END)
        self._scaling(load, alone, two, bare, bare_two)
        return median(run.per_second for run in alone)

    def _end_to_end(self, row: int, load: Load, runs: list[Consumed], bare: list[Read], bar: Bar) -> None:
        """Report one worker beside the bare loop; row 4 speaks of spans, row 5 of records."""
        name, count, against = load.work.name, len(runs), "a loop of confluent-kafka that only consumes the same records"
        unit, factor = ("spans", load.spans_per_record) if row == 4 else ("records", 1.0)  # noqa: PLR2004 - the row's number
        self._found(
            Row(row, f"{name}: one worker on one core", factor * median(run.per_second for run in runs), f"{unit}/s", bar, count, against)
        )
        per_cpu = factor * median(run.per_cpu_second for run in runs)
        self._found(Row(row, f"{name}: one worker, of its processor time", per_cpu, f"{unit}/CPU-s", NO_BAR, count, against))
        of_cpu = median(run.per_cpu_second / it.record_count * it.cpu_s for run, it in zip(runs, bare, strict=True))
        of_wall = median(run.per_second / it.record_count * it.seconds for run, it in zip(runs, bare, strict=True))
        limit = OF_BARE if bar is not NO_BAR else NO_BAR
        self._found(Row(row, f"{name}: one worker beside the bare client, processor time", of_cpu, TIMES_BARE, limit, count, against))
        self._found(Row(row, f"{name}: one worker beside the bare client, wall clock", of_wall, TIMES_BARE, NO_BAR, count, against))
        self.measurements.append({"name": name, "workers": [_plain(run) for run in runs], "bare": [_plain(run) for run in bare]})

    def _scaling(self, load: Load, alone: list[Consumed], two: list[Consumed], bare: list[Read], bare_two: list[list[Read]]) -> None:
        name, count = f"{load.work.name}: two workers", len(two)
        of_cpu = median(run.per_cpu_second / one.per_cpu_second for run, one in zip(two, alone, strict=True))
        of_wall = median(run.per_second / one.per_second for run, one in zip(two, alone, strict=True))
        both = [sum(it.record_count for it in run) / max(it.seconds for it in run) for run in bare_two]
        bare_wall = median(rate * one.seconds / one.record_count for rate, one in zip(both, bare, strict=True))
        self._found(Row(6, f"{name}, spans of their processor time", of_cpu, TIMES_ONE, SCALING, count, "one worker"))
        self._found(
            Row(6, f"{name}, wall clock", of_wall, TIMES_ONE, NO_BAR, count, f"one worker; two bare loops reach {bare_wall:.2f} of one")
        )
        self._found(Row(6, "two bare loops, wall clock", bare_wall, TIMES_ONE, NO_BAR, count, "one bare loop"))
        self.measurements.append(
            {"name": name, "workers": [_plain(run) for run in two], "bare": [[_plain(it) for it in run] for run in bare_two]}
        )

    def _keyed(self, stage: Stage, work: Work, bar: Bar) -> None:
        """Measure row 5; the Collector only beside the rules that have a bar."""
        self.note(work)
        self.heard(f"{work.name}: putting the records on the topic")
        copy_count = max(1, round(self.effort.keyed_record_count / len(work.loop.pieces)))
        load = preload(stage, work, copy_count, work.loop.pieces[-1].offset_ns // _OVERLAPPING)
        runs: list[Consumed] = []
        bare: list[Read] = []
        program = collector_program() if bar is not NO_BAR else None
        collector: list[float] = []
        for number in range(self.effort.run_count):
            self.heard(f"{work.name}: run {number + 1}")
            bare += read_all(stage.servers, load.topic, [range(PARTITION_COUNT)], stage.cpus[:1])
            runs.append(consume(stage, load, 1, self.effort.warm_cpu_s))
            if program is not None:
                collector.append(spans_per_cpu_second(stage, load, program))
        stage.remove(load.topic)
        self._end_to_end(5, load, runs, bare, bar)
        if bar is not NO_BAR:
            self._beside_collector(load, runs, collector)

    def _beside_collector(self, load: Load, runs: list[Consumed], collector: list[float]) -> None:
        name, figure = f"{load.work.name}: spans of processor time", None
        against = f"no figure: ${OTELCOL} names no Collector"
        if collector:
            figure = median(run.per_cpu_second * load.spans_per_record / its for run, its in zip(runs, collector, strict=True))
            against = "the Collector's tail sampling with ten policies on the same records"
        self._found(Row(5, name, figure, TIMES_COLLECTOR, OF_COLLECTOR, len(collector), against))
        self.measurements.append({"name": f"{name}, Collector", "spans_per_cpu_second": collector})

    def _latency(self, stage: Stage, work: Work, alone_per_s: float) -> None:
        self.heard(f"detection latency: whether a worker keeps up with half of {alone_per_s:.0f} records a second")
        half = half_load(stage, work, alone_per_s, Trial(self.effort.tried_s, LATENCY_SETTINGS))
        runs: list[Latencies] = []
        for number in range(self.effort.run_count):
            self.heard(f"detection latency: run {number + 1}")
            runs.append(latencies(stage, work, half, self.effort.live_s))
        rate = median(run.fed.span_count / run.fed.seconds for run in runs)
        late = max(run.fed.late_s_max for run in runs)
        against = f"{rate:.0f} spans/s, half of what one worker bears; records at most {late:.2f} s later than planned"
        early, close = (
            median(quantile(them, _P99) for them in some) for some in zip(*((it.early_s, it.close_s) for it in runs), strict=True)
        )
        self._found(Row(7, "latency of violations decided while the trace is open, p99", early, "s", EARLY_LATENCY, len(runs), against))
        self._found(
            Row(7, "latency of violations decided at close, beyond the close delay, p99", close, "s", CLOSE_LATENCY, len(runs), against)
        )
        self.measurements.append(
            {
                "name": "detection latency",
                "runs": [{"fed": it.fed._asdict(), "early_s": _quantiles(it.early_s), "close_s": _quantiles(it.close_s)} for it in runs],
            }
        )

    def _checkpoints(self, stage: Stage, work: Work) -> None:
        self.note(work)
        pairs = []
        for number in range(self.effort.run_count):
            self.heard(f"cost of checkpoints: run {number + 1}")
            pairs.append((cpu_per_record(stage, work, checkpoints=True), cpu_per_record(stage, work, checkpoints=False)))
        share = median(100 * (1 - off / on) for on, off in pairs)
        name = f"checkpoints while {TRACE_COUNT} open traces change every second, of the worker's processor time"
        self._found(Row(8, name, share, "%", CHECKPOINTS, len(pairs), "the same without a checkpoint"))
        self.measurements.append({"name": "cost of checkpoints", "cpu_s_per_record": pairs})

    def _recovery(self, stage: Stage, work: PipelineWork) -> None:
        runs: list[Silences] = []
        for number in range(self.effort.recovery_count):
            self.heard(f"recovery: run {number + 1}")
            runs.append(silences(stage, work))
        count, beyond = len(runs), f"the session timeout of {SESSION_S:g} s"
        name = f"a worker with {OPEN_PER_WORKER} open traces is killed: until its partitions are judged again, beyond the session timeout"
        self._found(Row(9, name, median(run.recovery_s for run in runs), "s", RECOVERY, count, beyond))
        silence, against = "silence of partitions that stay while a worker", "records on every partition all the time"
        self._found(Row(9, f"{silence} joins", median(run.joining_s for run in runs), "s", SILENCE, count, against))
        self._found(Row(9, f"{silence} leaves", median(run.leaving_s for run in runs), "s", SILENCE, count, against))
        self.measurements.append({"name": "recovery", "runs": [_plain(run) for run in runs]})


def _plain(found: Consumed | Read | Silences) -> dict[str, float]:
    return {name: getattr(found, name) for name in found.__slots__}


def _quantiles(values: Sequence[float]) -> dict[str, float]:
    return {"count": len(values), "p50": quantile(values, 0.5), "p99": quantile(values, _P99), "max": max(values)}


def pipeline_parts() -> dict[str, str]:
    """Return the versions of everything that runs."""
    return pipeline_versions() | {"kafka": VERSION, "store": store_version()}
