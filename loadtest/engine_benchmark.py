"""`engine`: OTLP bytes to verdicts on one core, beside the limit of the machine and beside Python, rows 1-3 and 10-13."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median

from loadtest.agreement import check_equal, check_span_count, check_verdicts
from loadtest.candidates import Candidate, Judge
from loadtest.comparisons import Comparison, CParser, UpbWalk
from loadtest.compile_beside import compile_rows
from loadtest.corpora.corpus import Facts
from loadtest.demand import demand_of
from loadtest.measuring import Contestant, Timings, timed
from loadtest.rows import AGAINST_PYTHON, MEMORY, NEAR_LINEAR, TIMES, TIMES_C, TIMES_UPB, Row
from loadtest.rule_sample import RuleSample
from loadtest.workloads import DEEP_TRACE, SAMPLE_SPAN_COUNT, SHORT_TRACE, Workload, Workloads

SEED = 7
_C, _UPB = CParser.name, "upb walk"


@dataclass(slots=True)
class EngineRun:
    """One run of the benchmark and what it has found so far; `heard` is told what is measured next.

    Raises DisagreementError where a candidate does not say what the reference engine says: there are no figures then.
    """

    candidate: Candidate
    quick: bool = False
    heard: Callable[[str], None] = lambda _what: None
    rows: list[Row] = field(default_factory=list)
    corpora: dict[tuple[str, str, str], Facts] = field(default_factory=dict)
    rules: dict[str, RuleSample] = field(default_factory=dict)
    measurements: list[dict[str, object]] = field(default_factory=list)

    @property
    def run_count(self) -> int:
        """How many runs a median is of."""
        return 3 if self.quick else 5

    def measure(self) -> None:
        """Measure all rows."""
        span_count = self.candidate.quick_span_count if self.quick else self.candidate.span_count
        workloads = Workloads(SEED, span_count)
        for workload in workloads.by_name():
            self._alone(workload)
        for workload in (*workloads.wide(), *workloads.without_names(), *workloads.recordings()):
            self._alone(workload)
        self._short_and_deep(*workloads.relations())
        self._memory(workloads)
        self._compile(workloads)
        self.rows.sort(key=lambda row: row.row)

    def _alone(self, workload: Workload) -> None:
        timings, _ = self._timed([workload])
        self.rows.append(self._against_c(workload, timings, self.candidate.name, _C))
        if workload.against_python:
            times = timings.times_as_fast(self.candidate.name, _UPB)
            self.rows.append(
                Row(3, _name(workload), times, TIMES_UPB, AGAINST_PYTHON, timings.run_count, "protobuf parse and walk, no rules")
            )

    def _short_and_deep(self, short: Workload, deep: Workload) -> None:
        """Time both in turns, so that the cost of depth is a ratio of neighbours as well."""
        timings, names = self._timed([short, deep])
        for number, workload in enumerate((short, deep)):
            self.rows.append(self._against_c(workload, timings, *names[number]))
        growth = timings.times_as_fast(names[0][0], names[1][0])
        name = f"cost of a span in a trace of {DEEP_TRACE} spans"
        unit, against = f"{TIMES} of {SHORT_TRACE} spans", f"cost of a span in traces of {SHORT_TRACE} spans"
        self.rows.append(Row(13, name, growth, unit, NEAR_LINEAR, timings.run_count, against))

    def _against_c(self, workload: Workload, timings: Timings, name: str, limit: str) -> Row:
        times = timings.times_as_fast(name, limit)
        return Row(workload.row, _name(workload), times, TIMES_C, workload.bar, timings.run_count, "C parser that only decodes")

    def _timed(self, workloads: list[Workload]) -> tuple[Timings, list[tuple[str, str]]]:
        """Time workloads in turns; return the timings and, of each, the names of candidate and C parser among them."""
        contestants: dict[str, Contestant] = {}
        names: list[tuple[str, str]] = []
        judges: list[Judge] = []
        for workload in workloads:
            names.append((f"{self.candidate.name}{len(names) or ''}", f"{_C}{len(names) or ''}"))
            judges.append(self._prepare(workload, names[-1], contestants))
        before = [dict(judge.verdicts()) for judge in judges]
        timings = timed(contestants, self.run_count)
        for workload, judge, first in zip(workloads, judges, before, strict=True):
            check_equal(f"the last run of {_name(workload)}", workload.rules.rule_set, first, judge.verdicts())
        self.measurements.append({"workloads": [_name(workload) for workload in workloads], "ns_per_span": dict(timings.ns_per_span)})
        return timings, names

    def _prepare(self, workload: Workload, names: tuple[str, str], contestants: dict[str, Contestant]) -> Judge:
        """Check that all agree on a workload, then add those that are timed on it."""
        self.heard(_name(workload))
        corpus, rule_set = workload.corpus, workload.rules.rule_set
        facts = self._facts(workload)
        check_verdicts(self.candidate, rule_set, corpus.prefix(SAMPLE_SPAN_COUNT))
        judge = self.candidate.start(rule_set)
        judge.judge(corpus.records)
        contestants[names[0]] = Contestant(lambda: judge.judge(corpus.records), facts.span_count)
        demand = demand_of(rule_set)
        comparisons: list[tuple[str, Comparison]] = [(names[1], CParser(corpus.records, demand))]
        if workload.against_python:
            comparisons.append((_UPB, UpbWalk(corpus.records, demand)))
        for name, comparison in comparisons:
            check_span_count(comparison, corpus)
            contestants[name] = Contestant(comparison.run, facts.span_count)
        return judge

    def _facts(self, workload: Workload) -> Facts:
        corpus = workload.corpus
        self.rules.setdefault(workload.rules.name, workload.rules)
        key = (corpus.name, corpus.form, corpus.layout)
        if key not in self.corpora:
            self.corpora[key] = corpus.facts()
        return self.corpora[key]

    def _memory(self, workloads: Workloads) -> None:
        self.heard("memory of open traces")
        rules = workloads.named(50)
        if any(rule.report.state.captured_rows for rule in rules.rule_set.enabled):
            raise AssertionError("rules about spans by name capture no rows")
        judge = self.candidate.start(rules.rule_set)
        judge.open_trace_bytes(workloads.sample.records)
        found = [judge.open_trace_bytes(workloads.sample.records) for _ in range(self.run_count)]
        spans = workloads.sample.facts()
        against = f"{spans.bytes_per_span * spans.span_count / spans.trace_count:.0f} B of OTLP per trace"
        self.rows.append(Row(10, "memory per open trace, 50 rules without captures", median(found), "B", MEMORY, self.run_count, against))

    def _compile(self, workloads: Workloads) -> None:
        self.heard("compiling beside traffic")
        running, records = workloads.named(10), workloads.sample.records
        self.rows += compile_rows(self.candidate, running.rule_set, records, self.run_count, SEED)


def _name(workload: Workload) -> str:
    corpus = workload.corpus
    return f"{workload.name}; {corpus.form}, {corpus.layout}"
