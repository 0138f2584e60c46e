"""A record taken apart by trace: every span goes to its trace with its bytes, its group and its place, whatever else the record holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.topics.otlp_spans import span, span_lists
from topics.otlp import decode_protobuf, encode_protobuf
from topics.otlp_traces import is_trace_id, only_trace, split_by_trace
from topics.refusal import RefusalReason
from topics.span import Span

A, B = "aa" * 16, "bb" * 16
LAYOUTS = st.booleans()
IDS = st.sampled_from([A, B, "cc" * 16])
# Few ids, so that traces have several spans.
mixed = span_lists.flatmap(
    lambda spans: st.lists(IDS, min_size=len(spans), max_size=len(spans)).map(
        lambda ids: [replace(one, trace_id=trace_id) for one, trace_id in zip(spans, ids, strict=True)]
    )
)


def by_trace(spans: Iterable[Span]) -> dict[str, list[Span]]:
    found: dict[str, list[Span]] = {}
    for one in spans:
        found.setdefault(one.trace_id, []).append(one)
    return found


def decoded(parts: dict[bytes, bytes]) -> dict[str, list[Span]]:
    return {trace_id.hex(): list(decode_protobuf(value).spans) for trace_id, value in parts.items()}


def same(one: object, other: object) -> bool:
    # NaN is a value like any other here.
    return repr(one) == repr(other)


@given(mixed, LAYOUTS)
def test_each_trace_gets_its_spans_in_their_order_with_all_they_hold(spans: list[Span], collector: bool) -> None:
    wire = encode_protobuf(spans, collector_layout=collector)
    found = split_by_trace(wire)
    assert not found.refused
    assert same(decoded(found.parts), by_trace(spans))
    assert list(found.parts) == [bytes.fromhex(trace_id) for trace_id in by_trace(spans)]


@given(mixed, LAYOUTS)
def test_a_record_of_one_trace_is_known_and_only_that(spans: list[Span], collector: bool) -> None:
    ids = {one.trace_id for one in spans}
    found = only_trace(encode_protobuf(spans, collector_layout=collector))
    assert (None if found is None else found.hex()) == (ids.pop() if len(ids) == 1 else None)


def test_fields_that_rules_do_not_know_stay_in_spans_scopes_and_resources() -> None:
    request = ExportTraceServiceRequest()
    for version in ("1", "2"):
        group = request.resource_spans.add(schema_url=f"resource/{version}")
        group.resource.dropped_attributes_count = 3
        for _ in range(2):
            scope = group.scope_spans.add(schema_url=f"scope/{version}")
            for trace_id in (A, B, A):
                scope.spans.add(trace_id=bytes.fromhex(trace_id), span_id=b"12345678", trace_state="k=v", flags=257, dropped_links_count=2)
    # A field of a later version of OTLP, in a span and in a group.
    request.resource_spans[0].MergeFromString(b"\xa2\x06\x03new")
    request.resource_spans[0].scope_spans[0].spans[0].MergeFromString(b"\xa2\x06\x03new")
    parts = split_by_trace(request.SerializeToString()).parts
    assert set(parts) == {bytes.fromhex(A), bytes.fromhex(B)}
    for part_id, value in parts.items():
        expected = ExportTraceServiceRequest()
        expected.CopyFrom(request)
        for group in expected.resource_spans:
            for scope in group.scope_spans:
                kept = [one for one in scope.spans if one.trace_id == part_id]
                del scope.spans[:]
                scope.spans.extend(kept)
        assert ExportTraceServiceRequest.FromString(value) == expected


def test_a_group_with_no_span_of_a_trace_is_not_in_its_record() -> None:
    request = ExportTraceServiceRequest()
    for trace_id in (A, B):
        request.resource_spans.add().scope_spans.add().spans.add(trace_id=bytes.fromhex(trace_id), span_id=b"12345678")
    request.resource_spans.add().scope_spans.add()
    for value in split_by_trace(request.SerializeToString()).parts.values():
        assert len(ExportTraceServiceRequest.FromString(value).resource_spans) == 1


@pytest.mark.parametrize("trace_id", [b"", bytes(16), b"x" * 15, b"x" * 17])
def test_a_span_without_a_usable_trace_id_is_refused_and_the_others_are_kept(trace_id: bytes) -> None:
    request = ExportTraceServiceRequest()
    spans = request.resource_spans.add().scope_spans.add().spans
    spans.add(trace_id=bytes.fromhex(A), span_id=b"12345678")
    spans.add(trace_id=trace_id, span_id=b"12345678")
    wire = request.SerializeToString()
    found = split_by_trace(wire)
    assert only_trace(wire) is None
    assert not is_trace_id(trace_id)
    assert list(found.parts) == [bytes.fromhex(A)]
    assert found.refused == decode_protobuf(wire).refused == Counter({RefusalReason.SPAN_WITHOUT_TRACE_ID: 1})
    del spans[0]
    assert only_trace(request.SerializeToString()) is None


def test_a_span_that_is_no_message_costs_that_span_only() -> None:
    good = encode_protobuf([span(trace_id=A), span(trace_id=B)])
    request = ExportTraceServiceRequest.FromString(good)
    broken = request.resource_spans[0].scope_spans[0].SerializeToString() + b"\x12\x02\xff\xff"
    wire = _in_group(2, broken)
    assert only_trace(wire) is None
    found = split_by_trace(wire)
    assert set(found.parts) == {bytes.fromhex(A), bytes.fromhex(B)}
    assert found.refused == decode_protobuf(wire).refused == Counter({RefusalReason.MALFORMED: 1})


def _in_group(tag: int, body: bytes) -> bytes:
    def nested(number: int, inner: bytes) -> bytes:
        assert len(inner) < 2**14
        size = bytes([len(inner)]) if len(inner) < 128 else bytes([len(inner) & 127 | 128, len(inner) >> 7])
        return bytes([number << 3 | 2]) + size + inner

    return nested(1, nested(tag, body))


def test_a_record_cut_short_is_refused_as_the_decoder_does() -> None:
    wire = encode_protobuf([span(trace_id=A), span(trace_id=B)])
    for end in range(1, len(wire)):
        found = split_by_trace(wire[:end])
        assert not found.parts
        assert found.refused == decode_protobuf(wire[:end]).refused


@given(mixed, LAYOUTS, st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=3))
@example([span(trace_id=A), span(trace_id=B)], False, [(0, 0x0B)])
def test_whatever_is_damaged_the_same_spans_are_read_afterwards(spans: list[Span], collector: bool, damage: list[tuple[int, int]]) -> None:
    wire = bytearray(encode_protobuf(spans, collector_layout=collector))
    for place, byte in damage:
        if wire:
            wire[place % len(wire)] = byte
    one = only_trace(bytes(wire))
    parts = {one: bytes(wire)} if one is not None else split_by_trace(bytes(wire)).parts
    read = {trace_id: kept for trace_id, kept in decoded(parts).items() if kept}
    # A trace may first come with a span that is refused later.
    assert same(sorted(read.items()), sorted(by_trace(decode_protobuf(bytes(wire)).spans).items()))


@given(st.binary(max_size=80))
def test_random_bytes_are_refused_with_a_reason_or_hold_spans_or_nothing(wire: bytes) -> None:
    found = split_by_trace(wire)
    assert all(map(is_trace_id, found.parts))
    if only_trace(wire) is None and not found.parts and not found.refused:
        assert not decode_protobuf(wire).spans
