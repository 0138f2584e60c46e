"""Laws of the OTLP decoders: what is written is read, and nothing that comes from outside raises."""

from __future__ import annotations

import gzip
import json
from base64 import b64decode
from collections.abc import Iterator
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.topics.otlp_spans import json_of, span_lists, spans
from topics.otlp import Decoded, decode, decode_json, decode_protobuf, encode_protobuf
from topics.recordings import HOTROD_PROTO_KEYED, SHOP_ALL, SHOP_JSON_KEYED, SHOP_PROTO_KEYED, SHOP_SDK_RAW, recording
from topics.span import Span


def whole(decoded: Decoded) -> str:
    """What was decoded, as text: unlike equality it tells 1 from 1.0 and true, and takes NaN for itself."""
    assert not decoded.refused
    return repr(list(decoded.spans))


def recorded(name: str) -> Iterator[tuple[str, bytes]]:
    with gzip.open(recording(name)) as lines:
        for line in lines:
            item = json.loads(line)
            if "value_b64" in item:
                yield "protobuf", b64decode(item["value_b64"])
            else:
                yield "json", item["value"].encode() if "value" in item else line


RECORDS = [
    (record_format, value)
    for name in (SHOP_PROTO_KEYED, SHOP_JSON_KEYED, HOTROD_PROTO_KEYED, SHOP_SDK_RAW)
    for record_format, value in [pair for _, pair in zip(range(12), recorded(name), strict=False)]
]


@given(span_lists, st.booleans())
def test_spans_encoded_in_either_layout_decode_to_themselves(given_spans: list[Span], collector_layout: bool) -> None:
    assert whole(decode_protobuf(encode_protobuf(given_spans, collector_layout=collector_layout))) == repr(given_spans)


@given(span_lists)
def test_spans_written_as_json_decode_to_themselves(given_spans: list[Span]) -> None:
    assert whole(decode_json(json_of(given_spans))) == repr(given_spans)


@given(spans)
def test_the_ascending_layout_is_what_protobuf_itself_writes(given_span: Span) -> None:
    wire = encode_protobuf([given_span])
    try:
        request = ExportTraceServiceRequest.FromString(wire)
    except Exception:  # noqa: BLE001 - text that is no UTF-8, which protobuf's own parser refuses
        return
    assert request.SerializeToString(deterministic=True) == wire


@given(st.binary(max_size=200))
def test_random_bytes_are_decoded_or_refused_but_never_raise(value: bytes) -> None:
    for decoded in (decode_protobuf(value), decode_json(value)):
        assert all(count > 0 for count in decoded.refused.values())
        assert not decoded.spans


@given(st.sampled_from(RECORDS), st.data())
def test_a_record_cut_anywhere_is_refused_or_keeps_only_spans_it_had(record: tuple[str, bytes], data: st.DataObject) -> None:
    record_format, value = record
    cut = value[: data.draw(st.integers(1, len(value) - 1))]
    decoded = decode(cut, "json" if record_format == "json" else "protobuf")
    assert decoded.refused
    assert set(decoded.refused) <= {"truncated", "malformed"}
    assert not decoded.spans


@given(st.sampled_from(RECORDS), st.lists(st.tuples(st.integers(0), st.binary(max_size=3)), min_size=1, max_size=4))
def test_a_record_with_bytes_overwritten_never_raises(record: tuple[str, bytes], changes: list[tuple[int, bytes]]) -> None:
    record_format, value = record
    changed = bytearray(value)
    for place, written in changes:
        at = place % len(changed)
        changed[at : at + len(written)] = written
    decode(bytes(changed), "json" if record_format == "json" else "protobuf")


MEMBERS = (
    *("resourceSpans", "resource", "attributes", "scopeSpans", "scope", "spans", "traceId", "spanId", "name", "kind", "key", "value"),
    *("intValue", "doubleValue", "boolValue", "stringValue", "bytesValue", "arrayValue", "kvlistValue", "values", "status", "code"),
    *("events", "links", "startTimeUnixNano", "parentSpanId", "message"),
)
JSON_VALUES: st.SearchStrategy[object] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(MEMBERS), inner, max_size=4),
    max_leaves=20,
)


@given(st.lists(JSON_VALUES, max_size=3))
def test_json_with_anything_in_any_place_never_raises(groups: list[object]) -> None:
    decode_json(json.dumps({"resourceSpans": groups}))
    identified = {"traceId": "ab" * 16, "spanId": "cd" * 8}
    for group in groups:
        members = group if isinstance(group, dict) else {"attributes": group}
        document = {"resourceSpans": [{"scopeSpans": [{"spans": [{**members, **identified}]}]}]}
        decoded = decode_json(json.dumps(document))
        assert len(decoded.spans) + decoded.refused.total() == 1


@pytest.mark.parametrize("name", SHOP_ALL)
def test_the_shop_recordings_hold_the_same_spans_id_for_id(name: str) -> None:
    assert _by_id(name) == _by_id(SHOP_PROTO_KEYED)


@cache
def _by_id(name: str) -> dict[tuple[str, str], str]:
    found: dict[tuple[str, str], str] = {}
    for record_format, value in recorded(name):
        decoded = decode(value, "json" if record_format == "json" else "protobuf")
        assert not decoded.refused
        found |= {(span.trace_id, span.span_id): repr(span) for span in decoded.spans}
    assert len(found) == 11_854
    return found
