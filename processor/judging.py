"""Traces to verdicts to what is said: first verdicts, early ones, revisions. One object serves all partitions; it keeps nothing itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from compiler.trace import TraceView
from compiler.verdict import Closing, Verdict
from processor import metrics as m
from processor.closing import completeness
from processor.metrics import Silent
from processor.open_trace import Said
from processor.records import RecordMaker, body_digest
from topics.violation import Change

if TYPE_CHECKING:
    from compiler.rule_set import Rule, RuleSet
    from compiler.verdict import Judgement
    from processor.metrics import Metrics
    from processor.open_trace import OpenTrace
    from topics.violation import Violation


class Engine(Protocol):
    """What judges: one judgement per enabled rule, in the order of the rule set."""

    def judge(self, view: TraceView, closing: Closing, opened_ns: int | None) -> list[Judgement]:
        """Judge one trace; `opened_ns` None: every exception is in force."""


@dataclass(frozen=True, slots=True)
class SaidVerdict:
    """A verdict as it is said: first, early or revised. `record` is set where a violation record goes out with it."""

    rule: Rule
    judgement: Judgement
    view: TraceView
    trace: OpenTrace
    decided_ns: int
    record: Violation | None


Say = Callable[[SaidVerdict], None]


def _nobody(_said: SaidVerdict) -> None:
    pass


class Judging:
    """Judges traces by one rule set and says what is new."""

    def __init__(self, engine: Engine, rule_set: RuleSet, say: Say, metrics: Metrics, *, exceptions_expire: bool = True) -> None:
        self.rule_set = rule_set
        self._engine = engine
        self._rules = rule_set.enabled
        self._say = say
        self._metrics = metrics
        self._exceptions_expire = exceptions_expire

    def muted(self) -> Judging:
        """Return the same judge with nobody to hear it: what it says is remembered of the traces and goes nowhere."""
        return Judging(self._engine, self.rule_set, _nobody, Silent(), exceptions_expire=self._exceptions_expire)

    def repeat(self, trace: OpenTrace, now_ns: int) -> None:
        """Say once more what was last said of a trace, as the revision that it was."""
        if not trace.said:
            return
        view, judgements = self._judge(trace)
        for rule, judgement in zip(self._rules, judgements, strict=True):
            if (last := trace.said.get(rule.id)) is not None:
                change = Change.WITHDRAWN if not last.stands else Change.RAISED if last.revision == 1 else Change.UPDATED
                maker = RecordMaker(self.rule_set.fingerprint, rule, judgement, view, trace, now_ns)
                self._say(SaidVerdict(rule, judgement, view, trace, now_ns, maker.make(last.revision, change)))

    def early(self, trace: OpenTrace, now_ns: int) -> None:
        """Say the violations that are decided although the trace is open."""
        view, judgements = self._judge(trace)
        for rule, judgement in zip(self._rules, judgements, strict=True):
            if judgement.verdict is Verdict.VIOLATED and rule.id not in trace.said:
                self._one(rule, judgement, view, trace, now_ns)

    def close(self, trace: OpenTrace, now_ns: int) -> None:
        """Say the verdict of every rule on a trace that has just closed."""
        view, judgements = self._judge(trace)
        for rule, judgement in zip(self._rules, judgements, strict=True):
            trace.verdicts[rule.id] = judgement.verdict
            self._metrics.add(m.VERDICTS, 1, rule.id, judgement.verdict)
            self._one(rule, judgement, view, trace, now_ns)

    def revise(self, trace: OpenTrace, now_ns: int) -> None:
        """Judge a closed trace again and say what late spans have changed."""
        view, judgements = self._judge(trace)
        for rule, judgement in zip(self._rules, judgements, strict=True):
            before = trace.verdicts.get(rule.id)
            if before is not None and before is not judgement.verdict:
                self._metrics.add(m.VERDICTS_MOVED, 1, rule.id, before, judgement.verdict)
            trace.verdicts[rule.id] = judgement.verdict
            self._one(rule, judgement, view, trace, now_ns)

    def _judge(self, trace: OpenTrace) -> tuple[TraceView, list[Judgement]]:
        view = TraceView(trace.spans.values())
        opened_ns = (trace.opened_ns if trace.opened_ns is not None else view.first_start_ns) if self._exceptions_expire else None
        return view, self._engine.judge(view, completeness(trace), opened_ns)

    def _one(self, rule: Rule, judgement: Judgement, view: TraceView, trace: OpenTrace, now_ns: int) -> None:
        record = self._record(RecordMaker(self.rule_set.fingerprint, rule, judgement, view, trace, now_ns))
        if record is not None:
            self._metrics.add(m.VIOLATIONS, 1, rule.id, record.change)
        self._say(SaidVerdict(rule, judgement, view, trace, now_ns, record))

    def _record(self, maker: RecordMaker) -> Violation | None:
        """Return the next revision if the record's body is new, and remember it."""
        rule_id, said = maker.rule.id, maker.trace.said
        last = said.get(rule_id)
        violated = maker.judgement.verdict is Verdict.VIOLATED
        stood = last is not None and last.stands
        if not violated and not stood:
            return None
        change = Change.UPDATED if violated and stood else Change.RAISED if violated else Change.WITHDRAWN
        record = maker.make(1 if last is None else last.revision + 1, change)
        digest = body_digest(record)
        if last is not None and stood and violated and digest == last.digest:
            return None
        said[rule_id] = Said(record.revision, digest, violated)
        return record
