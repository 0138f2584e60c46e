"""Runs the tests of rule files on the flow's own core (rule-language.md section 10).

A plain test: all spans arrive, then the trace closes as the test says. A timed test: spans arrive at their moments under default settings,
early verdicts on; a mark is made after the arrivals of each moment, at each moment the test names, and whenever a trace falls due.
The spans come as OTLP, a record each. A test asks what a rule means, so the reference engine answers, whatever engine a worker has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from compiler.notation import INSTANT_NS
from compiler.rule_set import RuleSet
from compiler.trace import TraceView
from compiler.verdict import Verdict
from compiler.why import why
from processor.closing import ClosingPolicy, completeness, finite_policy
from processor.inputs import InputRecord
from processor.judging import Judging
from processor.metrics import Silent
from processor.notation_spans import spans_of
from processor.partition import Partition
from processor.records_read import ReadRecords
from processor.reference_traces import ReferenceTraceEngine
from topics.journal import Mark
from topics.otlp import encode_protobuf
from topics.violation import CloseReason

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from compiler.rule_set import Rule, RuleTest
    from compiler.verdict import Closing, Judgement
    from compiler.why import Why
    from processor.engines import EngineMaker
    from processor.judging import SaidVerdict
    from topics.span import Span

_TIMED = ClosingPolicy()
_OFFENDER_COUNT_MAX = 10_000


@dataclass(frozen=True, slots=True)
class RuleTestOutcome:
    """What a test expected and what it got.

    `actual` has the form of the test's `expect`: a verdict's word, or words by moment. `offenders` are the span names of the violation or
    the excuse said last, in order of (start, id); `judgement` is the last one said, None where none was. `closing` is how much of the trace
    was there when the test ended, None where nothing is remembered of it any more. `span_names` are those of the traces of all tests.
    """

    rule: Rule
    test: RuleTest
    actual: str | Mapping[int, str]
    offenders: tuple[str, ...]
    judgement: Judgement | None
    view: TraceView
    closing: Closing | None
    span_names: frozenset[str] = frozenset()

    def why(self) -> Why | None:
        """Say why the rule judges the trace as it did when the test ended; None where the trace was forgotten."""
        return None if self.closing is None else why(self.rule, self.view, self.closing, occurring=self.span_names)

    @property
    def passed(self) -> bool:
        """Whether verdicts and, where the test names them, offenders are as expected."""
        return self.actual == self.test.expect and self.offenders_as_expected

    @property
    def offenders_as_expected(self) -> bool:
        """Whether the offenders are those the test names, in their order; True where it names none."""
        return self.test.offenders is None or self.offenders == self.test.offenders


def run_rule_test(rule: Rule, test: RuleTest, make_engine: EngineMaker = ReferenceTraceEngine) -> RuleTestOutcome:
    """Run one test of a rule, enabled or not; exceptions are in force whatever their last day."""
    play = _Play(rule, test, make_engine)
    actual = play.timed() if test.is_timed else play.plain()
    said = play.judgement
    offenders = () if said is None else tuple(span.name for span in said.offenders)
    return RuleTestOutcome(rule, test, actual, offenders, said, play.view, play.closing)


class _Play:
    """One run of one test."""

    def __init__(self, rule: Rule, test: RuleTest, make_engine: EngineMaker) -> None:
        self.rule = rule
        self.test = test
        self.judgement: Judgement | None = None
        self.spans = spans_of(test.trace.lines)
        rule_set = RuleSet((replace(rule, text=replace(rule.text, enabled=True)),), "test")
        engine = make_engine(rule_set, 0, _OFFENDER_COUNT_MAX)
        judging = Judging(engine, self._hear, Silent(), exceptions_expire=False, says_all=True)
        policy = _TIMED if test.is_timed else finite_policy(len(self.spans) + 1)
        self.partition = Partition(0, policy, judging, Silent())
        self._offset = 0

    @property
    def view(self) -> TraceView:
        """The test's trace, as it arrived."""
        return TraceView(span for _, span in sorted(zip(self._moments, self.spans, strict=True), key=lambda one: one[0]))

    @property
    def closing(self) -> Closing | None:
        """How much of the trace is there now; None where it is forgotten."""
        trace = next(iter(self.partition.traces.values()), None)
        return None if trace is None else completeness(trace)

    @property
    def _moments(self) -> list[int]:
        return [line.arrives_ns for line in self.test.trace.lines]

    @property
    def word(self) -> str:
        """The verdict said last."""
        return str(Verdict.UNKNOWN if self.judgement is None else self.judgement.verdict)

    def plain(self) -> str:
        self._arrive(INSTANT_NS, self.spans)
        self.partition.end(CloseReason(self.test.close), INSTANT_NS)
        return self.word

    def timed(self) -> str | Mapping[int, str]:
        moments = self.test.expect if isinstance(self.test.expect, Mapping) else {}
        arrivals: dict[int, list[Span]] = {moment: [] for moment in moments}
        for line, span in zip(self.test.trace.lines, self.spans, strict=True):
            arrivals.setdefault(line.arrives_ns, []).append(span)
        words: dict[int, str] = {}
        for moment in sorted(arrivals):
            self._fall_due_before(INSTANT_NS + moment)
            self._arrive(INSTANT_NS + moment, arrivals[moment])
            self._mark(INSTANT_NS + moment)
            words[moment] = self.word
        if moments:
            return {moment: words[moment] for moment in moments}
        self.partition.end(CloseReason(self.test.close), INSTANT_NS + max(arrivals))
        return self.word

    def _fall_due_before(self, moment_ns: int) -> None:
        while (due_ns := self.partition.next_due_ns) is not None and due_ns < moment_ns:
            self._mark(due_ns)

    def _arrive(self, moment_ns: int, spans: Iterable[Span]) -> None:
        for span in spans:
            record = InputRecord("test", 0, self._offset, moment_ns, None, (), encode_protobuf([span]), "protobuf", 0)
            brought = self.partition.take(ReadRecords.of([record]), [moment_ns])
            assert not brought.refused, f"{span} is no span that could come"
            self._offset += 1

    def _mark(self, at_ns: int) -> None:
        self.partition.obey(Mark(position=self._offset, time_ns=at_ns, cut=tuple(self.partition.overdue(at_ns))))

    def _hear(self, said: SaidVerdict) -> None:
        self.judgement = said.judgement


def run_rule_tests(rules: Sequence[Rule]) -> Iterable[RuleTestOutcome]:
    """Run all tests of some rules, in order, one when it is asked for."""
    names = frozenset(line.name for rule in rules for test in rule.tests for line in test.trace.lines)
    return (replace(run_rule_test(rule, test), span_names=names) for rule in rules for test in rule.tests)
