"""`engine`: OTLP bytes to verdicts on one core, beside the limit of the machine and beside Python, rows 1-3 and 10-13."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median

from compiler import RuleSet
from loadtest.agreement import check_equal, check_span_count, check_verdicts
from loadtest.comparisons import Comparison, CParser, UpbWalk
from loadtest.compile_beside import compile_rows
from loadtest.corpora.corpus import Corpus, Facts, Form, Survey
from loadtest.demand import demand_of
from loadtest.measured import Candidate, Judge
from loadtest.measuring import FULL, QUICK, Contestant, Effort, Timings, timed
from loadtest.rows import AGAINST_PYTHON, IN_BATCHES, MEMORY, NEAR_LINEAR, NO_BAR, TIMES, TIMES_C, TIMES_UPB, Bar, Row
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
    rules: dict[str, RuleSample] = field(default_factory=dict)
    measurements: list[dict[str, object]] = field(default_factory=list)
    _surveys: dict[tuple[str, str, str], Survey] = field(default_factory=dict)

    @property
    def effort(self) -> Effort:
        """How much is run for a figure."""
        return QUICK if self.quick else FULL

    @property
    def corpora(self) -> list[Facts]:
        """What was read."""
        return [survey.facts for survey in self._surveys.values()]

    def measure(self) -> None:
        """Measure all rows."""
        span_count = self.candidate.quick_span_count if self.quick else self.candidate.span_count
        workloads = Workloads(SEED, span_count)
        for workload in workloads.by_name():
            self._alone(workload)
        for workload in (*workloads.wide(), *workloads.without_names(), *workloads.recordings()):
            self._alone(workload)
        for traces, batches in workloads.in_both_forms():
            self._side_by_side(traces, batches, f"cost of a span in {Form.BATCHES}, {traces.name}", "one trace", IN_BATCHES)
        deep = f"cost of a span in a trace of {DEEP_TRACE} spans"
        self._side_by_side(*workloads.relations(), deep, f"{SHORT_TRACE} spans", NEAR_LINEAR)
        self._evidence(workloads)
        self._memory(workloads)
        self._compile(workloads)
        self.rows.sort(key=lambda row: row.row)

    def _alone(self, workload: Workload) -> None:
        timings, _ = self._timed([workload])
        self.rows.append(self._against_c(workload, timings, self.candidate.name, _C))
        if workload.against_python:
            times = timings.times_as_fast(self.candidate.name, _UPB)
            self.rows.append(
                Row(3, workload.label, times, TIMES_UPB, AGAINST_PYTHON, timings.run_count, "protobuf parse and walk, no rules")
            )

    def _side_by_side(self, one: Workload, other: Workload, name: str, of: str, bar: Bar) -> None:
        """Time both in turns, so that what a span costs in the other, in times of the one, is a ratio of neighbours as well."""
        timings, names = self._timed([one, other])
        for number, workload in enumerate((one, other)):
            self.rows.append(self._against_c(workload, timings, *names[number]))
        times = timings.times_as_fast(names[0][0], names[1][0])
        self.rows.append(Row(one.row, name, times, f"{TIMES} of {of}", bar, timings.run_count, one.label))

    def _against_c(self, workload: Workload, timings: Timings, name: str, limit: str) -> Row:
        times = timings.times_as_fast(name, limit)
        return Row(workload.row, workload.label, times, TIMES_C, workload.bar, timings.run_count, "C parser that only decodes")

    def _timed(self, workloads: list[Workload]) -> tuple[Timings, list[tuple[str, str]]]:
        """Time workloads in turns; return the timings and, of each, the names of candidate and C parser among them."""
        contestants: dict[str, Contestant] = {}
        names: list[tuple[str, str]] = []
        judges: list[Judge] = []
        for workload in workloads:
            names.append((f"{self.candidate.name}{len(names) or ''}", f"{_C}{len(names) or ''}"))
            judges.append(self._prepare(workload, names[-1], contestants))
        before = [dict(judge.verdicts()) for judge in judges]
        timings = timed(contestants, self.effort)
        for workload, judge, first in zip(workloads, judges, before, strict=True):
            rule_set, survey = workload.rules.rule_set, self._survey(workload.corpus)
            check_verdicts(self._where("the last run", workload), rule_set, survey, judge.verdicts())
            check_equal(self._where("the last run against the first", workload), rule_set, first, judge.verdicts())
        self.measurements.append({"workloads": [workload.label for workload in workloads], "ns_per_span": dict(timings.ns_per_span)})
        return timings, names

    def _prepare(self, workload: Workload, names: tuple[str, str], contestants: dict[str, Contestant]) -> Judge:
        """Check that all agree on a workload, then add those that are timed on it."""
        self.heard(workload.label)
        corpus, rule_set, survey = workload.corpus, workload.rules.rule_set, self._survey(workload.corpus)
        self.rules.setdefault(workload.rules.name, workload.rules)
        judge = self.candidate.start(rule_set)
        judge.judge(corpus.records)
        check_verdicts(self._where("the first run", workload), rule_set, survey, judge.verdicts())
        contestants[names[0]] = Contestant(lambda: judge.judge(corpus.records), survey.facts.span_count)
        demand = demand_of(rule_set)
        comparisons: list[tuple[str, Comparison]] = [(names[1], CParser(corpus.records, demand))]
        if workload.against_python:
            comparisons.append((_UPB, UpbWalk(corpus.records, demand)))
        for name, comparison in comparisons:
            check_span_count(comparison, survey.facts)
            contestants[name] = Contestant(comparison.run, survey.facts.span_count)
        return judge

    def _where(self, run: str, workload: Workload) -> str:
        return f"{self.candidate.name}, {run} of {workload.label}"

    def _survey(self, corpus: Corpus) -> Survey:
        key = (corpus.name, corpus.form, corpus.layout)
        if key not in self._surveys:
            self._surveys[key] = corpus.survey(SAMPLE_SPAN_COUNT)
        return self._surveys[key]

    def _memory(self, workloads: Workloads) -> None:
        self.heard("memory of open traces")
        rules = workloads.named(50)
        if any(rule.report.state.captured_rows for rule in rules.rule_set.enabled):
            raise AssertionError("rules about spans by name capture no rows")
        self._memory_of(workloads.of_ten_spans(), rules.rule_set, MEMORY)
        self._memory_of(workloads.plain(rules).corpus, rules.rule_set, NO_BAR)

    def _memory_of(self, corpus: Corpus, rule_set: RuleSet, bar: Bar) -> None:
        judge, facts = self.candidate.start(rule_set), self._survey(corpus).facts
        judge.memory(corpus.records)
        found = [judge.memory(corpus.records) for _ in range(self.effort.run_count)]
        spans_per_trace = facts.span_count / facts.trace_count
        against = f"{facts.bytes_per_span * spans_per_trace:.0f} B of OTLP per trace"
        state, all_of_it = median([one.state for one in found]), median([one.state + one.evidence for one in found])
        name = f"memory per open trace of {spans_per_trace:.4g} spans, 50 rules without captures"
        self.rows.append(Row(10, name, state, "B", bar, self.effort.run_count, against))
        self.rows.append(Row(10, f"{name}, and evidence", all_of_it, "B", NO_BAR, self.effort.run_count, against))
        self.measurements.append({"workloads": [name], "bytes": [[one.state, one.evidence] for one in found]})

    def _evidence(self, workloads: Workloads) -> None:
        self.heard("evidence of violations")
        short, _ = workloads.relations()
        for workload in (workloads.plain(workloads.named(10)), short):
            judge = self.candidate.start(workload.rules.rule_set)
            judge.evidence(workload.corpus.records)
            found = [judge.evidence(workload.corpus.records) for _ in range(self.effort.run_count)]
            each_us = [one.taken_ns / one.violation_count / 1000 for one in found]
            name, against = f"evidence of a violation; {workload.name}", f"{found[0].violation_count} violations"
            self.rows.append(Row(1 if workload.row == 1 else 13, name, median(each_us), "µs", NO_BAR, self.effort.run_count, against))
            self.measurements.append({"workloads": [name], "us_per_violation": each_us})

    def _compile(self, workloads: Workloads) -> None:
        self.heard("compiling beside traffic")
        running, records = workloads.named(10), workloads.sample.records
        self.rows += compile_rows(self.candidate, running.rule_set, records, self.effort.run_count, SEED)
