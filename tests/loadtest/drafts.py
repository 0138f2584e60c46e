"""Drafts of the spans that a Collector recorded, as protobuf's own parser reads them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from loadtest.corpora.draft import EventDraft, LinkDraft, Pairs, Source, SpanDraft, Value


def drafts(record: bytes) -> Iterator[SpanDraft] | None:
    """The spans of a record; None where a resource has several scopes, which a source has not."""
    request = ExportTraceServiceRequest.FromString(record)
    if any(len(group.scope_spans) != 1 for group in request.resource_spans):
        return None
    return (
        _span(_source(record_group, scope_group), span)
        for record_group in request.resource_spans
        for scope_group in record_group.scope_spans
        for span in scope_group.spans
    )


def _source(group: ResourceSpans, scopes: ScopeSpans) -> Source:
    scope = scopes.scope
    pairs = _pairs(group.resource.attributes), _pairs(scope.attributes)
    return Source(pairs[0], scope.name, scope.version, pairs[1], group.schema_url, scopes.schema_url)


def _span(source: Source, span: Span) -> SpanDraft:
    return SpanDraft(
        source,
        span.trace_id,
        span.span_id,
        span.parent_span_id,
        span.name,
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        span.kind,
        span.status.code,
        span.status.message,
        span.trace_state,
        span.flags,
        _pairs(span.attributes),
        tuple(EventDraft(event.time_unix_nano, event.name, _pairs(event.attributes)) for event in span.events),
        tuple(LinkDraft(link.trace_id, link.span_id, _pairs(link.attributes), link.trace_state, link.flags) for link in span.links),
    )


def _pairs(pairs: Iterable[KeyValue]) -> Pairs:
    return tuple((pair.key, _value(pair.value)) for pair in pairs)


def _value(value: AnyValue) -> Value:
    kind = value.WhichOneof("value")
    assert kind is not None
    assert kind != "kvlist_value"
    if kind == "array_value":
        return tuple(_value(item) for item in value.array_value.values)
    scalar: Value = getattr(value, kind)
    return scalar
