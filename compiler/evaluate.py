"""Formulas over a trace, in three values (rule-language.md section 6): part of the reference engine.

One evaluator with one switch: `trace.is_open` chooses the column of the table.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

from compiler import ir
from compiler.aggregates import UNGROUPED, Group, aggregate, groups_of
from compiler.interpreter import Look, Trace, predicate, select, value
from compiler.relations import select_related
from compiler.trace import Span
from compiler.values import Duration, Truth, Value, arithmetic, compare, kleene_and, kleene_not, kleene_or, negate

MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
GROWING = frozenset({"count", "distinct", "max", "trace:duration", "trace:spanCount", "trace:serviceCount"})
FALLING = frozenset({"min"})
DECIDED_BY_BOUNDS = GROWING | FALLING


def formula(node: ir.Formula, trace: Trace) -> Truth:
    """Return the truth of a formula; what is decided while the trace may still grow is never taken back."""
    match node:
        case ir.And(sides=sides):
            return kleene_and(formula(side, trace) for side in sides)
        case ir.Or(sides=sides):
            return kleene_or(formula(side, trace) for side in sides)
        case ir.Not(body=body):
            return kleene_not(formula(body, trace))
        case ir.Selected(related=related):
            return bool(select_related(related, trace)) or (None if trace.is_open else False)
        case ir.AllOf():
            return False if not_true(node, trace) else (None if trace.is_open else True)
        case ir.Comparison(quantifier=""):
            return compare_group(node, UNGROUPED, trace)
        case ir.Comparison():
            return _quantified(node, trace)
    assert_never(node)


def not_true(node: ir.AllOf, trace: Trace) -> list[Span]:
    """Return the selected spans of which the predicate is not true."""
    if id(node) in trace.memory.not_true:
        return trace.memory.not_true[id(node)]
    return [span for span in select(node.selector, trace) if predicate(node.predicate, Look(span, trace.bound)) is not True]


def _quantified(node: ir.Comparison, trace: Trace) -> Truth:
    truths = [compare_group(node, group, trace) for group in all_groups(node, trace)]
    if node.quantifier == "some":
        # A group to come may still be true.
        return kleene_or([*truths, None] if trace.is_open else truths)
    return kleene_and([*truths, None] if trace.is_open else truths)


def all_groups(node: ir.Comparison, trace: Trace) -> list[Group]:
    """Return the union of the groups of all grouped aggregates of a comparison, in order of appearance."""
    grouped = [found for found in aggregates_of(node) if found.by]
    return list(dict.fromkeys(group for found in grouped for group in groups_of(found, trace)))


def aggregates_of(node: ir.Value | ir.Comparison) -> list[ir.Aggregate]:
    """Return the aggregates in a value of the trace, or on both sides of a comparison, in order of appearance."""
    match node:
        case ir.Comparison(left=left, right=right):
            return aggregates_of(left) + aggregates_of(right)
        case ir.Aggregate():
            return [node]
        case ir.Arithmetic(first=first, rest=rest):
            return aggregates_of(first) + [found for _, operand in rest for found in aggregates_of(operand)]
        case ir.Negate(operand=operand):
            return aggregates_of(operand)
        case _:
            return []


def compare_group(node: ir.Comparison, group: Group, trace: Trace) -> Truth:
    """Return the truth of a comparison for one group: by value, or while open as far as bounds decide it."""
    left, right = scalar(node.left, group, trace), scalar(node.right, group, trace)
    if not trace.is_open or (is_constant(node.left) and is_constant(node.right)):
        return compare(node.word, left, right)
    if is_constant(node.right):
        return _decided(node.word, node.left, left, right)
    if is_constant(node.left):
        return _decided(MIRRORED[node.word], node.right, right, left)
    return None


def is_constant(node: ir.Value) -> bool:
    """Say whether a value of the trace is the same while the trace grows."""
    match node:
        case ir.Aggregate():
            return False
        case ir.TraceValue(name=name):
            return name == "trace:id"
        case ir.Arithmetic(first=first, rest=rest):
            return is_constant(first) and all(is_constant(operand) for _, operand in rest)
        case ir.Negate(operand=operand):
            return is_constant(operand)
        case _:
            return True


def _decided(word: str, node: ir.Value, bound: Value, constant: Value) -> Truth:
    """Decide `node word constant` where all values in the node's bounds agree: at least `bound`, or at most."""
    name = node.word if isinstance(node, ir.Aggregate) else node.name if isinstance(node, ir.TraceValue) else ""
    if bound is None or name not in DECIDED_BY_BOUNDS:
        return None
    beyond, reached = (">", ">=") if name in GROWING else ("<", "<=")
    if word in {beyond, reached}:
        return compare(word, bound, constant) or None
    if word in {"==", "!="}:
        return (word == "!=") if compare(beyond, bound, constant) else None
    # The contrary comparison holds from here on: `<` is false once `>=` is true.
    contrary = reached if word == MIRRORED[beyond] else beyond
    return False if compare(contrary, bound, constant) else None


def scalar(node: ir.Value, group: Group, trace: Trace) -> Value:
    """Return a value of the trace for one group; None where it is missing or undefined."""
    match node:
        case ir.Literal(value=constant):
            return constant
        case ir.Attribute(of=str(of)) | ir.Intrinsic(of=str(of)):
            return value(node, Look(trace.bound[of], trace.bound))
        case ir.Aggregate():
            return aggregate(node, _group(node, group, trace), trace)
        case ir.TraceValue(name=name):
            return trace_value(name, trace)
        case ir.Arithmetic(first=first, rest=rest):
            result = scalar(first, group, trace)
            for sign, operand in rest:
                result = arithmetic(sign, result, scalar(operand, group, trace))
            return result
        case ir.Negate(operand=operand):
            return negate(scalar(operand, group, trace))
        case _:
            raise AssertionError(node)  # lowering refuses it: wrong-sort


def _group(node: ir.Aggregate, group: Group, trace: Trace) -> list[Span]:
    groups: Mapping[Group, list[Span]] = groups_of(node, trace)
    return groups.get(group if node.by else UNGROUPED, [])


def trace_value(name: str, trace: Trace) -> Value:
    """Return a trace intrinsic; None where it is missing."""
    view = trace.view
    match name:
        case "trace:id":
            return view.trace_id
        case "trace:duration":
            return None if view.duration_ns is None else Duration(view.duration_ns)
        case "trace:spanCount":
            return view.span_count
        case "trace:serviceCount":
            return view.service_count
        case "trace:rootName":
            return view.root_name
        case "trace:rootService":
            return view.root_service
    raise AssertionError(name)
