"""Spans out of OTLP's JSON: protobuf's JSON mapping with ids in hexadecimal (OTLP specification, "JSON Protobuf Encoding").

Names are lowerCamelCase; unknown members are ignored; null is the same as absent; 64-bit integers are numbers or strings; enums are
numbers or names; bytes are base64; doubles may be the strings NaN, Infinity, -Infinity.
"""

from __future__ import annotations

from collections import Counter
from functools import lru_cache

from topics.json_text import Json, read_json, write_json
from topics.otlp_json_value import (
    TIME_MAX,
    integer_member,
    list_member,
    object_member,
    object_of,
    read_attributes,
    text_member,
)
from topics.otlp_protobuf import REMEMBERED_SIZE_MAX
from topics.refusal import RefusalReason, RefusedError
from topics.span import Event, Link, Resource, Scope, Span

_TRACE_ID_DIGITS = 32
_SPAN_ID_DIGITS = 16
_HEX = frozenset("0123456789abcdef")
_ENUM_MAX = 2**31 - 1
_KINDS = {
    f"SPAN_KIND_{name}": number for number, name in enumerate(("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"))
}
_STATUSES = {f"STATUS_CODE_{name}": number for number, name in enumerate(("UNSET", "OK", "ERROR"))}


def read_document(text: bytes | str, refused: Counter[RefusalReason]) -> list[Span]:
    """Return the spans of one document that can be read; what cannot is counted."""
    spans: list[Span] = []
    try:
        groups = _groups(read_json(text))
    except RefusedError as error:
        refused[error.reason] += 1
        return spans
    for group in groups:
        try:
            _read_resource_spans(object_of(group), spans, refused)
        except RefusedError as error:
            refused[error.reason] += 1
    return spans


def _groups(document: Json) -> list[Json]:
    if not isinstance(document, dict) or (document and "resourceSpans" not in document):
        raise RefusedError(RefusalReason.NOT_TRACES)
    return list_member(document, "resourceSpans")


def _read_resource_spans(group: dict[str, Json], spans: list[Span], refused: Counter[RefusalReason]) -> None:
    resource = _resource(group)
    for part in list_member(group, "scopeSpans"):
        try:
            _read_scope_spans(object_of(part), resource, spans, refused)
        except RefusedError as error:
            refused[error.reason] += 1


def _read_scope_spans(
    group: dict[str, Json], resource: Resource | RefusalReason, spans: list[Span], refused: Counter[RefusalReason]
) -> None:
    items = list_member(group, "spans")
    scope = _scope(group)
    # Judged without what produced them they could be judged wrongly: each span of the group is refused.
    if isinstance(resource, RefusalReason):
        refused[resource] += max(1, len(items))
        return
    if isinstance(scope, RefusalReason):
        refused[scope] += max(1, len(items))
        return
    for item in items:
        try:
            spans.append(_span(object_of(item), resource, scope))
        except RefusedError as error:
            refused[error.reason] += 1


def _resource(group: dict[str, Json]) -> Resource | RefusalReason:
    try:
        item = object_member(group, "resource")
        # A keyed topic repeats its few resources in every record; to write one down is cheaper than to read it again.
        text = write_json(item)
        return Resource(read_attributes(item)) if text is None or len(text) > REMEMBERED_SIZE_MAX else _remembered_resource(text)
    except RefusedError as error:
        return error.reason


@lru_cache(maxsize=1024)
def _remembered_resource(text: bytes) -> Resource:
    return Resource(read_attributes(object_of(read_json(text))))


def _scope(group: dict[str, Json]) -> Scope | RefusalReason:
    try:
        scope = object_member(group, "scope")
        return Scope(text_member(scope, "name"), text_member(scope, "version"), read_attributes(scope))
    except RefusedError as error:
        return error.reason


def _span(item: dict[str, Json], resource: Resource, scope: Scope) -> Span:
    trace_id = _required_id(item, "traceId", _TRACE_ID_DIGITS, RefusalReason.SPAN_WITHOUT_TRACE_ID)
    span_id = _required_id(item, "spanId", _SPAN_ID_DIGITS, RefusalReason.SPAN_WITHOUT_SPAN_ID)
    status = object_member(item, "status")
    return Span(
        trace_id,
        span_id,
        text_member(item, "name"),
        integer_member(item, "startTimeUnixNano", 0, TIME_MAX),
        integer_member(item, "endTimeUnixNano", 0, TIME_MAX),
        _optional_id(item, "parentSpanId", _SPAN_ID_DIGITS),
        _enum_member(item, "kind", _KINDS),
        _enum_member(status, "code", _STATUSES),
        text_member(status, "message"),
        read_attributes(item),
        tuple([_event(object_of(event)) for event in list_member(item, "events")]),
        tuple([_link(object_of(link)) for link in list_member(item, "links")]),
        resource,
        scope,
    )


def _event(item: dict[str, Json]) -> Event:
    return Event(text_member(item, "name"), integer_member(item, "timeUnixNano", 0, TIME_MAX), read_attributes(item))


def _link(item: dict[str, Json]) -> Link:
    return Link(
        _optional_id(item, "traceId", _TRACE_ID_DIGITS),
        _optional_id(item, "spanId", _SPAN_ID_DIGITS),
        read_attributes(item),
    )


def _required_id(item: dict[str, Json], name: str, digits: int, without: RefusalReason) -> str:
    try:
        found = _optional_id(item, name, digits)
    except RefusedError:
        raise RefusedError(without) from None
    if not found:
        raise RefusedError(without)
    return found


def _optional_id(item: dict[str, Json], name: str, digits: int) -> str:
    """Return the id in lower case; empty for absent and for zeros, however many."""
    text = text_member(item, name).lower()
    if not text.strip("0"):
        return ""
    if len(text) != digits or not _HEX.issuperset(text):
        raise RefusedError(RefusalReason.BAD_VALUE)
    return text


def _enum_member(item: dict[str, Json], name: str, names: dict[str, int]) -> int:
    value = item.get(name)
    if isinstance(value, str) and value in names:
        return names[value]
    return integer_member(item, name, -_ENUM_MAX - 1, _ENUM_MAX)
