"""Why a predicate is what it is of one span, and which span comes nearest to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from compiler import ir
from compiler.interpreter import Look, Trace, elements, predicate, value
from compiler.ir_text import Writer
from compiler.reason import Found, Reason, writer_of
from compiler.values import Truth

if TYPE_CHECKING:
    from compiler.trace import Span

_CONNECTIVES = (ir.And, ir.Or, ir.Not)
# Of a larger trace the first spans in its order are compared for how near they come.
_COMPARED_MAX = 10_000


def predicate_reason(node: ir.Predicate, look: Look, writer: Writer) -> Reason:
    """Return why a predicate is true, false or unknown: of `and` and `or` the sides that make it so."""
    text, truth = writer.condition(node), predicate(node, look)
    match node:
        case ir.And(sides=sides) | ir.Or(sides=sides):
            of_sides = [predicate_reason(side, look, writer) for side in sides]
            return Reason(text, truth, parts=tuple(side for side in of_sides if (side.truth is True) is (truth is True)))
        case ir.Not(body=body) if isinstance(body, _CONNECTIVES):
            return Reason(text, truth, parts=(predicate_reason(body, look, writer),))
        case ir.Not(body=body):
            return _of_test(text, truth, body, look, writer)
        case _:
            return _of_test(text, truth, node, look, writer)


def _of_test(text: str, truth: Truth, node: ir.Predicate, look: Look, writer: Writer) -> Reason:
    """Return the reason of a part of this truth that is a test or the negation of one."""
    if isinstance(node, ir.SomeElement):
        return _of_element(text, truth, node, look, writer)
    return Reason(text, truth, found=tuple(Found(writer.value(one), value(one, look)) for one in _operands(node)))


def _operands(node: ir.Predicate) -> list[ir.Value]:
    match node:
        case ir.Compare(left=left, right=right):
            both = [left, right]
        case ir.TextTest(value=operand, part=part):
            both = [operand, part]
        case ir.In(value=operand) | ir.Matches(value=operand) | ir.Exists(value=operand) | ir.IsTrue(value=operand):
            both = [operand]
        case _:
            both = []
    return [one for one in both if not isinstance(one, ir.Literal)]


def _of_element(text: str, truth: Truth, node: ir.SomeElement, look: Look, writer: Writer) -> Reason:
    looks = [Look(look.span, look.bound, element) for element in elements(node, look.span)]
    if not looks:
        return Reason(text, truth, note=f"the span has no {node.word}")
    nearest = max(looks, key=lambda one: nearness(node.predicate, one))
    note = "" if predicate(node, look) else f"the nearest of {len(looks)} {node.word}s" if len(looks) > 1 else f"its only {node.word}"
    return Reason(text, truth, note=note, parts=(predicate_reason(node.predicate, nearest, writer),))


def nearness(node: ir.Predicate, look: Look) -> float:
    """Return how much of a predicate is true of a span: 1 where it is, else the share of its conjuncts."""
    match node:
        case ir.And(sides=sides):
            return sum(nearness(side, look) for side in sides) / len(sides)
        case ir.Or(sides=sides):
            return max(nearness(side, look) for side in sides)
        case _:
            # What is there with another value is nearer than what is missing.
            truth = predicate(node, look)
            return 1.0 if truth is True else 0.25 if truth is False else 0.0


def selection_reason(selector: ir.Selector, trace: Trace, spans: Sequence[Span]) -> Reason:
    """Return why a selector selects nothing of the spans of its base: there is none, or the nearest misses a part."""
    writer = writer_of(trace)
    text = writer.selector(selector)
    truth = None if trace.is_open else False
    if not spans:
        return _nothing_of(selector.base, text, truth)
    where = selector.where
    assert where is not None, "a base that has spans selects them"
    nearest = max(spans[:_COMPARED_MAX], key=lambda span: nearness(where, Look(span, trace.bound)))
    return Reason(text, truth, spans=(nearest,), span_count=len(spans), is_near=True, parts=tests_of(where, nearest, trace))


def tests_of(where: ir.Predicate | None, span: Span, trace: Trace) -> tuple[Reason, ...]:
    """Return why what a selector asks of a span is true of it or not: of `and` the sides that make it so, each."""
    if where is None:
        return ()
    reason = predicate_reason(where, Look(span, trace.bound), writer_of(trace))
    return reason.parts if isinstance(where, ir.And) else (reason,)


def _nothing_of(base: ir.Base, text: str, truth: Truth) -> Reason:
    if isinstance(base, ir.Named):
        return Reason(text, truth, note=f"there is no `{base.name}` in this trace", missing_span=base.name)
    return Reason(text, truth, note="the trace has no root" if isinstance(base, ir.Root) else "the trace has no span")
