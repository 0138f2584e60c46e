"""Why a rule says what it says of a trace, whatever it says: the clauses that decide, and what in the trace decides them.

Stands on the reference engine, whose truths it takes; it adds what comes nearest where something is missing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import assert_never

from compiler import ir
from compiler.aggregates import Group, groups_of, used_in
from compiler.evaluate import aggregates_of, all_groups, compare_group, formula, not_true, scalar
from compiler.interpreter import Look, Trace, select
from compiler.ir_text import Writer
from compiler.judge import bindings, closing_for, in_force, instance_truths, instance_verdict, judge
from compiler.near_names import misspelt
from compiler.read_names import names_read
from compiler.reason import NAMED_MAX, Found, Reason, writer_of
from compiler.relations import select_related
from compiler.rule_set import Rule
from compiler.trace import Span, TraceView
from compiler.verdict import Closing, Verdict
from compiler.why_predicate import predicate_reason
from compiler.why_relations import nothing_related, something_related


@dataclass(frozen=True, slots=True)
class InstanceReason:
    """Why an instance is what it is: `span` is the one that `for each` bound; by word (`when`, `always`, `never`) the parts that decide."""

    span: Span | None
    verdict: Verdict
    parts: Mapping[str, Reason]


@dataclass(frozen=True, slots=True)
class Why:
    """Why the verdict of a rule on a trace is what it is.

    `notes` are sentences about the trace as a whole. `instances` are the first of those that decide, `counts` how many there are of each
    verdict. `none_bound` says why `for each` bound no span. `exceptions` are those that were asked, by name.
    """

    rule_id: str
    verdict: Verdict
    closing: Closing
    notes: tuple[str, ...] = ()
    instances: tuple[InstanceReason, ...] = ()
    counts: Mapping[Verdict, int] = field(default_factory=dict)
    none_bound: Reason | None = None
    exceptions: Mapping[str, Reason] = field(default_factory=dict)


def why(
    rule: Rule,
    view: TraceView,
    closing: Closing,
    *,
    opened_ns: int | None = None,
    skew_tolerance_ns: int = 0,
    occurring: Collection[str] = (),
) -> Why:
    """Say why a rule judges a trace as it does; `opened_ns` None: every exception is in force.

    `occurring` are names that spans of other traces have: one of them is not misspelt, whether this trace has it or not.
    """
    hinted = _Hints.of(rule, view, occurring).added
    verdict = judge(rule, view, closing, opened_ns=opened_ns, skew_tolerance_ns=skew_tolerance_ns).verdict
    seen = closing_for(rule.program, view, closing)
    trace = Trace(view, seen is not Closing.COMPLETE, skew_tolerance_ns)
    of_instances = [(bound, span, instance_verdict(*instance_truths(rule.program, bound))) for bound, span in bindings(rule.program, trace)]
    wanted = _wanted(verdict, {one for _, _, one in of_instances})
    deciding = [one for one in of_instances if one[2] is wanted][:NAMED_MAX]
    exceptions = in_force(rule, opened_ns) if wanted is Verdict.VIOLATED else []
    return Why(
        rule.id,
        verdict,
        seen,
        _notes(rule, view, closing, seen),
        tuple(
            InstanceReason(span, one, {word: hinted(reason) for word, reason in _parts(rule.program, bound).items()})
            for bound, span, one in deciding
        ),
        Counter(one for _, _, one in of_instances),
        None if of_instances or rule.program.for_each is None else hinted(nothing_related(rule.program.for_each.related, trace)),
        {one.name: hinted(formula_reason(one.formula, trace)) for one in exceptions},
    )


@dataclass(frozen=True, slots=True)
class _Hints:
    """Tells a name that is misspelt from a span that is not there: `occurring` are names of spans, `own` those that the rule uses."""

    occurring: frozenset[str]
    own: frozenset[str]

    @classmethod
    def of(cls, rule: Rule, view: TraceView, occurring: Collection[str]) -> _Hints:
        """Return what there is to suggest for a rule."""
        own = frozenset(read.name for read in names_read(rule) if read.attribute is None)
        return cls(frozenset(view.by_name).union(occurring), own)

    def added(self, reason: Reason) -> Reason:
        """Return a reason in which a name that no span has anywhere is said with the one that was meant."""
        parts = tuple(map(self.added, reason.parts))
        name = reason.missing_span
        near = misspelt(name, self.occurring - self.own) if name and name not in self.occurring else None
        note = reason.note if near is None else f"no span is named `{name}`: did you mean `{near}`?"
        return reason if note is reason.note and not parts else replace(reason, note=note, parts=parts)


def _wanted(verdict: Verdict, found: set[Verdict]) -> Verdict:
    """Return the verdict of the instances that make a rule's verdict."""
    if verdict is Verdict.EXCUSED:
        return Verdict.VIOLATED
    if verdict is Verdict.UNKNOWN:
        # Of an open trace nothing is said but a violation that no exception excuses.
        return next((one for one in (Verdict.VIOLATED, Verdict.UNKNOWN) if one in found), next(iter(found), verdict))
    return Verdict.UNKNOWN if verdict is Verdict.INCONCLUSIVE else verdict


