"""What the protobuf decoder takes and what it refuses, record by record."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2

from tests.topics.otlp_spans import span
from topics.otlp import RECORD_SIZE_MAX, SPAN_SIZE_MAX, VALUE_DEPTH_MAX, Decoded, decode_protobuf, encode_protobuf
from topics.refusal import RefusalReason
from topics.span import AttributeValue, Link, Resource, Scope, Span

TRACE_ID = bytes.fromhex("ab" * 16)
SPAN_ID = bytes.fromhex("cd" * 8)


def field(number: int, body: bytes) -> bytes:
    """A length-delimited field of less than 2 MiB."""
    size = len(body)
    length = bytes([size & 127 | 128, size >> 7 & 127 | 128, size >> 14])
    return bytes([number << 3 | 2]) + length + body


def decoded_spans(*wires: bytes, resource: bytes = b"", scope: bytes = b"") -> Decoded:
    """What a record of one group of these spans decodes to."""
    group = field(1, scope) + b"".join(field(2, wire) for wire in wires)
    return decode_protobuf(field(1, field(1, resource) + field(2, group)))


def sent(**fields: object) -> bytes:
    given: dict[str, Any] = {"trace_id": TRACE_ID, "span_id": SPAN_ID, "name": "sent", **fields}
    wire: bytes = trace_pb2.Span(**given).SerializeToString()
    return wire


def nested(depth: int, *, maps: bool = False) -> AnyValue:
    value = AnyValue(string_value="inmost")
    for _ in range(depth):
        outer = AnyValue()
        if maps:
            outer.kvlist_value.values.add(key="k").value.CopyFrom(value)
        else:
            outer.array_value.values.add().CopyFrom(value)
        value = outer
    return value


@pytest.mark.parametrize("trace_id", [b"", bytes(16), TRACE_ID[:15], TRACE_ID + b"x"])
def test_a_span_without_a_usable_trace_id_is_refused_and_its_neighbours_kept(trace_id: bytes) -> None:
    decoded = decoded_spans(sent(name="first"), sent(trace_id=trace_id), sent(name="last"))
    assert [each.name for each in decoded.spans] == ["first", "last"]
    assert decoded.refused == {RefusalReason.SPAN_WITHOUT_TRACE_ID: 1}


@pytest.mark.parametrize("span_id", [b"", bytes(8), SPAN_ID[:7], SPAN_ID + b"x"])
def test_a_span_without_a_usable_span_id_is_refused_and_its_neighbours_kept(span_id: bytes) -> None:
    decoded = decoded_spans(sent(name="first"), sent(span_id=span_id), sent(name="last"))
    assert [each.name for each in decoded.spans] == ["first", "last"]
    assert decoded.refused == {RefusalReason.SPAN_WITHOUT_SPAN_ID: 1}


@pytest.mark.parametrize("parent_id", [b"", bytes(8), b"\0"])
def test_a_parent_id_of_zeros_is_none(parent_id: bytes) -> None:
    assert decoded_spans(sent(parent_span_id=parent_id)).spans[0].parent_id == ""


def test_a_parent_id_of_another_length_refuses_the_span() -> None:
    assert decoded_spans(sent(parent_span_id=b"abc")).refused == {RefusalReason.BAD_VALUE: 1}


def test_a_link_without_ids_is_kept_and_one_with_a_cut_id_refuses_the_span() -> None:
    assert decoded_spans(sent(links=[trace_pb2.Span.Link()])).spans[0].links == (Link("", ""),)
    assert decoded_spans(sent(links=[trace_pb2.Span.Link(trace_id=b"abc")])).refused == {RefusalReason.BAD_VALUE: 1}


def test_a_span_that_is_no_message_costs_that_span_only() -> None:
    decoded = decoded_spans(sent(name="first"), b"\x0a\xff", b"\xff\xff", sent(name="last"))
    assert [each.name for each in decoded.spans] == ["first", "last"]
    assert decoded.refused == {RefusalReason.MALFORMED: 2}


def test_a_group_that_is_no_message_costs_that_group_only() -> None:
    good = encode_protobuf([span()])
    assert decode_protobuf(field(1, b"\xff") + good).spans == (span(),)
    assert decode_protobuf(field(1, field(2, b"\xff")) + good).refused == {RefusalReason.MALFORMED: 1}


def test_a_resource_that_is_no_message_refuses_each_span_under_it() -> None:
    assert decoded_spans(sent(), sent(), resource=b"\xff").refused == {RefusalReason.MALFORMED: 2}
    assert decoded_spans(resource=b"\xff").refused == {RefusalReason.MALFORMED: 1}


def test_a_scope_that_is_no_message_refuses_each_span_under_it() -> None:
    assert decoded_spans(sent(), sent(), scope=b"\x0a\x09").refused == {RefusalReason.MALFORMED: 2}


def test_a_resource_sent_in_parts_is_merged() -> None:
    parts = [
        field(1, KeyValue(key=key, value=AnyValue(int_value=number)).SerializeToString()) for number, key in enumerate(("first", "second"))
    ]
    request = field(1, field(1, parts[0]) + field(2, field(2, sent())) + field(1, parts[1]))
    assert decode_protobuf(request).spans[0].resource == Resource({"first": 0, "second": 1})


@pytest.mark.parametrize("maps", [False, True])
def test_values_nest_to_the_limit_and_a_deeper_one_refuses_the_span(maps: bool) -> None:
    def at(depth: int) -> bytes:
        return sent(attributes=[KeyValue(key="deep", value=nested(depth, maps=maps))])

    assert decoded_spans(at(VALUE_DEPTH_MAX)).spans[0].attributes["deep"]
    decoded = decoded_spans(at(VALUE_DEPTH_MAX + 1), sent(name="last"))
    assert ([each.name for each in decoded.spans], decoded.refused) == (["last"], {RefusalReason.TOO_DEEP: 1})


def test_the_deepest_value_allowed_is_read_inside_an_event_too() -> None:
    event = trace_pb2.Span.Event(attributes=[KeyValue(key="deep", value=nested(VALUE_DEPTH_MAX, maps=True))])
    assert decoded_spans(sent(events=[event])).spans[0].events[0].attributes["deep"]


def test_a_value_nested_ten_thousand_deep_is_refused_without_running_out_of_stack() -> None:
    wire = b""
    for _ in range(10_000):
        wire = field(5, field(1, wire))
    assert decoded_spans(sent() + field(9, field(2, wire))).refused == {RefusalReason.TOO_DEEP: 1}


def test_a_value_without_type_is_missing_and_inside_an_array_stands_as_none() -> None:
    array = AnyValue()
    array.array_value.values.add()
    array.array_value.values.add(int_value=1)
    pairs = [KeyValue(key="untyped", value=AnyValue()), KeyValue(key="valueless"), KeyValue(key="array", value=array)]
    assert decoded_spans(sent(attributes=pairs)).spans[0].attributes == {"array": (None, 1)}


@pytest.mark.parametrize(
    ("last", "attributes"),
    [(AnyValue(int_value=2), {"key": 2}), (AnyValue(), {})],
)
def test_of_a_repeated_key_the_last_counts_even_if_it_has_no_type(last: AnyValue, attributes: dict[str, AttributeValue]) -> None:
    pairs = [KeyValue(key="key", value=AnyValue(int_value=1)), KeyValue(key="key", value=last)]
    assert decoded_spans(sent(attributes=pairs)).spans[0].attributes == attributes


def test_text_that_is_no_utf8_is_kept_byte_by_byte() -> None:
    name = decoded_spans(field(1, TRACE_ID) + field(2, SPAN_ID) + field(5, b"caf\xe9")).spans[0].name
    assert name.encode("utf-8", "surrogateescape") == b"caf\xe9"


def test_unknown_fields_kinds_and_statuses_pass() -> None:
    wire = sent(kind=17) + field(15, b"\x18\x2a") + field(14, b"later")
    decoded = decoded_spans(wire)
    assert (decoded.spans[0].kind, decoded.spans[0].status, decoded.refused) == (17, 42, Counter())


@pytest.mark.parametrize("cut", [1, 2, 10, -1])
def test_a_record_that_ends_early_is_truncated(cut: int) -> None:
    decoded = decode_protobuf(encode_protobuf([span(), span()])[:cut])
    assert (decoded.spans, decoded.refused) == ((), {RefusalReason.TRUNCATED: 1})


@pytest.mark.parametrize("value", [b"\x00", b"\x0b", b"\x0f", b"\xff" * 12, b"\x80\x80\x80\x80\x10\x00", b'{"resourceSpans": []}'])
def test_bytes_that_are_no_message_are_malformed(value: bytes) -> None:
    assert decode_protobuf(value).refused == {RefusalReason.MALFORMED: 1}


def test_an_empty_record_holds_nothing_and_is_not_refused() -> None:
    assert decode_protobuf(b"") == Decoded()


def test_a_record_over_the_limit_is_refused_unread() -> None:
    assert decode_protobuf(bytes(RECORD_SIZE_MAX + 1)).refused == {RefusalReason.TOO_LARGE: 1}


def test_a_span_over_its_limit_is_refused_and_its_neighbours_kept() -> None:
    huge = span(attributes={"body": "x" * SPAN_SIZE_MAX})
    decoded = decode_protobuf(encode_protobuf([span(), huge, span()]))
    assert (len(decoded.spans), decoded.refused) == (2, {RefusalReason.TOO_LARGE: 1})


def test_spans_of_a_group_share_resource_and_scope() -> None:
    resource, scope = Resource({"service.name": "shop"}), Scope("lib", "1")
    first, last = decode_protobuf(encode_protobuf([span(resource=resource, scope=scope)] * 2)).spans
    assert first.resource is last.resource
    assert first.scope is last.scope


def test_the_collectors_layout_descends_with_flags_behind_the_name() -> None:
    full = span(parent_id="ef" * 8, kind=2, attributes={"a": 1}, links=(Link("ab" * 16, "cd" * 8),))
    wire = encode_protobuf([full], collector_layout=True)
    assert [number for number, _ in fields(fields(fields(fields(wire)[0][1])[0][1])[0][1])] == [15, 13, 9, 8, 7, 6, 5, 16, 4, 2, 1]


def fields(wire: bytes) -> list[tuple[int, bytes]]:
    """The fields of a message in their order; the bodies of length-delimited ones."""
    found = []
    at = 0
    while at < len(wire):
        tag, at = varint(wire, at)
        width = {1: 8, 5: 4}.get(tag & 7)
        if width is None:
            width, at = varint(wire, at)
            width = width if tag & 7 == 2 else 0
        found.append((tag >> 3, wire[at : at + width]))
        at += width
    return found


def varint(wire: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (wire[at] & 127) << shift
        shift += 7
        at += 1
        if wire[at - 1] < 128:
            return value, at


def test_resources_that_python_takes_for_equal_keep_their_types() -> None:
    given = [span(resource=Resource({"tier": tier})) for tier in (1, True, 1.0)]
    assert [repr(each.resource) for each in decode_protobuf(encode_protobuf(given)).spans] == [repr(each.resource) for each in given]


@pytest.mark.parametrize("wrong", [{"attributes": {"n": 2**63}}, {"start_ns": -1}, {"end_ns": 2**64}, {"trace_id": "xyz"}])
def test_what_no_field_can_hold_is_not_encoded(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"64 bits|hexadecimal"):
        encode_protobuf([span(**wrong)])


def test_protobuf_itself_reads_what_is_encoded() -> None:
    request = ExportTraceServiceRequest.FromString(encode_protobuf([span(name="checkout")], collector_layout=True))
    assert request.resource_spans[0].scope_spans[0].spans[0].name == "checkout"


def test_fifty_thousand_spans_of_one_trace_are_all_kept() -> None:
    given = [Span("ab" * 16, f"{number:016x}", "s", 1, 2) for number in range(1, 50_001)]
    assert decode_protobuf(encode_protobuf(given)).spans == tuple(given)
