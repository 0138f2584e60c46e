"""Blame: which spans, and which comparisons, made a formula what it is (rule-language.md section 8): part of the reference engine."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import assert_never

from compiler import ir
from compiler.aggregates import Group, groups_of, used_in
from compiler.evaluate import aggregates_of, all_groups, compare_group, formula, not_true, scalar
from compiler.interpreter import Trace
from compiler.relations import select_related
from compiler.trace import Span, place
from compiler.values import Duration, Time, Value, is_number
from compiler.verdict import Comparison, Shown


@dataclass(frozen=True, slots=True)
class Blame:
    """Spans by id, and comparisons in order of the formula."""

    spans: Mapping[str, Span] = field(default_factory=dict)
    comparisons: tuple[Comparison, ...] = ()

    def joined(self, other: Blame) -> Blame:
        """Both together; what is in both counts once."""
        if not self.spans and not self.comparisons:
            return other
        new = tuple(comparison for comparison in other.comparisons if comparison not in self.comparisons)
        return Blame({**self.spans, **other.spans}, self.comparisons + new)

    def in_order(self) -> list[Span]:
        """The spans in order of (start, id)."""
        return sorted(self.spans.values(), key=place)


NO_BLAME = Blame()


def blame(node: ir.Formula, trace: Trace) -> Blame:
    """Return what is to blame for the value of a formula.

    Of a selection its spans; of `all` those not true; of a comparison the spans its aggregates use; of `not` its operand's; of `and` and
    `or` that of the sides that are true if it is true, else of those that are not.
    """
    match node:
        case ir.Selected(related=related):
            return _of_spans(select_related(related, trace))
        case ir.AllOf():
            return _of_spans(not_true(node, trace))
        case ir.Comparison():
            return _of_comparison(node, trace)
        case ir.Not(body=body):
            return blame(body, trace)
        case ir.And(sides=sides) | ir.Or(sides=sides):
            is_true = formula(node, trace) is True
            found = NO_BLAME
            for side in sides:
                if (formula(side, trace) is True) is is_true:
                    found = found.joined(blame(side, trace))
            return found
    assert_never(node)


def _of_spans(spans: list[Span]) -> Blame:
    return Blame({span.span_id: span for span in spans})


def _of_comparison(node: ir.Comparison, trace: Trace) -> Blame:
    groups = _blamed_groups(node, trace)
    spans = [span for found in aggregates_of(node) for span in _used(found, groups, trace)]
    shown = [_shown(node, group, trace) for group in groups]
    # Of groups the largest margin is said; where no group has one, the first group's values.
    largest = max(shown, key=lambda one: (one.margin is not None, one.margin or 0), default=None)
    return Blame({span.span_id: span for span in spans}, () if largest is None else (largest,))


def _blamed_groups(node: ir.Comparison, trace: Trace) -> list[Group]:
    if not node.quantifier:
        return [()]
    wanted = node.quantifier == "some"
    return [group for group in all_groups(node, trace) if (compare_group(node, group, trace) is True) is wanted]


def _used(node: ir.Aggregate, groups: list[Group], trace: Trace) -> list[Span]:
    by_group = groups_of(node, trace)
    wanted = groups if node.by else [()]
    return [span for group in wanted for span, _ in used_in(node, by_group.get(group, []), trace)]


def _shown(node: ir.Comparison, group: Group, trace: Trace) -> Comparison:
    left, right = scalar(node.left, group, trace), scalar(node.right, group, trace)
    return Comparison(node.text, _plain(left), _plain(right), _margin(left, right))


def _plain(value: Value) -> Shown:
    if isinstance(value, Duration | Time):
        return value.ns
    return value if isinstance(value, bool | int | float | str) else None


def _margin(left: Value, right: Value) -> int | float | None:
    if isinstance(left, Duration | Time) and type(left) is type(right):
        return left.ns - right.ns
    if not is_number(left) or not is_number(right):
        return None
    margin: int | float = left - right  # type: ignore[operator]  # both are numbers
    return margin if math.isfinite(margin) else None
