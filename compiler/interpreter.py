"""The reference engine: short, slow, obvious. It defines what a predicate, a selection and a value of a span mean.

Formulas are in evaluate.py, relations in relations.py, aggregates in aggregates.py, blame and verdicts in blame.py and judge.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, assert_never

from compiler import ir
from compiler.joins import ARRAYS, Join, index_key, join_of
from compiler.kinds import KIND_NAMES, STATUS_NAMES
from compiler.pattern import Pattern
from compiler.trace import INT64_MAX, Attributes, Event, Link, Span, TraceView, has_times, place
from compiler.values import (
    Duration,
    Time,
    Truth,
    Value,
    affix,
    any_element,
    arithmetic,
    call,
    compare,
    contains,
    is_in,
    kleene_and,
    kleene_not,
    kleene_or,
    negate,
)


@dataclass(slots=True)
class Memory:
    """What was selected and grouped already, by the identity of the node: spans never change while a trace is judged.

    `not_true` is known beforehand of an `all` that a trace was asked as its spans came (captured_trace.py).
    """

    selected: dict[int, list[Span]] = field(default_factory=dict)
    not_true: dict[int, list[Span]] = field(default_factory=dict)
    groups: dict[int, dict[tuple[object, ...], list[Span]]] = field(default_factory=dict)
    joins: dict[int, tuple[Join | None, dict[object, list[Span]]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Trace:
    """A trace being judged: its view, whether it may still grow, the tolerance of time relations, and the span that `for each` bound.

    `is_open` is the one switch of rule-language.md section 6.
    """

    view: TraceView
    is_open: bool
    skew_tolerance_ns: int = 0
    bound: Mapping[str, Span] = field(default_factory=dict)
    memory: Memory = field(default_factory=Memory)
    memory_of_binding: Memory = field(default_factory=Memory)

    def binding(self, name: str, span: Span) -> Trace:
        """The same trace with a span bound."""
        return Trace(self.view, self.is_open, self.skew_tolerance_ns, {name: span}, self.memory)


class Look(NamedTuple):
    """What a predicate looks at: a span, and inside of `event( )` or `link( )` one of its elements."""

    span: Span
    bound: Mapping[str, Span]
    element: Event | Link | None = None


def select(selector: ir.Selector, trace: Trace) -> list[Span]:
    """Return the spans of a base for which the predicate is true, in order of (start, id)."""
    # What depends on the bound span is remembered for this binding only.
    selected = (trace.memory_of_binding if selector.reads_bound else trace.memory).selected
    found = selected.get(id(selector))
    if found is None:
        where = selector.where
        candidates = _candidates(selector, trace)
        found = [span for span in candidates if where is None or predicate(where, Look(span, trace.bound)) is True]
        selected[id(selector)] = found
    return found


def _candidates(selector: ir.Selector, trace: Trace) -> list[Span]:
    """Return the spans of the base, without those that an equality with the bound span leaves out."""
    spans = base_spans(selector.base, trace)
    if not trace.bound or isinstance(selector.base, ir.Bound):
        return spans
    if id(selector) not in trace.memory.joins:
        join = join_of(selector.where)
        index: dict[object, list[Span]] = {}
        for span in spans if join is not None else ():
            index.setdefault(index_key(value(join.own, Look(span, trace.bound))), []).append(span)  # type: ignore[union-attr]  # not None here
        trace.memory.joins[id(selector)] = (join, index)
    join, index = trace.memory.joins[id(selector)]
    if join is None or not spans:
        return spans
    theirs = index_key(value(join.theirs, Look(spans[0], trace.bound)))
    if theirs == ARRAYS:
        return spans
    return sorted(index.get(theirs, []) + index.get(ARRAYS, []), key=place) if theirs is not None else []


def base_spans(base: ir.Base, trace: Trace) -> list[Span]:
    """Return the spans of a base, in order of (start, id)."""
    match base:
        case ir.Named(name=name):
            return trace.view.by_name.get(name, [])
        case ir.AnySpan():
            return trace.view.spans
        case ir.Root():
            return trace.view.roots
        case ir.Bound(name=name):
            return [trace.bound[name]]
    assert_never(base)


def predicate(node: ir.Predicate, look: Look) -> Truth:
    """Return the truth of a predicate of one span (rule-language.md sections 4 and 5)."""
    match node:
        case ir.And(sides=sides):
            return kleene_and(predicate(side, look) for side in sides)
        case ir.Or(sides=sides):
            return kleene_or(predicate(side, look) for side in sides)
        case ir.Not(body=body):
            return kleene_not(predicate(body, look))
        case ir.Compare(word=word, left=left, right=right):
            return compare(word, value(left, look), value(right, look))
        case ir.In(value=operand, items=items):
            return is_in(value(operand, look), [item.value for item in items])
        case ir.Matches(value=operand, pattern=pattern):
            return _matches(value(operand, look), pattern)
        case ir.TextTest(word=word, value=operand, part=part):
            return _text_test(word, value(operand, look), value(part, look))
        case ir.Exists(value=operand):
            return value(operand, look) is not None
        case ir.IsTrue(value=operand):
            truth = value(operand, look)
            return truth if isinstance(truth, bool) else None
        case ir.SomeElement(predicate=inner):
            return any(predicate(inner, Look(look.span, look.bound, element)) is True for element in elements(node, look.span))
    assert_never(node)


def elements(node: ir.SomeElement, span: Span) -> Sequence[Event | Link]:
    """Return the events or the links of a span, whichever are asked for."""
    return span.events if node.word == "event" else span.links


def _text_test(word: str, subject: Value, part: Value) -> Truth:
    return contains(subject, part) if word == "contains" else affix(word, subject, part)


def _matches(subject: Value, pattern: Pattern) -> Truth:
    if isinstance(subject, str):
        return pattern.matches(subject)
    if isinstance(subject, tuple | list):
        return any_element(subject, lambda element: pattern.matches(element) if isinstance(element, str) else None)
    return None


def value(node: ir.Value, look: Look) -> Value:
    """Return a value of the span looked at; None where it is missing or undefined."""
    match node:
        case ir.Literal(value=constant):
            return constant
        case ir.Attribute(of=of):
            return attribute(node, look if of is None else Look(look.bound[of], look.bound))
        case ir.Intrinsic(name=name, of=of):
            return intrinsic(name, look if of is None else Look(look.bound[of], look.bound))
        case ir.Call(word=word, argument=argument):
            return call(word, value(argument, look))
        case ir.Arithmetic(first=first, rest=rest):
            result = value(first, look)
            for sign, operand in rest:
                result = arithmetic(sign, result, value(operand, look))
            return result
        case ir.Negate(operand=operand):
            return negate(value(operand, look))
        case ir.Aggregate() | ir.TraceValue():
            raise AssertionError("a predicate looks at one span")  # lowering refuses it: wrong-sort
    assert_never(node)


def attribute(node: ir.Attribute, look: Look) -> Value:
    """Look an attribute up: unscoped on the span, then on its resource; inside an element on that alone."""
    span = look.span
    match node.scope:
        case ir.AttributeScope.ANY:
            found = _get(span.attributes, node.key)
            return _get(span.resource.attributes, node.key) if found is None else found
        case ir.AttributeScope.SPAN:
            return _get(span.attributes, node.key)
        case ir.AttributeScope.RESOURCE:
            return _get(span.resource.attributes, node.key)
        case ir.AttributeScope.SCOPE:
            return _get(span.scope.attributes, node.key)
        case ir.AttributeScope.ELEMENT:
            return None if look.element is None else _get(look.element.attributes, node.key)
    assert_never(node.scope)


def _get(attributes: Attributes, key: str) -> Value:
    return attributes.get(key)


def intrinsic(name: str, look: Look) -> Value:
    """Return an intrinsic of the span, or of the element looked at."""
    span = look.span
    match name:
        case "span:name":
            return span.name
        case "span:status":
            return STATUS_NAMES[span.status if 0 <= span.status < len(STATUS_NAMES) else 0]
        case "span:statusMessage":
            return span.status_message
        case "span:kind":
            return KIND_NAMES[span.kind if 0 <= span.kind < len(KIND_NAMES) else 0]
        case "span:id":
            return span.span_id
        case "span:parentID":
            return span.parent_id or None
        case "instrumentation:name":
            return span.scope.name
        case "instrumentation:version":
            return span.scope.version
        case "span:duration" | "span:startTime" | "span:endTime":
            return _time(name, span) if has_times(span) else None
        case _:
            return _of_element(name, look)


def _time(name: str, span: Span) -> Value:
    if name == "span:duration":
        return Duration(span.end_ns - span.start_ns)
    return Time(span.start_ns if name == "span:startTime" else span.end_ns)


def _of_element(name: str, look: Look) -> Value:
    # Lowering lets `event:` stand in an event only and `link:` in a link only.
    element = look.element
    match name:
        case "event:name":
            return element.name  # type: ignore[union-attr]
        case "event:timeSinceStart":
            at_ns = element.time_ns  # type: ignore[union-attr]
            return Duration(at_ns - look.span.start_ns) if has_times(look.span) and 0 < at_ns <= INT64_MAX else None
        case "link:traceID":
            return element.trace_id  # type: ignore[union-attr]
        case "link:spanID":
            return element.span_id  # type: ignore[union-attr]
    raise AssertionError(name)