def _notes(rule: Rule, view: TraceView, closing: Closing, seen: Closing) -> tuple[str, ...]:
    notes: list[str] = []
    if seen is not closing:
        missing = [] if view.roots else ["it has no root"]
        missing += [f"{view.orphan_count} of its spans have a parent that is not there"] if view.orphan_count else []
        notes.append(f"the rule requires a complete trace, and this one is not: {' and '.join(missing)}")
    if seen is not Closing.COMPLETE:
        notes.append("spans may be missing: what has not been seen may yet have been there")
        if rule.program.for_each is not None and seen is Closing.INCOMPLETE:
            notes.append("a span that is missing might have been one that `for each` speaks of")
    return tuple(notes)


def _parts(program: ir.Rule, trace: Trace) -> dict[str, Reason]:
    """Return the parts of an instance that make its verdict: the head alone where it is not true."""
    parts = {} if program.when is None else {"when": formula_reason(program.when, trace)}
    head, always, never = instance_truths(program, trace)
    if head is not True:
        return parts
    verdict = instance_verdict(head, always, never)
    fails = {"always": always is False, "never": never is True}
    for word, body in (("always", program.always), ("never", program.never)):
        if body is not None and (verdict is not Verdict.VIOLATED or fails[word]):
            parts[word] = formula_reason(body, trace)
    return parts


# ---- formulas -----------------------------------------------------------------------------------------------------------------------


def formula_reason(node: ir.Formula, trace: Trace) -> Reason:
    """Return why a formula is true, false or unknown of a trace."""
    writer = writer_of(trace)
    match node:
        case ir.And(sides=sides) | ir.Or(sides=sides):
            truth = formula(node, trace)
            deciding = [side for side in sides if (formula(side, trace) is True) is (truth is True)]
            return Reason(writer.condition(node), truth, parts=tuple(formula_reason(side, trace) for side in deciding))
        case ir.Not(body=body):
            return Reason(writer.condition(node), formula(node, trace), parts=(formula_reason(body, trace),))
        case ir.Selected(related=related):
            spans = select_related(related, trace)
            return something_related(related, spans, trace) if spans else nothing_related(related, trace)
        case ir.AllOf():
            return _of_all(node, trace, writer)
        case ir.Comparison():
            return _of_comparison(node, trace, writer)
    assert_never(node)


def _of_all(node: ir.AllOf, trace: Trace, writer: Writer) -> Reason:
    text, truth = writer.condition(node), formula(node, trace)
    spans = select(node.selector, trace)
    if not spans:
        return Reason(text, truth, note=f"no span is selected by {writer.selector(node.selector)}")
    failing = not_true(node, trace)
    if not failing:
        return Reason(text, truth, spans=tuple(spans[:NAMED_MAX]), span_count=len(spans), note="true of each of them")
    parts = tuple(predicate_reason(node.predicate, Look(span, trace.bound), writer) for span in failing[:1])
    note = f"not true of {len(failing)} of {len(spans)}"
    return Reason(text, truth, spans=tuple(failing[:NAMED_MAX]), span_count=len(failing), note=note, parts=parts)


def _of_comparison(node: ir.Comparison, trace: Trace, writer: Writer) -> Reason:
    text, truth = writer.condition(node), formula(node, trace)
    if not node.quantifier:
        found, spans = _values(node, (), trace, writer), _used(node, (), trace)
        return Reason(text, truth, found, tuple(spans[:NAMED_MAX]), len(spans), note=_so_far(truth))
    groups = all_groups(node, trace)
    if not groups:
        return Reason(text, truth, note=f"there is no group: no span has a value at {_keys(node, writer)}")
    truths = {group: compare_group(node, group, trace) for group in groups}
    wanted = node.quantifier == "some"
    deciding = [group for group in groups if (truths[group] is True) is wanted] or groups
    parts = tuple(_of_group(node, group, trace, writer) for group in deciding[:NAMED_MAX])
    holds = sum(one is True for one in truths.values())
    return Reason(text, truth, note=f"true of {holds} of {len(groups)} groups", parts=parts)


def _of_group(node: ir.Comparison, group: Group, trace: Trace, writer: Writer) -> Reason:
    spans = _used(node, group, trace)
    values = ", ".join(str(part[1]) if isinstance(part, tuple) else str(part) for part in group)
    text = f"{_keys(node, writer)} = {values}"
    truth = compare_group(node, group, trace)
    return Reason(text, truth, _values(node, group, trace, writer), tuple(spans[:NAMED_MAX]), len(spans))


def _keys(node: ir.Comparison, writer: Writer) -> str:
    grouped = next(found for found in aggregates_of(node) if found.by)
    return ", ".join(map(writer.value, grouped.by))


def _values(node: ir.Comparison, group: Group, trace: Trace, writer: Writer) -> tuple[Found, ...]:
    return tuple(
        Found(writer.value(side), scalar(side, group, trace)) for side in (node.left, node.right) if not isinstance(side, ir.Literal)
    )


def _used(node: ir.Comparison, group: Group, trace: Trace) -> list[Span]:
    of_groups = ((found, groups_of(found, trace).get(group if found.by else (), [])) for found in aggregates_of(node))
    spans = {span.span_id: span for found, some in of_groups for span, _ in used_in(found, some, trace)}
    return list(spans.values())


def _so_far(truth: bool | None) -> str:  # noqa: FBT001  # a truth
    return "a value is missing, or more spans may change it" if truth is None else ""
