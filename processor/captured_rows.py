"""Captured rows of a trace as spans: what compiler/runtime/captured.lua writes, read again."""

from __future__ import annotations

import struct
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from compiler.engine_layout import ANY_CLASS, SERVICE_KEY, WORD_BITS, Column, ColumnKind
from topics.otlp_protobuf import read_span, read_value
from topics.span import Resource, Scope, Span

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from compiler.engine_layout import Layout, Leaf
    from topics.span import Attributes, AttributeValue, Event, Link

# size, class of the name, span id, parent id, start, end, place of the service name, kind, status, cells
_HEAD = struct.Struct("<ii8s8sqqiBBH")
_BEGINNING = struct.Struct("<ii")
_CELL = struct.Struct("<HBBi")
_CELL_SIZE = _CELL.size
_WORD_SIZE = WORD_BITS // 8
_NAME_CELL, _BYTES_CELL = 65534, 65535
_UINT64 = 2**64
_NO_ID = bytes(8)
_OTHERS = frozenset({ColumnKind.NAME, ColumnKind.STATUS_MESSAGE, ColumnKind.SCOPE_NAME, ColumnKind.SCOPE_VERSION, ColumnKind.SCOPE})
_TEXT_TAG = 0x0A
_LENGTH_TAGS = frozenset({0x2A, 0x32, 0x3A})


class CapturedSpan:
    """A captured span (compiler.trace.Span): what orders and relates spans is there, the rest is read when somebody asks for it.

    A text of the program's pool is read as late as that: who keeps a span beyond the program's next change lets it `settle` before.
    """

    __slots__ = (
        "_at",
        "_block",
        "_cell_count",
        "_class_id",
        "_parts",
        "_resource",
        "_service",
        "end_ns",
        "kind",
        "parent_id",
        "span_id",
        "start_ns",
        "status",
    )

    def __init__(self, block: _Block, at: int) -> None:
        head = _HEAD.unpack_from(block.wire, at)
        _, self._class_id, span_id, parent_id, start_ns, end_ns, self._service, self.kind, self.status, self._cell_count = head
        self.span_id = span_id.hex()
        self.parent_id = "" if parent_id == _NO_ID else parent_id.hex()
        self.start_ns = start_ns % _UINT64
        self.end_ns = end_ns % _UINT64
        self._block = block
        self._at = at
        self._parts: _Parts | None = None
        self._resource: Resource | None = None

    def _read(self) -> _Parts:
        if self._parts is None:
            self._parts = self._block.reader.parts(self._block.wire, self._at, self._class_id, self._cell_count)
        return self._parts

    def settle(self) -> None:
        """Read what may change."""
        _ = self.resource

    @property
    def trace_id(self) -> str:
        """The id of the trace."""
        return self._block.trace_id

    @property
    def name(self) -> str:
        """The name, which the rows of a class share."""
        return self._block.reader.names[self._class_id] or self._read().name

    @property
    def status_message(self) -> str:
        """The message beside the status."""
        return self._read().status_message

    @property
    def attributes(self) -> Attributes:
        """Those of the span's own attributes that were captured."""
        return self._read().own

    @property
    def events(self) -> Sequence[Event]:
        """The events."""
        whole = self._read().whole
        return () if whole is None else whole.events

    @property
    def links(self) -> Sequence[Link]:
        """The links."""
        whole = self._read().whole
        return () if whole is None else whole.links

    @property
    def resource(self) -> Resource:
        """What was captured of its resource."""
        if self._resource is None:
            attributes = self._read().resource
            if self._service:
                attributes[SERVICE_KEY] = self._block.reader.pooled(self._service)
            self._resource = Resource(attributes)
        return self._resource

    @property
    def scope(self) -> Scope:
        """What was captured of its scope."""
        parts = self._read()
        return Scope(parts.scope_name, parts.scope_version, parts.scope)


class _Block(NamedTuple):
    """What spans of one trace are read from; it does not know them, so that nobody need look for circles to free it."""

    reader: RowReader
    wire: bytes
    trace_id: str


