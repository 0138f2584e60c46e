"""Captured rows of a trace as spans: what compiler/runtime/captured.lua writes, read again."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from compiler.engine_layout import ANY_CLASS, SERVICE_KEY, WORD_BITS, Column, ColumnKind
from topics.otlp_protobuf import read_span, read_value
from topics.span import Resource, Scope, Span

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from compiler.engine_layout import Layout, Leaf
    from topics.span import AttributeValue

# size, class of the name, span id, parent id, start, end, place of the service name, kind, status, cells
_HEAD = struct.Struct("<ii8s8sqqiBBH")
_BEGINNING = struct.Struct("<ii")
_CELL = struct.Struct("<HBBi")
_NAME_CELL, _BYTES_CELL = 65534, 65535
_UINT64 = 2**64
_NO_ID = bytes(8)
_OTHERS = frozenset({ColumnKind.NAME, ColumnKind.STATUS_MESSAGE, ColumnKind.SCOPE_NAME, ColumnKind.SCOPE_VERSION, ColumnKind.SCOPE})
_TEXT_TAG = 0x0A
_LENGTH_TAGS = frozenset({0x2A, 0x32, 0x3A})


class Row:
    """A captured span, the class of its name and its membership words; the span is read when somebody asks for it."""

    __slots__ = ("_read", "_span", "_wire", "class_id", "words")

    def __init__(self, wire: bytes, class_id: int, words: tuple[int, ...], read: Callable[[bytes], Span]) -> None:
        self.class_id = class_id
        self.words = words
        self._wire = wire
        self._read = read
        self._span: Span | None = None

    @property
    def span(self) -> Span:
        """The span."""
        if self._span is None:
            self._span = self._read(self._wire)
        return self._span


@dataclass(slots=True)
class _Parts:
    """What the cells of a row add up to."""

    name: str
    status_message: str
    scope_name: str
    scope_version: str
    own: dict[str, AttributeValue]
    resource: dict[str, AttributeValue]
    scope: dict[str, AttributeValue]
    whole: Span | None = None


class RowReader:
    """Reads the rows of a program's traces; `pooled` gives the text of a place in the runtime's pool."""

    def __init__(self, layout: Layout, pooled: Callable[[int], str]) -> None:
        self._layout = layout
        self._pooled = pooled
        self._columns: dict[int, Column] = {number: column for column, number in layout.columns.items()}
        # Attributes of a span or its resource.
        self._keys = {number: column.key for number, column in self._columns.items() if column.kind not in _OTHERS}
        # Of each class of names, the membership words of a row.
        own = [one.word_count if number else 0 for number, one in enumerate(layout.classes)]
        self._words = [struct.Struct(f"<{layout.any_word_count + count}I") for count in own]

    def rows(self, block: bytes, trace_id: str) -> Iterator[Row]:
        """Yield the rows of a block in order of arrival."""
        at = 0
        read = partial(self._span, trace_id)
        while at < len(block):
            size, class_id = _BEGINNING.unpack_from(block, at)
            yield Row(block[at : at + size], class_id, self._words[class_id].unpack_from(block, at + _HEAD.size), read)
            at += size

    def _span(self, trace_id: str, wire: bytes) -> Span:
        _, class_id, span_id, parent_id, start_ns, end_ns, service, kind, status, cell_count = _HEAD.unpack_from(wire)
        parts = self._parts(wire, _HEAD.size + _padded(self._words[class_id].size), cell_count, class_id)
        whole = parts.whole
        if service:
            parts.resource[SERVICE_KEY] = self._pooled(service)
        return Span(
            trace_id,
            span_id.hex(),
            parts.name,
            start_ns % _UINT64,
            end_ns % _UINT64,
            "" if parent_id == _NO_ID else parent_id.hex(),
            kind,
            status,
            parts.status_message,
            parts.own,
            () if whole is None else whole.events,
            () if whole is None else whole.links,
            Resource(parts.resource),
            Scope(parts.scope_name, parts.scope_version, parts.scope),
        )

    def _parts(self, wire: bytes, at: int, cell_count: int, class_id: int) -> _Parts:
        parts = _Parts(self._layout.classes[class_id].name, "", "", "", {}, {}, {})
        keys, of_span, of_resource = self._keys, parts.own, parts.resource
        for _ in range(cell_count):
            column, tag, own, length = _CELL.unpack_from(wire, at)
            at += _CELL.size
            payload = wire[at : at + length]
            key = keys.get(column)
            if key is None:
                self._cell(parts, column, tag, payload)
            elif (value := _value(tag, payload)) is not None:
                (of_span if own else of_resource)[key] = value
            at += length + 7 & -8
        return parts

    def _cell(self, parts: _Parts, number: int, tag: int, payload: bytes) -> None:
        if number == _BYTES_CELL:
            parts.whole = read_span(payload)
        elif number == _NAME_CELL:
            parts.name = _text(payload)
        else:
            self._column(parts, self._columns[number], tag, payload)

    @staticmethod
    def _column(parts: _Parts, column: Column, tag: int, payload: bytes) -> None:
        match column.kind:
            case ColumnKind.NAME:
                parts.name = _text(payload)
            case ColumnKind.STATUS_MESSAGE:
                parts.status_message = _text(payload)
            case ColumnKind.SCOPE_NAME:
                parts.scope_name = _text(payload)
            case ColumnKind.SCOPE_VERSION:
                parts.scope_version = _text(payload)
            case _:
                value = _value(tag, payload)
                if value is not None:
                    parts.scope[column.key] = value


def selected(rows: list[Row], leaf: Leaf, any_word_count: int) -> list[Span]:
    """Return the spans of the rows that a leaf selects."""
    own = 0 if leaf.class_id == ANY_CLASS else any_word_count
    word, bit = own + leaf.local // WORD_BITS, leaf.local % WORD_BITS
    return [row.span for row in rows if leaf.class_id in {ANY_CLASS, row.class_id} and row.words[word] >> bit & 1]


def _padded(size: int) -> int:
    return size + 7 & -8


def _text(payload: bytes) -> str:
    return payload.decode("utf-8", "surrogateescape")


def _value(tag: int, payload: bytes) -> AttributeValue | None:
    """Return the value of the field of an AnyValue."""
    if tag == _TEXT_TAG:
        return _text(payload)
    if tag not in _LENGTH_TAGS:
        return read_value(bytes([tag]) + payload)
    size, length = len(payload), bytearray()
    while size > 0x7F:  # noqa: PLR2004 - a varint has seven bits a byte
        length.append(size & 0x7F | 0x80)
        size >>= 7
    return read_value(bytes([tag, *length, size]) + payload)
