"""What of a rule some traces have reached: each condition both ways, each relation, in the instances that get so far.

Stands on the reference engine: a condition is observed wherever its truth can decide something, that is in an instance whose head is true
for what its clauses hold, of every span of its base for what a selector holds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import compress, islice, product
from typing import TypeAlias

from compiler import ir
from compiler.evaluate import all_groups, compare_group, formula
from compiler.interpreter import Look, Trace, base_spans, elements, predicate, select
from compiler.ir_text import Writer, duration_of
from compiler.judge import bindings
from compiler.relations import is_equal, is_within, relates
from compiler.trace import Span, TraceView
from compiler.values import Truth

_CONNECTIVES = (ir.And, ir.Or, ir.Not)
# A test's trace is small; of a larger one so many pairs tell enough.
_PAIRS_MAX = 10_000


@dataclass(slots=True)
class Point:
    """Something that can be true or not: where it stands (`when`, `always`, …), its text, and which of both was seen."""

    place: str
    text: str
    seen: set[bool] = field(default_factory=set)

    @property
    def missing(self) -> list[bool]:
        """What was not seen, `true` first."""
        return [truth for truth in (True, False) if truth not in self.seen]


_Key: TypeAlias = tuple[object, ...]


class Coverage:
    """The points of one rule, in the order of its text; `observe` traces, then read `points`."""

    def __init__(self, program: ir.Rule, exceptions: tuple[tuple[str, ir.Formula], ...] = ()) -> None:
        self._program = program
        self._exceptions = exceptions
        self._points: dict[_Key, Point] = {}
        self._writer = Writer.of(program)
        # Of a trace without a span nothing is seen; this one only says what there is to see.
        self._observe(Trace(TraceView(()), is_open=False), is_listing=True)

    @property
    def points(self) -> list[Point]:
        """What there is to reach."""
        return list(self._points.values())

    def observe(self, view: TraceView, *, is_open: bool) -> None:
        """Take note of what a trace reaches."""
        self._observe(Trace(view, is_open), is_listing=False)

    def _observe(self, trace: Trace, *, is_listing: bool) -> None:
        program = self._program
        if program.for_each is not None:
            self._related("for each", program.for_each.related, trace)
        instances = [trace] if is_listing else [bound for bound, _ in bindings(program, trace)]
        for bound in instances:
            if program.when is not None:
                self._formula("when", program.when, bound)
            if not is_listing and program.when is not None and formula(program.when, bound) is not True:
                continue
            for place, body in (("always", program.always), ("never", program.never)):
                if body is not None:
                    self._formula(place, body, bound)
        for name, body in self._exceptions:
            self._formula(f"exception {name}", body, trace)

    def _see(self, place: str, key: _Key, text: str, truths: Iterable[Truth], *, unknown_is_no: bool = True) -> None:
        # What a rule says twice, as of a `let` it may, is one thing to reach.
        point = self._points.setdefault(key, Point(place, text))
        point.seen |= {truth is True for truth in truths if truth is not None or unknown_is_no}

    # ---- formulas -------------------------------------------------------------------------------------------------------------------

    def _formula(self, place: str, node: ir.Formula, trace: Trace) -> None:
        if not isinstance(node, ir.Not):
            truths: Iterable[Truth] = (formula(node, trace),) if trace.view.by_id else ()
            if isinstance(node, ir.Comparison) and node.quantifier:
                truths = (compare_group(node, group, trace) for group in (all_groups(node, trace) if truths else ()))
            self._see(place, (node,), self._writer.condition(node), truths, unknown_is_no=not trace.is_open)
        match node:
            case ir.And(sides=sides) | ir.Or(sides=sides):
                for side in sides:
                    self._formula(place, side, trace)
            case ir.Not(body=body):
                self._formula(place, body, trace)
            case ir.Selected(related=related):
                self._related(place, related, trace)
            case ir.AllOf(selector=selector, predicate=inner):
                self._selector(place, selector, trace)
                spans = select(selector, trace) if trace.view.by_id else []
                self._predicate(place, (node,), inner, [Look(span, trace.bound) for span in spans])
            case ir.Comparison(left=left, right=right):
                self._value(place, left, trace)
                self._value(place, right, trace)

    def _value(self, place: str, node: ir.Value, trace: Trace) -> None:
        match node:
            case ir.Aggregate(related=related):
                self._related(place, related, trace)
            case ir.Arithmetic(first=first, rest=rest):
                for part in (first, *(operand for _, operand in rest)):
                    self._value(place, part, trace)
            case ir.Negate(operand=operand):
                self._value(place, operand, trace)
            case _:
                pass

    # ---- selections -----------------------------------------------------------------------------------------------------------------

    def _related(self, place: str, related: ir.Related, trace: Trace) -> None:
        self._selector(place, related.selector, trace)
        before = related.selector
        for link in related.links:
            self._selector(place, link.selector, trace)
            self._link(place, before, link, trace)
            before = link.selector

    def _selector(self, place: str, selector: ir.Selector, trace: Trace) -> None:
        if selector.where is not None:
            spans = base_spans(selector.base, trace) if trace.view.by_id else []
            self._predicate(place, (selector.base,), selector.where, [Look(span, trace.bound) for span in spans])

    def _link(self, place: str, before: ir.Selector, link: ir.Link, trace: Trace) -> None:
        pairs: list[tuple[Span, Span]] = []
        if trace.view.by_id:
            every = product(select(before, trace), select(link.selector, trace))
            pairs = [(a, b) for a, b in islice(every, _PAIRS_MAX) if a is not b]
        base = self._writer.selector(link.selector)
        truths = [relates(link.relation, a, b, trace) for a, b in pairs]
        related = list(compress(pairs, truths))
        self._see(place, (before, link), f"{link.relation} {base}", truths)
        if link.within_ns is not None:
            text = f"{link.relation} {base} within {duration_of(link.within_ns)}"
            self._see(place, (before, link, "within"), text, (is_within(link, a, b, trace) for a, b in related))
        for key in link.on:
            text = f"{link.relation} {base} on {self._writer.value(key)}"
            self._see(place, (before, link, key), text, (is_equal(key, a, b, trace) for a, b in related))

    def _predicate(self, place: str, owner: _Key, node: ir.Predicate, looks: list[Look]) -> None:
        if not isinstance(node, ir.Not):
            self._see(place, (*owner, node), self._writer.condition(node), (predicate(node, look) for look in looks))
        match node:
            case ir.And(sides=sides) | ir.Or(sides=sides):
                for side in sides:
                    self._predicate(place, owner, side, looks)
            case ir.Not(body=body):
                self._predicate(place, owner, body, looks)
            case ir.SomeElement(predicate=inner) if isinstance(inner, _CONNECTIVES):
                inner_looks = [Look(look.span, look.bound, one) for look in looks for one in elements(node, look.span)]
                self._predicate(place, (*owner, node), inner, inner_looks)
            case _:
                pass
