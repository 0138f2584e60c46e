"""Spans to OTLP's protobuf in every form that a reader must take: what an SDK writes, what a Collector writes, and what is odd but legal.

Odd messages have their fields in any order, singular fields more than once, fields that nobody knows or that have the wrong wire type,
numbers longer than they need be, sub-messages in two parts, values without a type. Some of it changes what the record says (of a field
sent twice the last counts, a twin of an attribute may be another one): what a record holds is what `topics.otlp` reads from it.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from enum import StrEnum
from itertools import groupby
from random import Random
from typing import NamedTuple

from topics.span import AttributeValue, Event, Link, Resource, Scope, Span

_VARINT, _FIXED64, _LENGTH, _GROUP_START, _GROUP_END, _FIXED32 = 0, 1, 2, 3, 4, 5
_UINT64_MAX = 2**64 - 1
_FLAGS = 16
_UNKNOWN_NUMBERS = (19, 20, 99, 1000, 2**29 - 1)
# How often a message, number or group is odd, of 1.
_ODD_MESSAGE = 0.25
_ODD_NUMBER = 0.1
_ODD_GROUP = 0.3


class Layout(StrEnum):
    """In which order and form the fields of a message are written."""

    ASCENDING = "ascending"
    COLLECTOR = "collector"
    ODD = "odd"


class Field(NamedTuple):
    """One field of a message: `payload` is what follows the tag, of a LENGTH field without its length."""

    number: int
    wire_type: int
    payload: bytes
    is_message: bool = False


class Writer:
    """Writes records in one layout; `chance` decides what is odd, so that one seed gives one record."""

    def __init__(self, layout: Layout, chance: Random) -> None:
        self._layout = layout
        self._chance = chance

    def record(self, spans: Sequence[Span]) -> bytes:
        """Return an ExportTraceServiceRequest; neighbours with equal resource and scope share their groups, unless the layout is odd."""
        groups: list[Field] = []
        for _, of_resource in groupby(spans, key=lambda span: self._group_key(span.resource)):
            members = list(of_resource)
            groups.append(_message(1, self._joined(self._resource_spans(members))))
        return self._joined(groups)

    def _group_key(self, group: Resource | Scope) -> object:
        # By their text: to Python 1, 1.0 and true are equal, and NaN is not.
        return (repr(group), self._chance.random()) if self._is_odd(_ODD_GROUP) else repr(group)

    def _is_odd(self, how_often: float) -> bool:
        return self._layout is Layout.ODD and self._chance.random() < how_often

    # ---- messages -------------------------------------------------------------------------------------------------------------------

    def _resource_spans(self, spans: Sequence[Span]) -> list[Field]:
        fields = self._nested(1, self._pairs(1, spans[0].resource.attributes))
        for _, of_scope in groupby(spans, key=lambda span: self._group_key(span.scope)):
            members = list(of_scope)
            inner = [*self._nested(1, self._scope(members[0].scope)), *(_message(2, self._joined(self._span(span))) for span in members)]
            fields.append(_message(2, self._joined(inner)))
        return [*fields, *self._text(3, "https://opentelemetry.io/schemas/1.21.0" if self._is_odd(_ODD_GROUP) else "")]

    def _scope(self, scope: Scope) -> list[Field]:
        return [*self._text(1, scope.name), *self._text(2, scope.version), *self._pairs(3, scope.attributes)]

    def _span(self, span: Span) -> list[Field]:
        backwards = self._layout is Layout.COLLECTOR
        parent = bytes.fromhex(span.parent_id)
        fields = [
            Field(1, _LENGTH, bytes.fromhex(span.trace_id)),
            Field(2, _LENGTH, bytes.fromhex(span.span_id)),
            *([Field(4, _LENGTH, parent or self._no_parent())] if parent or backwards or self._is_odd(_ODD_GROUP) else []),
            *self._text(5, span.name),
            *self._number(6, span.kind),
            *self._fixed(7, span.start_ns),
            *self._fixed(8, span.end_ns),
            *self._pairs(9, span.attributes),
            *(_message(11, self._joined(self._event(event))) for event in span.events),
            *(_message(13, self._joined(self._link(link))) for link in span.links),
        ]
        status = [*self._text(2, span.status_message), *self._number(3, span.status)]
        fields += self._nested(15, status) if status or backwards else []
        return [*fields, Field(_FLAGS, _FIXED32, struct.pack("<I", 0x101))]

    def _no_parent(self) -> bytes:
        return bytes(self._chance.choice((0, 8, 3))) if self._layout is Layout.ODD else b""

    def _event(self, event: Event) -> list[Field]:
        return [*self._fixed(1, event.time_ns), *self._text(2, event.name), *self._pairs(3, event.attributes)]

    def _link(self, link: Link) -> list[Field]:
        ids = [Field(1, _LENGTH, bytes.fromhex(link.trace_id)), Field(2, _LENGTH, bytes.fromhex(link.span_id))]
        return [*ids, *self._pairs(4, link.attributes)]

    def _pairs(self, number: int, attributes: Mapping[str, AttributeValue | None]) -> list[Field]:
        return [_message(number, self._joined(self._pair(key, value))) for key, value in attributes.items()]

    def _pair(self, key: str, value: AttributeValue | None) -> list[Field]:
        without = value is None and self._layout is Layout.ODD
        return [*self._text(1, key), *([] if without else self._nested(2, self._value(value)))]

    def _value(self, value: AttributeValue | None) -> list[Field]:
        match value:
            case None:
                return []
            case str():
                return [Field(1, _LENGTH, _utf8(value))]
            case bool():
                return [Field(2, _VARINT, self._varint(self._true() if value else 0))]
            case int():
                return [Field(3, _VARINT, self._varint(value & _UINT64_MAX))]
            case float():
                return [Field(4, _FIXED64, struct.pack("<d", value))]
            case bytes():
                return [Field(7, _LENGTH, value)]
            case tuple():
                return self._nested(5, [_message(1, self._joined(self._value(item))) for item in value])
            case _:
                return self._nested(6, self._pairs(1, value))

    def _true(self) -> int:
        return self._chance.choice((1, 2, 2**32, 2**63)) if self._is_odd(_ODD_NUMBER) else 1

    # ---- fields ---------------------------------------------------------------------------------------------------------------------

    def _text(self, number: int, text: str) -> list[Field]:
        return [Field(number, _LENGTH, _utf8(text))] if text or self._is_odd(_ODD_NUMBER) else []

    def _number(self, number: int, value: int) -> list[Field]:
        # An enum is read from its low 32 bits.
        beyond = 2**32 if value >= 0 and self._is_odd(_ODD_NUMBER) else 0
        return [Field(number, _VARINT, self._varint((value + beyond) & _UINT64_MAX))] if value or self._is_odd(_ODD_NUMBER) else []

    def _fixed(self, number: int, value: int) -> list[Field]:
        return [Field(number, _FIXED64, struct.pack("<Q", value))] if value or self._is_odd(_ODD_NUMBER) else []

    def _nested(self, number: int, fields: Sequence[Field]) -> list[Field]:
        """Return a singular sub-message: in two parts where it is odd, which a reader merges."""
        if self._is_odd(_ODD_MESSAGE):
            cut = self._chance.randint(0, len(fields))
            return [_message(number, self._joined(fields[:cut])), _message(number, self._joined(fields[cut:]))]
        return [_message(number, self._joined(fields))]

    def _joined(self, fields: Sequence[Field]) -> bytes:
        """Return a message of the fields in the layout's order; repeated ones keep theirs, unless the layout is odd."""
        ordered = list(fields)
        if self._layout is Layout.COLLECTOR:
            # The Collector's flags (16) come right after the name (5).
            ordered.sort(key=lambda field: -4.5 if field.number == _FLAGS else -field.number)
        elif self._layout is Layout.ODD:
            if self._chance.random() < 0.5:
                self._chance.shuffle(ordered)
            if ordered and self._is_odd(_ODD_MESSAGE):
                twin = self._twin(self._chance.choice(ordered))
                ordered.insert(0 if self._chance.random() < 0.7 else self._chance.randint(0, len(ordered)), twin)
            while self._is_odd(_ODD_MESSAGE):
                ordered.insert(self._chance.randint(0, len(ordered)), self._unknown())
        return b"".join([self._wire(field) for field in ordered])

    def _twin(self, field: Field) -> Field:
        """Return the field once more, or another of its number and type that came before or after."""
        if field.is_message:
            return field if self._chance.random() < 0.5 else field._replace(payload=b"")
        if field.wire_type == _VARINT:
            return field._replace(payload=self._varint(self._chance.choice((0, 1, 2, 7, 2**31, 2**63, _UINT64_MAX))))
        return field._replace(payload=self._chance.randbytes(len(field.payload)))

    def _unknown(self) -> Field:
        """Return a field that no version of OTLP has, or one that it has with another wire type."""
        number = self._chance.choice(_UNKNOWN_NUMBERS) if self._chance.random() < 0.7 else self._chance.randint(1, 18)
        wire_type = self._chance.choice((_VARINT, _FIXED64, _LENGTH, _FIXED32, _FIXED32))
        if number in _UNKNOWN_NUMBERS and self._chance.random() < 0.1:
            inner = self._wire(Field(1, _VARINT, b"\x05")) if self._chance.random() < 0.5 else b""
            return Field(number, _GROUP_START, inner + _plain_varint(number << 3 | _GROUP_END))
        size = {_FIXED64: 8, _FIXED32: 4, _LENGTH: self._chance.choice((0, 0, 3, 200)) if number in _UNKNOWN_NUMBERS else 0}
        payload = self._varint(self._chance.getrandbits(64)) if wire_type == _VARINT else self._chance.randbytes(size[wire_type])
        return Field(number, wire_type, payload)

    def _wire(self, field: Field) -> bytes:
        tag = self._varint(field.number << 3 | field.wire_type, longest=5)
        length = self._varint(len(field.payload), longest=5) if field.wire_type == _LENGTH else b""
        return tag + length + field.payload

    def _varint(self, value: int, longest: int = 10) -> bytes:
        wire = _plain_varint(value)
        room = longest - len(wire)
        if room > 0 and self._is_odd(_ODD_NUMBER):
            more = self._chance.randint(1, room)
            return wire[:-1] + bytes([wire[-1] | 0x80]) + b"\x80" * (more - 1) + b"\x00"
        return wire


def _message(number: int, payload: bytes) -> Field:
    return Field(number, _LENGTH, payload, is_message=True)


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _plain_varint(value: int) -> bytes:
    wire = bytearray()
    while value > 0x7F:
        wire.append(value & 0x7F | 0x80)
        value >>= 7
    wire.append(value)
    return bytes(wire)
