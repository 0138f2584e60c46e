"""What the compiler tells of a rule: its demand set, its class, the state it needs per trace (rule-language.md section 9)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from compiler import ir
from compiler.evaluate import DECIDED_BY_BOUNDS, GROWING, MIRRORED
from compiler.ir_walk import mentions_bound, walk
from compiler.kinds import Kind, kind_of

if TYPE_CHECKING:
    from compiler.rule_set import Rule


class RuleClass(StrEnum):
    """When the earliest verdict of a rule can be decided."""

    EARLY_VIOLATION = "early violation"
    EARLY_SATISFACTION = "early satisfaction"
    AT_CLOSE = "at close"


@dataclass(frozen=True, slots=True)
class StateReport:
    """What a trace must remember for a rule: bits (some span was seen), counters (numbers), selectors whose spans are captured as rows."""

    bits: int
    counters: int
    captured_rows: int


@dataclass(frozen=True, slots=True)
class RuleReport:
    """`demand` names every field that the rule reads: the privacy statement.

    `duration_comparisons` are the texts of comparisons whose values are durations, so that they can be shown with a unit.
    """

    demand: tuple[str, ...]
    rule_class: RuleClass
    state: StateReport
    duration_comparisons: frozenset[str]


def report(program: ir.Rule, exceptions: tuple[ir.Formula, ...], evidence: tuple[str, ...]) -> RuleReport:
    """Return the report of a rule with its exceptions and declared evidence."""
    own = list(walk(program))
    nodes = [*own, *walk(exceptions)]
    read = {field for node in nodes for field in _fields(node)}
    shown = {f"attribute {key} (evidence)" for key in evidence}
    durations = {node.text for node in own if isinstance(node, ir.Comparison) and kind_of(node.left) & (Kind.DURATION | Kind.TIME)}
    state = _state(program.for_each, nodes)
    return RuleReport(tuple(sorted(read | shown)), _rule_class(program, exceptions), state, frozenset(durations))


def _fields(node: object) -> Iterator[str]:
    match node:
        case ir.Attribute(scope=ir.AttributeScope.ANY, key=key):
            yield f"attribute {key}"
        case ir.Attribute(scope=ir.AttributeScope.ELEMENT, key=key):
            yield f"event or link attribute {key}"
        case ir.Attribute(scope=scope, key=key):
            yield f"{scope.value} attribute {key}"
        case ir.Intrinsic(name=name) | ir.TraceValue(name=name):
            yield name
        case ir.Named():
            yield "span:name"
        case ir.Root():
            yield "span:parentID"
        case ir.Link(relation=relation):
            yield from (
                ("span:id", "span:parentID") if relation in {"under", "child of", "sibling of"} else ("span:startTime", "span:endTime")
            )


# ---- class --------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Early:
    """What can be decided of a formula while the trace may still grow."""

    true: bool
    false: bool


_ALWAYS_TRUE = Early(true=True, false=False)
_ALWAYS_FALSE = Early(true=False, false=True)


def decided_early(node: ir.Formula) -> Early:
    """Return what of a formula can be decided while the trace may still grow."""
    match node:
        case ir.And(sides=sides):
            found = [decided_early(side) for side in sides]
            return Early(all(side.true for side in found), any(side.false for side in found))
        case ir.Or(sides=sides):
            found = [decided_early(side) for side in sides]
            return Early(any(side.true for side in found), all(side.false for side in found))
        case ir.Not(body=body):
            inner = decided_early(body)
            return Early(inner.false, inner.true)
        case ir.Selected():
            return Early(true=True, false=False)
        case ir.AllOf():
            return Early(true=False, false=True)
        case ir.Comparison():
            found_one = _early_comparison(node)
            return Early(found_one.true and node.quantifier != "every", found_one.false and node.quantifier != "some")


def _early_comparison(node: ir.Comparison) -> Early:
    varying = [side for side in (node.left, node.right) if _varies(side)]
    if not varying:
        return Early(true=True, false=True)
    if len(varying) > 1:
        return Early(true=False, false=False)
    side, word = varying[0], node.word if varying[0] is node.left else MIRRORED[node.word]
    name = side.word if isinstance(side, ir.Aggregate) else side.name if isinstance(side, ir.TraceValue) else ""
    if name not in DECIDED_BY_BOUNDS:
        return Early(true=False, false=False)
    grows = {">", ">=", "!="} if name in GROWING else {"<", "<=", "!="}
    return Early(word in grows, word not in grows)


def _varies(value: ir.Value) -> bool:
    return any(isinstance(node, ir.Aggregate) or (isinstance(node, ir.TraceValue) and node.name != "trace:id") for node in walk(value))


def may_violate_early(rule: Rule) -> bool:
    """Say whether a violation of the rule can be decided while the trace is open, also once its exceptions that expire have expired.

    False is certain: nobody need ask before the close.
    """
    return _violates_early(rule.program, (exception.formula for exception in rule.exceptions if exception.expires_ns is None))


def _violates_early(program: ir.Rule, exceptions: Iterable[ir.Formula]) -> bool:
    """Every one of the exceptions must be decided false before."""
    head, always, never = _parts(program)
    return head.true and (always.false or never.true) and all(decided_early(exception).false for exception in exceptions)


def _parts(program: ir.Rule) -> tuple[Early, Early, Early]:
    return (
        decided_early(program.when) if program.when is not None else _ALWAYS_TRUE,
        decided_early(program.always) if program.always is not None else _ALWAYS_TRUE,
        decided_early(program.never) if program.never is not None else _ALWAYS_FALSE,
    )


def _rule_class(program: ir.Rule, exceptions: tuple[ir.Formula, ...]) -> RuleClass:
    if _violates_early(program, exceptions):
        return RuleClass.EARLY_VIOLATION
    head, always, never = _parts(program)
    if program.for_each is None and (head.false or (head.true and always.true and never.false)):
        return RuleClass.EARLY_SATISFACTION
    return RuleClass.AT_CLOSE


# ---- state --------------------------------------------------------------------------------------------------------------------------


def _state(for_each: ir.ForEach | None, nodes: Iterable[object]) -> StateReport:
    bits, counters, captured = set[object](), set[object](), set[ir.Selector]()
    if for_each is not None:
        captured.update(_selectors(for_each.related))
    for node in nodes:
        match node:
            case ir.Selected(related=related) if related.links or mentions_bound(related):
                captured.update(_selectors(related))
            case ir.Selected() | ir.AllOf():
                bits.add(node)
            case ir.Aggregate(related=related, by=by, word=word) if related.links or by or word == "distinct" or mentions_bound(related):
                captured.update(_selectors(related))
            case ir.Aggregate() | ir.TraceValue():
                counters.add(node)
    return StateReport(len(bits), len(counters), len(captured))


def _selectors(related: ir.Related) -> list[ir.Selector]:
    return [
        selector for selector in (related.selector, *(link.selector for link in related.links)) if not isinstance(selector.base, ir.Bound)
    ]
