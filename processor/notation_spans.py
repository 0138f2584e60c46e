"""Spans of test traces: the notation's lines as the spans that a decoder would give."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from compiler.notation import INSTANT_NS, TRACE_ID
from topics.span import Event, Link, Resource, Scope, Span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from compiler import trace as compiler_trace
    from compiler.notation import SpanLine
    from topics.span import Attributes


def spans_of(lines: Sequence[SpanLine], trace_id: str = TRACE_ID) -> list[Span]:
    """Return the spans of a test trace, in the order of its lines."""
    return [_span(line, trace_id) for line in lines]


def _span(line: SpanLine, trace_id: str) -> Span:
    return Span(
        trace_id=trace_id,
        span_id=line.span_id,
        name=line.name,
        start_ns=INSTANT_NS + line.start_ns,
        end_ns=0 if line.end_ns is None else INSTANT_NS + line.end_ns,
        parent_id=line.parent_id,
        kind=line.kind,
        status=line.status,
        status_message=line.status_message,
        attributes=_attributes(line.attributes),
        events=tuple(Event(event.name, INSTANT_NS + event.time_ns, _attributes(event.attributes)) for event in line.events),
        links=tuple(Link(link.trace_id, link.span_id, _attributes(link.attributes)) for link in line.links),
        resource=Resource(_attributes(line.resource)),
        scope=Scope(line.scope_name, line.scope_version, _attributes(line.scope_attributes)),
    )


def _attributes(attributes: compiler_trace.Attributes) -> Attributes:
    # Both rooms describe the same values; the compiler's words are the wider ones (any sequence for an array).
    return cast("Attributes", attributes)
