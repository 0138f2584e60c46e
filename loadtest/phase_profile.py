"""`profile`: where the nanoseconds of a span go, by the phases that an engine times itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial

from loadtest.comparisons import CParser
from loadtest.demand import demand_of
from loadtest.engine_benchmark import SEED
from loadtest.measured import Candidate, Judge
from loadtest.measuring import FULL, QUICK, Contestant, Effort, timed
from loadtest.workloads import Workload, Workloads

# So much work is profiled, once warm.
PROFILED_NS = 300_000_000
_REST = "outside of any phase"


@dataclass(frozen=True, slots=True)
class Profile:
    """Nanoseconds per span: by phase and in all while phases are timed, and of processor time while they are not and of the C parser."""

    workload: str
    phases: Mapping[str, float]
    timed: float
    untimed: float
    c_parser: float

    def as_json(self) -> dict[str, object]:
        """Return the profile as it is published."""
        return asdict(self)

    def as_text(self) -> Iterator[str]:
        """Yield the profile as a person reads it, the longest phase first."""
        yield f"{self.workload}"
        yield f"  {self.untimed:9.1f} ns a span ({self.timed:.1f} with its phases timed); the C parser takes {self.c_parser:.1f}"
        rest = self.timed - sum(self.phases.values())
        for name, taken in (*sorted(self.phases.items(), key=lambda phase: -phase[1]), (_REST, rest)):
            yield f"  {taken:9.1f}  {taken / self.timed:6.1%}  {name}"


def profiles(candidate: Candidate, *, quick: bool, heard: Callable[[str], None]) -> Iterator[Profile]:
    """Yield the profile of a candidate on each kind of work that the benchmark measures."""
    workloads = Workloads(SEED, candidate.quick_span_count if quick else candidate.span_count)
    effort = QUICK if quick else FULL
    for workload in workloads.each_kind():
        heard(workload.label)
        yield _profile(candidate, workload, effort)


def _profile(candidate: Candidate, workload: Workload, effort: Effort) -> Profile:
    records, rule_set = workload.corpus.records, workload.rules.rule_set
    span_count = workload.corpus.facts().span_count
    parser, untimed = CParser(records, demand_of(rule_set)), candidate.start(rule_set)
    judges = {"untimed": untimed.judge, "timed": (watched := candidate.start(rule_set, timed=True)).judge}
    contestants = {name: Contestant(partial(judge, records), span_count) for name, judge in judges.items()}
    timings = timed({**contestants, parser.name: Contestant(parser.run, span_count)}, effort)
    phases, taken = _phases(watched, records, timings.median_ns("timed") * span_count)
    by_phase = {name: found / span_count for name, found in phases.items()}
    return Profile(workload.label, by_phase, taken / span_count, timings.median_ns("untimed"), timings.median_ns(parser.name))


def _phases(judge: Judge, records: Sequence[bytes], ns_per_run: float) -> tuple[dict[str, float], float]:
    """Return the mean nanoseconds of a warm run by phase, and in all."""
    run_count = max(1, round(PROFILED_NS / ns_per_run))
    before = dict(judge.phases())
    began_ns = time.perf_counter_ns()
    for _ in range(run_count):
        judge.judge(records)
    taken = (time.perf_counter_ns() - began_ns) / run_count
    return {name: (found - before.get(name, 0)) / run_count for name, found in judge.phases().items()}, taken
