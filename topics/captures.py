"""Captures: records as they stood on a topic, one JSON object a line, so that what was seen can be played again.

A Kafka record has `partition`, `offset`, `timestamp_ms` (null where it had none), `key` (text or null; `key_b64` where it is no UTF-8),
`headers` (a list of [name, text]) and `value_b64`, or `value` for the text of a JSON record; `format` (json, protobuf) says what
`value_b64` holds where neither a header nor its first bytes do. The raw form, the body of a request as an SDK sent it, has `seq`
and `path` instead, and its content type among the headers.
"""

from __future__ import annotations

import binascii
import json
from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import TypeAlias

from topics.json_text import Json, read_json
from topics.otlp import Format, detected, format_of
from topics.refusal import RefusalReason, RefusedError
from topics.span import shown

Headers: TypeAlias = "tuple[tuple[str, bytes | None], ...]"

TRACES_PATH = "/v1/traces"

_NS_PER_MS = 1_000_000
_INT64_MAX = 2**63 - 1
_TIMESTAMP_MS_MAX = _INT64_MAX // _NS_PER_MS


@dataclass(frozen=True, slots=True)
class CapturedRecord:
    """One record: where it stood, when it was appended (unix nanoseconds), what it held and in which format."""

    partition: int
    offset: int
    timestamp_ns: int | None
    key: bytes | None
    headers: Headers
    value: bytes
    format: Format


def read_capture(line: bytes) -> CapturedRecord:
    """Return the record of one line; raises RefusedError: what JSON raises, not_traces (no capture, or of something else), bad_capture."""
    item = read_json(line)
    if not isinstance(item, dict) or item.keys().isdisjoint({"value", "value_b64"}):
        raise RefusedError(RefusalReason.NOT_TRACES)
    return _captured(item)


def _captured(item: dict[str, Json]) -> CapturedRecord:
    if item.get("path", TRACES_PATH) != TRACES_PATH:
        raise RefusedError(RefusalReason.NOT_TRACES)
    timestamp_ms = item.get("timestamp_ms")
    headers = _headers(item.get("headers"))
    text = item.get("value_b64") is None
    value = _utf8(item.get("value")) if text else _base64(item["value_b64"])
    return CapturedRecord(
        partition=_integer(item.get("partition", 0), 2**31 - 1),
        offset=_integer(item["seq"] if "seq" in item else item.get("offset"), _INT64_MAX),
        timestamp_ns=None if timestamp_ms is None else _integer(timestamp_ms, _TIMESTAMP_MS_MAX) * _NS_PER_MS,
        key=_key(item),
        headers=headers,
        value=value,
        format="json" if text else _format(item.get("format"), headers, value),
    )


def _format(named: Json, headers: Headers, value: bytes) -> Format:
    match named:
        case None:
            return format_of(headers, detected(value))
        case "json" | "protobuf":
            return named
        case _:
            raise RefusedError(RefusalReason.BAD_CAPTURE)


def write_capture(record: CapturedRecord) -> bytes:
    """Return the line of a record, line feed included, valid UTF-8 always; headers that are none are written with U+FFFD."""
    item: dict[str, Json] = {
        "partition": record.partition,
        "offset": record.offset,
        "timestamp_ms": None if record.timestamp_ns is None else record.timestamp_ns // _NS_PER_MS,
        "key": None,
        "headers": [[shown(name), None if value is None else value.decode("utf-8", "replace")] for name, value in record.headers],
    }
    _put_key(item, record.key)
    text = _text_of(record.value) if record.format == "json" else None
    if text is None:
        item["value_b64"] = b64encode(record.value).decode("ascii")
        item["format"] = record.format
    else:
        item["value"] = text
    return json.dumps(item, separators=(",", ":"), ensure_ascii=False).encode("utf-8") + b"\n"


def _put_key(item: dict[str, Json], key: bytes | None) -> None:
    if key is None:
        return
    text = _text_of(key)
    item["key"] = text
    if text is None:
        item["key_b64"] = b64encode(key).decode("ascii")


def _text_of(value: bytes) -> str | None:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _key(item: dict[str, Json]) -> bytes | None:
    if item.get("key_b64") is not None:
        return _base64(item["key_b64"])
    return None if item.get("key") is None else _utf8(item["key"])


def _headers(value: Json) -> Headers:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise RefusedError(RefusalReason.BAD_CAPTURE)
    return tuple([_header(pair) for pair in value])


def _header(pair: Json) -> tuple[str, bytes | None]:
    match pair:
        case [str(name), None]:
            return name, None
        case [str(name), str(text)]:
            return name, _utf8(text)
        case _:
            raise RefusedError(RefusalReason.BAD_CAPTURE)


def _integer(value: Json, most: int) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most:
        return value
    raise RefusedError(RefusalReason.BAD_CAPTURE)


def _utf8(value: Json) -> bytes:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape")
    raise RefusedError(RefusalReason.BAD_CAPTURE)


def _base64(value: Json) -> bytes:
    try:
        return b64decode(_utf8(value), validate=True)
    except binascii.Error:
        raise RefusedError(RefusalReason.BAD_CAPTURE) from None
