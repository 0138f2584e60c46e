"""Spans out of OTLP's protobuf, in whatever order the fields come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TypeVar

from topics import otlp_schema as schema
from topics.refusal import RefusalReason, RefusedError
from topics.span import Attributes, AttributeValue, Event, Link, Resource, Scope, Span

VALUE_DEPTH_MAX = 32
SPAN_SIZE_MAX = 16 * 2**20

# Groups up to this size are remembered: a keyed topic repeats its few resources in every record.
REMEMBERED_SIZE_MAX = 16 * 1024
_TRACE_ID_SIZE = 16
_SPAN_ID_SIZE = 8
_NAME_SIZE_MAX = 128

Group = TypeVar("Group", Resource, Scope)


def read_request(wire: bytes, refused: Counter[RefusalReason]) -> list[Span]:
    """Return the spans of one ExportTraceServiceRequest that can be read; what cannot is counted."""
    spans: list[Span] = []
    try:
        groups = schema.read_request(wire).resource_spans
    except RefusedError as error:
        refused[error.reason] += 1
        return spans
    for group in groups:
        try:
            _read_resource_spans(group, spans, refused)
        except RefusedError as error:
            refused[error.reason] += 1
    return spans


def _read_resource_spans(wire: bytes, spans: list[Span], refused: Counter[RefusalReason]) -> None:
    message = schema.read_resource_spans(wire)
    resource = _group(message.resource, _resource, _remembered_resource)
    for group in message.scope_spans:
        try:
            _read_scope_spans(group, resource, spans, refused)
        except RefusedError as error:
            refused[error.reason] += 1


def _read_scope_spans(wire: bytes, resource: Resource | RefusalReason, spans: list[Span], refused: Counter[RefusalReason]) -> None:
    message = schema.read_scope_spans(wire)
    scope = _group(message.scope, _scope, _remembered_scope)
    # Judged without what produced them they could be judged wrongly: each span of the group is refused.
    if isinstance(resource, RefusalReason):
        refused[resource] += max(1, len(message.spans))
        return
    if isinstance(scope, RefusalReason):
        refused[scope] += max(1, len(message.spans))
        return
    for span in message.spans:
        try:
            spans.append(_span(span, resource, scope))
        except RefusedError as error:
            refused[error.reason] += 1


def _group(
    parts: Sequence[bytes], read: Callable[[bytes], Group | RefusalReason], remembered: Callable[[bytes], Group | RefusalReason]
) -> Group | RefusalReason:
    wire = parts[0] if len(parts) == 1 else b"".join(parts)
    return remembered(wire) if len(wire) <= REMEMBERED_SIZE_MAX else read(wire)


def _resource(wire: bytes) -> Resource | RefusalReason:
    try:
        return Resource(_attributes(schema.read_resource(wire).attributes))
    except RefusedError as error:
        return error.reason


def _scope(wire: bytes) -> Scope | RefusalReason:
    try:
        message = schema.read_scope(wire)
        return Scope(_text(message.name), _text(message.version), _attributes(message.attributes))
    except RefusedError as error:
        return error.reason


_remembered_resource = lru_cache(maxsize=1024)(_resource)
_remembered_scope = lru_cache(maxsize=1024)(_scope)


def _span(wire: bytes, resource: Resource, scope: Scope) -> Span:
    if len(wire) > SPAN_SIZE_MAX:
        raise RefusedError(RefusalReason.TOO_LARGE)
    message = schema.read_span(wire)
    trace_id, span_id = message.trace_id, message.span_id
    if len(trace_id) != _TRACE_ID_SIZE or not any(trace_id):
        raise RefusedError(RefusalReason.SPAN_WITHOUT_TRACE_ID)
    if len(span_id) != _SPAN_ID_SIZE or not any(span_id):
        raise RefusedError(RefusalReason.SPAN_WITHOUT_SPAN_ID)
    status = message.status
    return Span(
        trace_id.hex(),
        span_id.hex(),
        _name(message.name),
        message.start_time_unix_nano,
        message.end_time_unix_nano,
        _optional_id(message.parent_span_id, _SPAN_ID_SIZE),
        message.kind,
        status.code,
        _text(status.message),
        _attributes(message.attributes),
        tuple([_event(event) for event in message.events]),
        tuple([_link(link) for link in message.links]),
        resource,
        scope,
    )


def _event(message: schema.EventMessage) -> Event:
    return Event(_name(message.name), message.time_unix_nano, _attributes(message.attributes))


def _link(message: schema.LinkMessage) -> Link:
    return Link(
        _optional_id(message.trace_id, _TRACE_ID_SIZE), _optional_id(message.span_id, _SPAN_ID_SIZE), _attributes(message.attributes)
    )


def _optional_id(value: bytes, size: int) -> str:
    if not any(value):
        return ""
    if len(value) != size:
        raise RefusedError(RefusalReason.BAD_VALUE)
    return value.hex()


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")


# Names and keys are few and come again in every span; long ones are made up for the occasion.
_remembered_text = lru_cache(maxsize=8192)(_text)


def _name(value: bytes) -> str:
    return _remembered_text(value) if len(value) <= _NAME_SIZE_MAX else _text(value)


def _attributes(pairs: Sequence[schema.KeyValueMessage]) -> Attributes:
    found: dict[str, AttributeValue] = {}
    for pair in pairs:
        key = _name(pair.key)
        value = _value(pair.value, 0)
        if value is not None:
            found[key] = value
        else:  # without a type it is missing, also where the same key came before
            found.pop(key, None)
    return found


def _value(message: schema.AnyValueMessage, depth: int) -> AttributeValue | None:
    match message.WhichOneof("value"):
        case "string_value":
            return _text(message.string_value)
        case "int_value":
            return message.int_value
        case "bool_value":
            return message.bool_value
        case "double_value":
            return message.double_value
        case "array_value":
            inside = _deeper(depth)
            return tuple([_value(item, inside) for item in message.array_value.values])
        case "kvlist_value":
            inside = _deeper(depth)
            return {_name(pair.key): _value(pair.value, inside) for pair in message.kvlist_value.values}
        case "bytes_value":
            return message.bytes_value
        case _:  # none, or a type that later versions add
            return None


def read_value(wire: bytes) -> AttributeValue | None:
    """Return the value of an AnyValue; None for one without a type. Raises RefusedError on bytes that are none."""
    return _value(schema.read_any_value(wire), 0)


def read_span(wire: bytes) -> Span:
    """Return the span of the bytes of a Span, without resource and scope; raises RefusedError on bytes that are none."""
    return _span(wire, Resource(), Scope())


def _deeper(depth: int) -> int:
    if depth >= VALUE_DEPTH_MAX:
        raise RefusedError(RefusalReason.TOO_DEEP)
    return depth + 1
