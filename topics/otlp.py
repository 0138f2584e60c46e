"""OTLP in and out: records of spans, as protobuf or JSON, decoded without ever raising.

A span is taken as it was sent or not at all: one with an attribute, an event or a link that cannot be read is refused, because judged
without it the span could be judged wrongly. A resource or scope that cannot be read refuses each span under it. What is refused is counted
by its reason, and what else the record holds is kept.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from topics.otlp_encoding import encode_protobuf
from topics.otlp_json import read_document
from topics.otlp_protobuf import SPAN_SIZE_MAX, VALUE_DEPTH_MAX, read_request
from topics.refusal import RefusalReason
from topics.span import Span

__all__ = [
    "RECORD_SIZE_MAX",
    "SPAN_SIZE_MAX",
    "VALUE_DEPTH_MAX",
    "Decoded",
    "Format",
    "all_detected",
    "decode",
    "decode_json",
    "decode_protobuf",
    "detected",
    "encode_protobuf",
    "format_of",
]

Format: TypeAlias = Literal["protobuf", "json"]

RECORD_SIZE_MAX = 64 * 2**20

# No request begins with an open brace (a group, field 15) or a byte order mark. One may begin with what is white space in JSON, since the
# tag of its groups is a line feed, and have a brace for its length; a letter after a quote tells JSON from it.
_JSON_START = re.compile(rb'(?:\xef\xbb\xbf)?(?:\{|\s+\{\s*"[A-Za-z])')
# What lies between these in the order of bytes begins with the tag of a group and a length beyond 127, as requests do but the smallest.
_LONG_GROUP, _NO_GROUP = b"\n\x80", b"\x0b"

_FORMATS: dict[str, Format] = {
    "otlp_proto": "protobuf",
    "application/x-protobuf": "protobuf",
    "application/protobuf": "protobuf",
    "otlp_json": "json",
    "application/json": "json",
}


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a record held: its spans in their order, and what was refused of it, counted by reason.

    Spans of one group share their resource and scope objects.
    """

    spans: tuple[Span, ...] = ()
    refused: Counter[RefusalReason] = field(default_factory=Counter)


def decode(value: bytes, record_format: Format) -> Decoded:
    """Return what a record of the given format holds; never raises."""
    return decode_json(value) if record_format == "json" else decode_protobuf(value)


def decode_protobuf(value: bytes) -> Decoded:
    """Return what a protobuf ExportTraceServiceRequest holds, its fields in any order; never raises.

    Strings that are no UTF-8 are kept by `surrogateescape`. A value over RECORD_SIZE_MAX, or one that is not the message, is one item.
    """
    if len(value) > RECORD_SIZE_MAX:
        return Decoded(refused=Counter({RefusalReason.TOO_LARGE: 1}))
    refused: Counter[RefusalReason] = Counter()
    return Decoded(tuple(read_request(value, refused)), refused)


def decode_json(value: bytes | str) -> Decoded:
    """Return what an OTLP JSON document `{"resourceSpans": ...}` holds; never raises.

    A value over RECORD_SIZE_MAX, one that is no JSON, or JSON without `resourceSpans` is one item; `{}` is an empty request.
    """
    if len(value) > RECORD_SIZE_MAX:
        return Decoded(refused=Counter({RefusalReason.TOO_LARGE: 1}))
    refused: Counter[RefusalReason] = Counter()
    return Decoded(tuple(read_document(value, refused)), refused)


def format_of(headers: Iterable[tuple[str, bytes | str | None]], default: Format) -> Format:
    """Return the format that a record's headers name, else the default.

    The Collector writes no such header by itself; its `record_headers` can. The first header `encoding` (`otlp_proto`, `otlp_json`) or
    `content-type` (`application/x-protobuf`, `application/json`, parameters ignored) with a known value decides.
    """
    for name, value in headers:
        if value is not None and name.lower() in {"encoding", "content-type"}:
            text = value if isinstance(value, str) else value.decode("latin-1")
            found = _FORMATS.get(text.partition(";")[0].strip().lower())
            if found is not None:
                return found
    return default


def detected(value: bytes) -> Format:
    """Return the format that a value without headers shows by its first bytes."""
    return all_detected((value,))[0]


def all_detected(values: Sequence[bytes]) -> list[Format]:
    """Return the formats that many values show: of usual ones in a tenth of the time that one by one takes."""
    if values and min(values) >= _LONG_GROUP and max(values) < _NO_GROUP:
        return ["protobuf"] * len(values)
    return ["json" if start else "protobuf" for start in map(_JSON_START.match, values)]
