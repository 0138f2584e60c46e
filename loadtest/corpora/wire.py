"""Drafts to OTLP's bytes, in the two layouts that reach a topic, byte for byte.

The Collector (from v0.133) marshals backwards in declaration order: a span begins with its status and ends with its trace id, a key comes
after its value, a resource after its spans, and ids, status, resource and scope are written even when empty (its
`pdata/internal/generated_proto_span.go`). SDKs and protobuf's own libraries ascend by field number and leave out what is empty. The tests
write what a Collector recorded and get its bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from enum import StrEnum
from functools import lru_cache
from itertools import groupby

from loadtest.corpora.draft import EventDraft, LinkDraft, Pairs, Source, SpanDraft, Value

_REMEMBERED_PAIRS = 65_536
_REMEMBERED_SOURCES = 4_096
_REMEMBERED_TEXT_SIZE_MAX = 64


class Layout(StrEnum):
    """The order of the fields of a message."""

    COLLECTOR = "collector"
    ASCENDING = "ascending"


class Writer:
    """Writes records in one layout. What comes again, such as resources and common attributes, is written once and remembered."""

    def __init__(self, layout: Layout) -> None:
        self._backwards = layout is Layout.COLLECTOR
        self._remembered_pair = lru_cache(maxsize=_REMEMBERED_PAIRS, typed=True)(self._pair)
        self._resource = lru_cache(maxsize=_REMEMBERED_SOURCES)(self._new_resource)
        self._scope = lru_cache(maxsize=_REMEMBERED_SOURCES)(self._new_scope)

    def record(self, spans: Iterable[SpanDraft]) -> bytes:
        """Return an ExportTraceServiceRequest; neighbours of one source share their groups."""
        by_source = groupby(spans, key=lambda span: span.source)
        return b"".join([_delimited(0x0A, self._resource_spans(source, list(group))) for source, group in by_source])

    def _joined(self, parts: Sequence[bytes]) -> bytes:
        """Join the fields of a message, given in the order of their declaration; each part may repeat a field."""
        return b"".join(reversed(parts) if self._backwards else parts)

    def _resource_spans(self, source: Source, spans: Sequence[SpanDraft]) -> bytes:
        scope_spans = [self._scope(source), b"".join([_delimited(0x12, self._span(span)) for span in spans])]
        scope_spans.append(_text(0x1A, source.scope_schema_url))
        return self._joined([self._resource(source), _delimited(0x12, self._joined(scope_spans)), _text(0x1A, source.resource_schema_url)])

    def _new_resource(self, source: Source) -> bytes:
        return _delimited(0x0A, self._pairs(0x0A, source.resource))

    def _new_scope(self, source: Source) -> bytes:
        parts = [_text(0x0A, source.scope_name), _text(0x12, source.scope_version), self._pairs(0x1A, source.scope_attributes)]
        return _delimited(0x0A, self._joined(parts))

    def _span(self, span: SpanDraft) -> bytes:
        flags = b"\x85\x01" + struct.pack("<I", span.flags) if span.flags else b""
        parts = [
            _delimited(0x0A, span.trace_id),
            _delimited(0x12, span.span_id),
            _text(0x1A, span.trace_state),
            self._always(0x22, span.parent_id),
            # Declared after the parent id, though its number is 16.
            flags if self._backwards else b"",
            _text(0x2A, span.name),
            _number(0x30, span.kind),
            _fixed(0x39, span.start_ns),
            _fixed(0x41, span.end_ns),
            self._pairs(0x4A, span.attributes),
            b"".join([_delimited(0x5A, self._event(event)) for event in span.events]),
            b"".join([_delimited(0x6A, self._link(link)) for link in span.links]),
            self._always(0x7A, self._joined([_text(0x12, span.status_message), _number(0x18, span.status)])),
            b"" if self._backwards else flags,
        ]
        return self._joined(parts)

    def _always(self, tag: int, payload: bytes) -> bytes:
        """Return a field that the Collector writes even when it is empty."""
        return _delimited(tag, payload) if payload or self._backwards else b""

    def _event(self, event: EventDraft) -> bytes:
        return self._joined([_fixed(0x09, event.time_ns), _text(0x12, event.name), self._pairs(0x1A, event.attributes)])

    def _link(self, link: LinkDraft) -> bytes:
        flags = b"\x35" + struct.pack("<I", link.flags) if link.flags else b""
        ids = [_delimited(0x0A, link.trace_id), _delimited(0x12, link.span_id)]
        return self._joined([*ids, _text(0x1A, link.trace_state), self._pairs(0x22, link.attributes), flags])

    def _pairs(self, tag: int, pairs: Pairs) -> bytes:
        return b"".join([_delimited(tag, self._any_pair(key, value)) for key, value in pairs])

    def _any_pair(self, key: str, value: Value) -> bytes:
        # Typed memory tells 1 from true, but not inside a tuple; long texts and floats do not come again.
        if isinstance(value, tuple | float) or (isinstance(value, str | bytes) and len(value) > _REMEMBERED_TEXT_SIZE_MAX):
            return self._pair(key, value)
        return self._remembered_pair(key, value)

    def _pair(self, key: str, value: Value) -> bytes:
        return self._joined([_text(0x0A, key), _delimited(0x12, _any_value(value))])


def _any_value(value: Value) -> bytes:
    if isinstance(value, str):
        return _delimited(0x0A, value.encode())
    if isinstance(value, bool):
        return b"\x10\x01" if value else b"\x10\x00"
    if isinstance(value, int):
        return b"\x18" + _varint(value)
    if isinstance(value, float):
        return b"\x21" + struct.pack("<d", value)
    if isinstance(value, bytes):
        return _delimited(0x3A, value)
    return _delimited(0x2A, b"".join([_delimited(0x0A, _any_value(item)) for item in value]))


def _delimited(tag: int, payload: bytes) -> bytes:
    size = len(payload)
    return (bytes((tag, size)) if size < 0x80 else bytes((tag,)) + _varint(size)) + payload  # noqa: PLR2004 - one byte of seven bits


def _text(tag: int, text: str) -> bytes:
    return _delimited(tag, text.encode()) if text else b""


def _number(tag: int, value: int) -> bytes:
    return bytes((tag,)) + _varint(value) if value else b""


def _fixed(tag: int, value: int) -> bytes:
    return bytes((tag,)) + struct.pack("<Q", value) if value else b""


def _varint(value: int) -> bytes:
    value &= 2**64 - 1
    wire = bytearray()
    while value > 0x7F:  # noqa: PLR2004 - seven bits a byte
        wire.append(value & 0x7F | 0x80)
        value >>= 7
    wire.append(value)
    return bytes(wire)