class CapturedRows:
    """The rows of one trace, in order of arrival; a row becomes a span when it is selected."""

    def __init__(self, reader: RowReader, block: bytes, trace_id: str) -> None:
        self._block = _Block(reader, block, trace_id)
        self._spans: dict[int, CapturedSpan] = {}
        # Where the rows begin, and those of each class.
        self._places: list[int] = []
        self._places_of: defaultdict[int, list[int]] = defaultdict(list)
        at, size_of_block, beginning = 0, len(block), _BEGINNING.unpack_from
        while at < size_of_block:
            size, class_id = beginning(block, at)
            self._places.append(at)
            self._places_of[class_id].append(at)
            at += size

    def spans(self) -> list[CapturedSpan]:
        """Return the spans of all rows."""
        return [self._span(at) for at in self._places]

    def selected(self, leaf: Leaf) -> list[CapturedSpan]:
        """Return the spans of the rows that a leaf selects."""
        return [self._span(at) for at in self._places_selected(leaf)]

    def count(self, leaf: Leaf) -> int:
        """Return how many rows a leaf selects."""
        return len(self._places_selected(leaf))

    def _places_selected(self, leaf: Leaf) -> list[int]:
        if leaf.class_id == ANY_CLASS:
            places, words = self._places, 0
        else:
            places, words = self._places_of[leaf.class_id], self._block.reader.any_word_count
        # A byte of the word holds the bit: words are little-endian.
        byte, mask = _HEAD.size + _WORD_SIZE * words + leaf.local // 8, 1 << leaf.local % 8
        block = self._block.wire
        return [at for at in places if block[at + byte] & mask]

    def _span(self, at: int) -> CapturedSpan:
        found = self._spans.get(at)
        if found is None:
            found = self._spans[at] = CapturedSpan(self._block, at)
        return found


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
    """Reads the rows of a program's traces; `pooled` gives the text of a place in the runtime's pool, which `changed` may change."""

    def __init__(self, layout: Layout, pooled: Callable[[int], str]) -> None:
        self.any_word_count = layout.any_word_count
        # Of each class the name its spans share, empty for class 0.
        self.names = [one.name for one in layout.classes]
        self._pooled = pooled
        self._texts: dict[int, str] = {}
        self._columns: dict[int, Column] = {number: column for column, number in layout.columns.items()}
        # Attributes of a span or its resource.
        self._keys = {number: column.key for number, column in self._columns.items() if column.kind not in _OTHERS}
        self._name_numbers = {_NAME_CELL, *(number for number, column in self._columns.items() if column.kind is ColumnKind.NAME)}
        # Of each class how far behind a row's beginning its cells stand.
        words = [layout.any_word_count + (one.word_count if number else 0) for number, one in enumerate(layout.classes)]
        self._cells_at = [_HEAD.size + _padded(_WORD_SIZE * count) for count in words]

    def pooled(self, place: int) -> str:
        """Return the text of a place in the pool."""
        found = self._texts.get(place)
        if found is None:
            found = self._texts[place] = self._pooled(place)
        return found

    def changed(self) -> None:
        """Take note that other texts may stand in the pool."""
        self._texts.clear()

    def parts(self, block: bytes, at: int, class_id: int, cell_count: int) -> _Parts:
        """Return what the cells of the row at a place add up to."""
        parts = _Parts(self.names[class_id], "", "", "", {}, {}, {})
        keys, names, of_span, of_resource, cell = self._keys, self._name_numbers, parts.own, parts.resource, _CELL.unpack_from
        at += self._cells_at[class_id]
        for _ in range(cell_count):
            column, tag, own, length = cell(block, at)
            at += _CELL_SIZE
            payload = block[at : at + length]
            key = keys.get(column)
            if key is not None:
                value = payload.decode("utf-8", "surrogateescape") if tag == _TEXT_TAG else _value(tag, payload)
                if value is not None:
                    (of_span if own else of_resource)[key] = value
            elif column in names:
                parts.name = payload.decode("utf-8", "surrogateescape")
            else:
                self._cell(parts, column, tag, payload)
            at += length + 7 & -8
        return parts

    def _cell(self, parts: _Parts, number: int, tag: int, payload: bytes) -> None:
        if number == _BYTES_CELL:
            parts.whole = read_span(payload)
        else:
            self._column(parts, self._columns[number], tag, payload)

    @staticmethod
    def _column(parts: _Parts, column: Column, tag: int, payload: bytes) -> None:
        match column.kind:
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
