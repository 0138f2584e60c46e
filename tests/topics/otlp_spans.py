"""Spans for tests of OTLP: hypothesis strategies, and a writer of OTLP JSON that owes nothing to the reader."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable, Mapping
from typing import Any

from hypothesis import strategies as st

from topics.span import AttributeValue, Event, Link, Resource, Scope, Span

INT64_MAX = 2**63 - 1
UINT64_MAX = 2**64 - 1

# Every string a wire can hold, ill-formed UTF-8 as `surrogateescape`.
texts = st.text(max_size=8) | st.binary(max_size=8).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
times = st.integers(0, UINT64_MAX)
trace_ids = st.binary(min_size=16, max_size=16).filter(any).map(bytes.hex)
span_ids = st.binary(min_size=8, max_size=8).filter(any).map(bytes.hex)
plain_values: st.SearchStrategy[AttributeValue] = (
    st.booleans() | st.integers(-INT64_MAX - 1, INT64_MAX) | st.floats() | texts | st.binary(max_size=8)
)
values: st.SearchStrategy[AttributeValue] = st.recursive(
    plain_values,
    lambda inner: (
        st.lists(st.none() | inner, max_size=3).map(tuple) | st.dictionaries(texts, st.none() | inner, max_size=3).map(lambda found: found)
    ),
    max_leaves=6,
)
attributes = st.dictionaries(texts, values, max_size=4)
resources = st.builds(Resource, attributes)
scopes = st.builds(Scope, texts, texts, attributes)
events = st.builds(Event, texts, times, attributes)
links = st.builds(Link, st.just("") | trace_ids, st.just("") | span_ids, attributes)
spans = st.builds(
    Span,
    trace_id=trace_ids,
    span_id=span_ids,
    name=texts,
    start_ns=times,
    end_ns=times,
    parent_id=st.just("") | span_ids,
    kind=st.integers(0, 9),
    status=st.integers(0, 4),
    status_message=texts,
    attributes=attributes,
    events=st.lists(events, max_size=2).map(tuple),
    links=st.lists(links, max_size=2).map(tuple),
    resource=resources,
    scope=scopes,
)
span_lists = st.lists(spans, max_size=4)


def span(**changes: Any) -> Span:  # noqa: ANN401 - any field of a span
    """A span of which a test changes what it is about."""
    given = {"trace_id": "ab" * 16, "span_id": "cd" * 8, "name": "checkout", "start_ns": 1_000, "end_ns": 2_000}
    return Span(**{**given, **changes})


def json_of(given: Iterable[Span]) -> bytes:
    """The spans as OTLP JSON, each in a group of its own; text that is no UTF-8 is written as it is."""
    document = {"resourceSpans": [_group(one) for one in given]}
    return json.dumps(document, ensure_ascii=False, allow_nan=False).encode("utf-8", "surrogateescape")


def _group(one: Span) -> dict[str, Any]:
    scope = {"name": one.scope.name, "version": one.scope.version, "attributes": _attributes(one.scope.attributes)}
    return {
        "resource": {"attributes": _attributes(one.resource.attributes)},
        "scopeSpans": [{"scope": scope, "spans": [json_span(one)]}],
    }


def json_span(one: Span) -> dict[str, Any]:
    """One span as an OTLP JSON object."""
    return {
        "traceId": one.trace_id,
        "spanId": one.span_id,
        "parentSpanId": one.parent_id,
        "name": one.name,
        "kind": one.kind,
        "startTimeUnixNano": str(one.start_ns),
        "endTimeUnixNano": str(one.end_ns),
        "attributes": _attributes(one.attributes),
        "events": [
            {"name": each.name, "timeUnixNano": str(each.time_ns), "attributes": _attributes(each.attributes)} for each in one.events
        ],
        "links": [{"traceId": each.trace_id, "spanId": each.span_id, "attributes": _attributes(each.attributes)} for each in one.links],
        "status": {"code": one.status, "message": one.status_message},
    }


def _attributes(given: Mapping[str, AttributeValue | None]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in given.items()]


def _value(value: AttributeValue | None) -> dict[str, Any]:
    match value:
        case None:
            return {}
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": _double(value)}
        case str():
            return {"stringValue": value}
        case bytes():
            return {"bytesValue": b64encode(value).decode()}
        case tuple():
            return {"arrayValue": {"values": [_value(item) for item in value]}}
        case _:
            return {"kvlistValue": {"values": _attributes(value)}}


def _double(value: float) -> float | str:
    if value != value:  # noqa: PLR0124 - what NaN is
        return "NaN"
    if abs(value) == float("inf"):
        return "Infinity" if value > 0 else "-Infinity"
    return value
