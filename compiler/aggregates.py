"""Aggregates and groups (rule-language.md section 6): part of the reference engine."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import TypeAlias

from compiler import ir
from compiler.interpreter import Look, Trace, value
from compiler.joins import hash_key
from compiler.kinds import Kind, kind_of
from compiler.relations import select_related
from compiler.trace import Span
from compiler.values import Duration, Value, in_int64, is_number

Group: TypeAlias = tuple[object, ...]
Used: TypeAlias = "list[tuple[Span, Value]]"

UNGROUPED: Group = ()
# A union of types written where it is asked would be made anew each time.
_TEXT_OR_BOOL = (str, bool)


def groups_of(node: ir.Aggregate, trace: Trace) -> dict[Group, list[Span]]:
    """Return the selected spans by group: spans without a number (not NaN), string or bool at some `by` are left out.

    An aggregate without `by` has the one group UNGROUPED, also of no span.
    """
    memory = trace.memory_of_binding if trace.bound else trace.memory
    if id(node) not in memory.groups:
        memory.groups[id(node)] = _grouped(node, trace)
    return memory.groups[id(node)]


def _grouped(node: ir.Aggregate, trace: Trace) -> dict[Group, list[Span]]:
    groups: dict[Group, list[Span]] = {} if node.by else {UNGROUPED: []}
    for span in select_related(node.related, trace):
        look = Look(span, trace.bound)
        key = tuple([_group_key(value(path, look)) for path in node.by])
        if None not in key:
            groups.setdefault(key, []).append(span)
    return groups


def _group_key(found: Value) -> object:
    if isinstance(found, _TEXT_OR_BOOL) or (is_number(found) and not _is_nan(found)):
        return hash_key(found)
    return None


def _is_nan(found: Value) -> bool:
    return isinstance(found, float) and math.isnan(found)


def used_in(node: ir.Aggregate, spans: Sequence[Span], trace: Trace) -> Used:
    """Return the spans of a group that the aggregate uses, with the value it takes of each; the rest is left out."""
    if node.of is None:
        return [(span, None) for span in spans]
    values = ((span, value(node.of, Look(span, trace.bound))) for span in spans)
    return [(span, found) for span, found in values if _is_used(node.word, found)]


def _is_used(word: str, found: Value) -> bool:
    if is_number(found):
        return not _is_nan(found)
    return isinstance(found, Duration) or (word == "distinct" and isinstance(found, _TEXT_OR_BOOL))


def aggregate(node: ir.Aggregate, spans: Sequence[Span], trace: Trace) -> Value:
    """Return the aggregate over the spans of one group; None where it is undefined."""
    used = used_in(node, spans, trace)
    if node.word == "count":
        return len(used)
    if node.word == "sum" and not used and node.of is not None and kind_of(node.of) == Kind.DURATION:
        return Duration(0)
    return _REDUCE[node.word]([found for _, found in used])


def _distinct(values: list[Value]) -> Value:
    return len({hash_key(found) for found in values})


def _sum(values: list[Value]) -> Value:
    """Exact: int64 if all are ints (undefined outside), a duration if all are, else rounded once to double."""
    if any(isinstance(found, Duration) for found in values):
        total = sum(found.ns for found in values if isinstance(found, Duration))
        return Duration(total) if in_int64(total) else None
    numbers = [found for found in values if isinstance(found, int | float)]
    if all(isinstance(number, int) for number in numbers):
        return whole if in_int64(whole := sum(map(int, numbers))) else None
    return _rounded_once(numbers)


def _rounded_once(numbers: list[int | float]) -> Value:
    infinite = {number for number in numbers if math.isinf(number)}
    if infinite:
        return infinite.pop() if len(infinite) == 1 else None
    exact = sum(map(Fraction, numbers), Fraction(0))
    try:
        return float(exact)
    except OverflowError:
        return math.inf if exact > 0 else -math.inf


def _avg(values: list[Value]) -> Value:
    total = _sum(values)
    if not values or total is None:
        return None
    if isinstance(total, Duration):
        return Duration(total.ns // len(values))
    assert isinstance(total, int | float)
    return float(total) / len(values)


def _extreme(pick: Callable[..., Value]) -> Callable[[list[Value]], Value]:
    return lambda values: pick(values) if values else None


_REDUCE: dict[str, Callable[[list[Value]], Value]] = {
    "sum": _sum,
    "avg": _avg,
    "min": _extreme(min),
    "max": _extreme(max),
    "distinct": _distinct,
}
