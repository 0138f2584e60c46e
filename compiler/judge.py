"""Verdicts of a rule on a trace, with their evidence (rule-language.md section 8): part of the reference engine."""

from __future__ import annotations

from dataclasses import dataclass

from compiler import ir
from compiler.blame import NO_BLAME, Blame, blame
from compiler.evaluate import formula
from compiler.interpreter import Memory, Trace
from compiler.relations import select_related
from compiler.rule_set import Rule, RuleException, RuleSet
from compiler.trace import Span, TraceView, Whole
from compiler.values import Truth
from compiler.verdict import Closing, Judgement, Verdict

COMPARISON_COUNT_MAX = 16


@dataclass(frozen=True, slots=True)
class ReferenceEngine:
    """Judges traces by a rule set, as rule-language.md defines it.

    `skew_tolerance_ns` widens time relations; `offender_count_max` bounds the offenders named.
    """

    rule_set: RuleSet
    skew_tolerance_ns: int = 0
    offender_count_max: int = 16

    def judge(self, view: TraceView, closing: Closing, opened_ns: int | None) -> list[Judgement]:
        """Return the judgement of every enabled rule, in order; `opened_ns` None: every exception is in force."""
        return [
            judge(
                rule,
                view,
                closing,
                opened_ns=opened_ns,
                skew_tolerance_ns=self.skew_tolerance_ns,
                offender_count_max=self.offender_count_max,
            )
            for rule in self.rule_set.enabled
        ]


@dataclass(frozen=True, slots=True)
class _Instance:
    """One instance of a rule: its verdict, the clauses that failed, what is to blame."""

    verdict: Verdict
    clauses: tuple[str, ...] = ()
    blamed: Blame = NO_BLAME
    span: Span | None = None


def judge(
    rule: Rule,
    view: TraceView,
    closing: Closing,
    *,
    opened_ns: int | None,
    skew_tolerance_ns: int = 0,
    offender_count_max: int = 16,
    memory: Memory | None = None,
) -> Judgement:
    """Judge a trace by a rule; `memory` holds what is known of it already.

    While the trace is open the verdict is `unknown` until it is decided `violated` and every exception in force is decided false.
    """
    closing = closing_for(rule.program, view, closing)
    trace = Trace(view, closing is not Closing.COMPLETE, skew_tolerance_ns, memory=memory or Memory())
    instances = _instances(rule.program, trace)
    verdict = _rule_verdict(rule.program, instances, closing)
    if verdict is not Verdict.VIOLATED:
        return Judgement(rule.id, verdict)
    exceptions = [(exception.name, formula(exception.formula, trace)) for exception in in_force(rule, opened_ns)]
    if closing is Closing.OPEN and any(truth is not False for _, truth in exceptions):
        return Judgement(rule.id, Verdict.UNKNOWN)
    excuse = next((name for name, truth in exceptions if truth is True), None)
    return _with_evidence(rule.id, Verdict.VIOLATED if excuse is None else Verdict.EXCUSED, instances, excuse or "", offender_count_max)


def closing_for(program: ir.Rule, view: Whole, closing: Closing) -> Closing:
    """Return how much of a trace is there for one rule: one that requires a complete trace does without only when it has it."""
    is_short = program.requires_complete and not view.is_whole and closing is Closing.COMPLETE
    return Closing.INCOMPLETE if is_short else closing


def in_force(rule: Rule, opened_ns: int | None) -> list[RuleException]:
    """Return the exceptions that had not expired when a trace opened; None: all of them."""
    return [one for one in rule.exceptions if one.expires_ns is None or opened_ns is None or opened_ns < one.expires_ns]


def bindings(program: ir.Rule, trace: Trace) -> list[tuple[Trace, Span | None]]:
    """Return the trace once per instance, with the span that is bound in it."""
    if program.for_each is None:
        return [(trace, None)]
    name = program.for_each.name
    return [(trace.binding(name, span), span) for span in select_related(program.for_each.related, trace)]


def _instances(program: ir.Rule, trace: Trace) -> list[_Instance]:
    return [_instance(program, bound, span) for bound, span in bindings(program, trace)]


def instance_truths(program: ir.Rule, trace: Trace) -> tuple[Truth, Truth, Truth]:
    """Return the truths of head, `always` and `never` of an instance; what the rule does not have is as if it held."""
    head = True if program.when is None else formula(program.when, trace)
    always = True if program.always is None else formula(program.always, trace)
    never = False if program.never is None else formula(program.never, trace)
    if not trace.is_open:
        # Only true counts: at a complete close unknown is taken for no.
        head, always, never = head is True, always is True, never is True
    return head, always, never


def _instance(program: ir.Rule, trace: Trace, span: Span | None) -> _Instance:
    head, always, never = instance_truths(program, trace)
    verdict = instance_verdict(head, always, never)
    if verdict is not Verdict.VIOLATED:
        return _Instance(verdict)
    clauses = (*(("always",) if always is False else ()), *(("never",) if never is True else ()))
    return _Instance(verdict, clauses, _blamed(program, clauses, trace), span)


def instance_verdict(head: Truth, always: Truth, never: Truth) -> Verdict:
    """Return the verdict of an instance; `unknown` is undecided."""
    if head is False:
        return Verdict.NOT_APPLICABLE
    if head is True and (always is False or never is True):
        return Verdict.VIOLATED
    if head is True and always is True and never is False:
        return Verdict.SATISFIED
    return Verdict.UNKNOWN


def _blamed(program: ir.Rule, clauses: tuple[str, ...], trace: Trace) -> Blame:
    failed = [body for word, body in (("always", program.always), ("never", program.never)) if word in clauses and body is not None]
    found = NO_BLAME
    for body in failed:
        found = found.joined(blame(body, trace))
    if found.spans or program.when is None:
        return found
    return Blame(blame(program.when, trace).spans, found.comparisons)


def _rule_verdict(program: ir.Rule, instances: list[_Instance], closing: Closing) -> Verdict:
    verdicts = {instance.verdict for instance in instances}
    if Verdict.VIOLATED in verdicts:
        return Verdict.VIOLATED
    if closing is Closing.OPEN:
        return Verdict.UNKNOWN
    if Verdict.UNKNOWN in verdicts or (program.for_each is not None and closing is Closing.INCOMPLETE):
        return Verdict.INCONCLUSIVE
    return Verdict.SATISFIED if Verdict.SATISFIED in verdicts else Verdict.NOT_APPLICABLE


def _with_evidence(rule_id: str, verdict: Verdict, instances: list[_Instance], exception: str, offender_count_max: int) -> Judgement:
    violated = [instance for instance in instances if instance.verdict is Verdict.VIOLATED]
    named = {clause for instance in violated for clause in instance.clauses}
    found = NO_BLAME
    for instance in violated:
        spans = instance.blamed.spans if instance.span is None else {instance.span.span_id: instance.span}
        found = found.joined(Blame(spans, instance.blamed.comparisons))
    offenders = found.in_order()
    return Judgement(
        rule_id,
        verdict,
        clauses=tuple(word for word in ("always", "never") if word in named),
        offenders=tuple(offenders[:offender_count_max]),
        offender_count=len(offenders),
        comparisons=found.comparisons[:COMPARISON_COUNT_MAX],
        exception=exception,
    )
