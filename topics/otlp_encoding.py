"""Spans to OTLP's protobuf, written field by field, in the two orders that senders use."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import TypeAlias

from topics.span import AttributeValue, Event, Link, Resource, Scope, Span

# A message under construction: (field number, wire bytes with tag) in ascending order of the numbers.
_Fields: TypeAlias = "list[tuple[int, bytes]]"

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_FLAGS = 16
_INT64_MAX = 2**63 - 1
_UINT64_MAX = 2**64 - 1


def encode_protobuf(spans: Iterable[Span], *, collector_layout: bool = False) -> bytes:
    """Return an ExportTraceServiceRequest of the spans in their order, which decodes to equal spans.

    Neighbours with equal resource and scope share a group. Fields ascend as SDKs write them; in the Collector's layout they descend, with
    a span's flags between its fields 5 and 4 and its status always there. Raises ValueError on an integer outside its 64 bits or an id
    that is no hexadecimal.
    """
    writer = _Writer(descending=collector_layout)
    # Grouped by their bytes: to Python 1, 1.0 and true are equal.
    by_resource = groupby(spans, key=lambda span: writer.resource(span.resource))
    return writer.message([(1, writer.nested(1, writer.resource_spans(resource, group))) for resource, group in by_resource])


class _Writer:
    """Writes messages in one of the two orders; each method returns the bytes of a message without its tag."""

    def __init__(self, *, descending: bool) -> None:
        self.descending = descending
        self.last_resource: tuple[Resource | None, bytes] = (None, b"")
        self.last_scope: tuple[Scope | None, bytes] = (None, b"")

    def message(self, fields: _Fields) -> bytes:
        """Put fields in the writer's order; repeated ones keep theirs."""
        if self.descending:
            fields = sorted(fields, key=_descending)
        return b"".join([wire for _number, wire in fields])

    def nested(self, number: int, body: bytes) -> bytes:
        return _tag(number, _LENGTH) + _varint(len(body)) + body

    def resource(self, resource: Resource) -> bytes:
        if resource is not self.last_resource[0]:
            self.last_resource = (resource, self.message(self.attributes(1, resource.attributes)))
        return self.last_resource[1]

    def scope(self, scope: Scope) -> bytes:
        if scope is not self.last_scope[0]:
            fields = [*_text(1, scope.name), *_text(2, scope.version), *self.attributes(3, scope.attributes)]
            self.last_scope = (scope, self.message(fields))
        return self.last_scope[1]

    def resource_spans(self, resource: bytes, spans: Iterable[Span]) -> bytes:
        fields: _Fields = [(1, self.nested(1, resource))]
        for scope, group in groupby(spans, key=lambda span: self.scope(span.scope)):
            members = [(2, self.nested(2, self.span(span))) for span in group]
            fields.append((2, self.nested(2, self.message([(1, self.nested(1, scope)), *members]))))
        return self.message(fields)

    def span(self, span: Span) -> bytes:
        status = self.message([*_text(2, span.status_message), *_number(3, span.status)])
        fields: _Fields = [
            *_id(1, span.trace_id),
            *_id(2, span.span_id),
            *_id(4, span.parent_id),
            *_text(5, span.name),
            *_number(6, span.kind),
            *_time(7, span.start_ns),
            *_time(8, span.end_ns),
            *self.attributes(9, span.attributes),
            *[(11, self.nested(11, self.event(event))) for event in span.events],
            *[(13, self.nested(13, self.link(link))) for link in span.links],
        ]
        if status or self.descending:
            fields.append((15, self.nested(15, status)))
        if self.descending:
            fields.append((_FLAGS, _tag(_FLAGS, _FIXED32) + struct.pack("<I", 0x100)))
        return self.message(fields)

    def event(self, event: Event) -> bytes:
        return self.message([*_time(1, event.time_ns), *_text(2, event.name), *self.attributes(3, event.attributes)])

    def link(self, link: Link) -> bytes:
        return self.message([*_id(1, link.trace_id), *_id(2, link.span_id), *self.attributes(4, link.attributes)])

    def attributes(self, number: int, attributes: Mapping[str, AttributeValue | None]) -> _Fields:
        return [
            (number, self.nested(number, self.message([*_text(1, key), (2, self.nested(2, self.value(value)))])))
            for key, value in attributes.items()
        ]

    def value(self, value: AttributeValue | None) -> bytes:
        if value is None:
            return b""
        if isinstance(value, str):
            return self.nested(1, _utf8(value))
        if isinstance(value, bool):
            return _tag(2, _VARINT) + _varint(int(value))
        if isinstance(value, int):
            return _tag(3, _VARINT) + _varint(_int64(value))
        if isinstance(value, float):
            return _tag(4, _FIXED64) + struct.pack("<d", value)
        if isinstance(value, bytes):
            return self.nested(7, value)
        if isinstance(value, tuple):
            return self.nested(5, self.message([(1, self.nested(1, self.value(item))) for item in value]))
        return self.nested(6, self.message(self.attributes(1, value)))


def _descending(item: tuple[int, bytes]) -> float:
    # The Collector's flags (16) come right after the name (5).
    return -4.5 if item[0] == _FLAGS else -item[0]


def _text(number: int, text: str) -> _Fields:
    wire = _utf8(text)
    return [(number, _tag(number, _LENGTH) + _varint(len(wire)) + wire)] if wire else []


def _id(number: int, digits: str) -> _Fields:
    wire = bytes.fromhex(digits)
    return [(number, _tag(number, _LENGTH) + _varint(len(wire)) + wire)] if wire else []


def _number(number: int, value: int) -> _Fields:
    return [(number, _tag(number, _VARINT) + _varint(_int64(value)))] if value else []


def _time(number: int, value: int) -> _Fields:
    if not 0 <= value <= _UINT64_MAX:
        raise ValueError(f"{value} is no time of 64 bits")
    return [(number, _tag(number, _FIXED64) + struct.pack("<Q", value))] if value else []


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _int64(value: int) -> int:
    if not -_INT64_MAX - 1 <= value <= _INT64_MAX:
        raise ValueError(f"{value} is no integer of 64 bits")
    return value & _UINT64_MAX


def _tag(number: int, wire_type: int) -> bytes:
    return _varint(number << 3 | wire_type)


def _varint(value: int) -> bytes:
    wire = bytearray()
    while value > 0x7F:  # noqa: PLR2004 - seven bits a byte
        wire.append(value & 0x7F | 0x80)
        value >>= 7
    wire.append(value)
    return bytes(wire)
