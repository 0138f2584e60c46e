"""What the interfaces of Tempo and Jaeger answer: OTLP in a member of their own is unwrapped, Jaeger's own JSON is told from it.

Tempo: `{"batches": […]}` of `/api/traces/ID`, `{"trace": {"resourceSpans": […]}}` of `/api/v2/traces/ID`. Jaeger: `{"result":
{"resourceSpans": […]}}` of `/api/v3/traces/ID`. Both write ids in base64, or did, where OTLP's JSON has hexadecimal.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from typing import TYPE_CHECKING

from topics.json_text import read_json, write_json
from topics.refusal import RefusalReason, RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from topics.json_text import Json

_WRAPPINGS = ("trace", "result")
_GROUPS = ("resourceSpans", "batches")
_ID_SIZES = {"traceId": 16, "spanId": 8, "parentSpanId": 8}


def unwrapped(value: bytes) -> bytes:
    """Return an answer of one of them as a document of OTLP; raises RefusedError: what JSON raises, not_traces, jaeger_json."""
    document = read_json(value)
    for groups in _groups(document):
        _mend_ids(groups)
        text = write_json({"resourceSpans": groups})
        if text is not None:
            return text
    raise RefusedError(RefusalReason.JAEGER_JSON if _is_jaeger(document) else RefusalReason.NOT_TRACES)


def _groups(document: Json) -> Iterator[list[Json]]:
    if isinstance(document, dict):
        inner = [found for name in _WRAPPINGS if isinstance(found := document.get(name), dict)]
        found = [document.get("batches"), *(one.get(name) for one in inner for name in _GROUPS)]
        yield from (groups for groups in found if isinstance(groups, list))


def _is_jaeger(document: Json) -> bool:
    """Whether it is what Jaeger's own interface answers, or one trace of that."""
    traces = document.get("data") if isinstance(document, dict) and "data" in document else [document]
    first = traces[0] if isinstance(traces, list) and traces else None
    return isinstance(first, dict) and first.keys() >= {"traceID", "spans"}


def _mend_ids(groups: list[Json]) -> None:
    for span in (span for group in groups for scope in _members(group, "scopeSpans") for span in _members(scope, "spans")):
        for item in (span, *_members(span, "links")):
            if isinstance(item, dict):
                item.update({name: _hexadecimal(item[name], size) for name, size in _ID_SIZES.items() if name in item})


def _members(item: Json, name: str) -> list[Json]:
    found = item.get(name) if isinstance(item, dict) else None
    return found if isinstance(found, list) else []


def _hexadecimal(value: Json, size: int) -> Json:
    """Return an id in hexadecimal; whatever is no base64 of as many bytes stays for the decoder to judge."""
    try:
        found = b64decode(value, validate=True) if isinstance(value, str) else b""
    except (binascii.Error, ValueError):
        return value
    return found.hex() if len(found) == size else value
