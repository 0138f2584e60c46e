"""What the JSON decoder takes and what it refuses, member by member."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from tests.topics.otlp_spans import json_of, json_span, span
from topics.otlp import RECORD_SIZE_MAX, VALUE_DEPTH_MAX, Decoded, all_detected, decode_json, detected, encode_protobuf, format_of
from topics.refusal import RefusalReason
from topics.span import Link, Resource, Scope, Span


def document(*spans: object, **group: object) -> str:
    """One group of these spans."""
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": list(spans), **group}]}]})


def sent(**members: object) -> dict[str, Any]:
    return {"traceId": "ab" * 16, "spanId": "cd" * 8, "name": "sent", **members}


def read(**members: object) -> Span:
    """The one span with these members."""
    decoded = decode_json(document(sent(**members)))
    assert not decoded.refused
    return decoded.spans[0]


def refusal(**members: object) -> RefusalReason:
    """The reason why a span with these members is refused, its neighbour being kept."""
    decoded = decode_json(document(sent(**members), sent(name="neighbour")))
    assert [each.name for each in decoded.spans] == ["neighbour"]
    (reason,) = decoded.refused.elements()
    return reason


def attribute(value: object) -> dict[str, Any]:
    return {"attributes": [{"key": "key", "value": value}]}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"stringValue": "text"}, "text"),
        ({"stringValue": ""}, ""),
        ({"boolValue": False}, False),
        ({"intValue": "-9223372036854775808"}, -(2**63)),
        ({"intValue": "9223372036854775807"}, 2**63 - 1),
        ({"intValue": 9007199254740993}, 2**53 + 1),
        ({"intValue": 3.0}, 3),
        ({"doubleValue": 1.5}, 1.5),
        ({"doubleValue": 2}, 2.0),
        ({"doubleValue": "-1.5e3"}, -1500.0),
        ({"doubleValue": "-Infinity"}, -math.inf),
        ({"bytesValue": "AP-_"}, b"\x00\xff\xbf"),
        ({"bytesValue": "AP+/AA=="}, b"\x00\xff\xbf\x00"),
        ({"bytesValue": "AA"}, b"\x00"),
        ({"arrayValue": {}}, ()),
        ({"arrayValue": {"values": [{"intValue": 1}, {}, {"stringValue": "x"}]}}, (1, None, "x")),
        ({"kvlistValue": {"values": [{"key": "a", "value": {"boolValue": True}}, {"key": "b"}]}}, {"a": True, "b": None}),
        ({"stringValue": None, "intValue": "1", "laterValue": 2}, 1),
    ],
)
def test_a_value_is_read_by_its_type(value: object, expected: object) -> None:
    assert repr(read(**attribute(value)).attributes) == repr({"key": expected})


def test_the_string_nan_is_a_double() -> None:
    assert math.isnan(float(str(read(**attribute({"doubleValue": "NaN"})).attributes["key"])))


@pytest.mark.parametrize(
    "value",
    [
        {"stringValue": 1},
        {"boolValue": "true"},
        {"boolValue": 1},
        {"intValue": "9223372036854775808"},
        {"intValue": 9223372036854775808},
        {"intValue": 1.5},
        {"intValue": 1e17},
        {"intValue": 1e30},
        {"intValue": "1_000"},
        {"intValue": " 1"},
        {"intValue": "٣"},
        {"intValue": True},
        {"intValue": {}},
        {"doubleValue": "nan"},
        {"doubleValue": "1e999"},
        {"doubleValue": True},
        {"doubleValue": []},
        {"bytesValue": "A"},
        {"bytesValue": "ä"},
        {"arrayValue": []},
        {"arrayValue": {"values": [1]}},
        {"arrayValue": {"values": {}}},
        {"kvlistValue": {"values": [{"key": 1}]}},
        {"stringValue": "both", "intValue": "1"},
        "text",
    ],
)
def test_a_value_of_a_wrong_type_refuses_the_span(value: object) -> None:
    assert refusal(**attribute(value)) == RefusalReason.BAD_VALUE


@pytest.mark.parametrize(
    "members",
    [
        {"name": 1},
        {"kind": "SPAN_KIND_ODD"},
        {"kind": 2**31},
        {"startTimeUnixNano": -1},
        {"endTimeUnixNano": "18446744073709551616"},
        {"startTimeUnixNano": "now"},
        {"parentSpanId": "abc"},
        {"parentSpanId": 0},
        {"attributes": {}},
        {"attributes": [None]},
        {"events": [1]},
        {"events": [{"attributes": [{"key": "k", "value": {"intValue": "x"}}]}]},
        {"links": [{"traceId": "short"}]},
        {"status": 2},
        {"status": {"code": []}},
    ],
)
def test_a_member_of_a_wrong_type_refuses_the_span(members: dict[str, object]) -> None:
    assert refusal(**members) == RefusalReason.BAD_VALUE


@pytest.mark.parametrize("trace_id", [None, "", "0" * 32, "ab" * 15, "zz" * 16, 5, "q6urq6urq6urq6urq6urqw=="])
def test_a_span_without_a_hexadecimal_trace_id_is_refused(trace_id: object) -> None:
    assert refusal(traceId=trace_id) == RefusalReason.SPAN_WITHOUT_TRACE_ID


@pytest.mark.parametrize("span_id", [None, "", "0" * 16, "cd" * 9, "é" * 16, []])
def test_a_span_without_a_hexadecimal_span_id_is_refused(span_id: object) -> None:
    assert refusal(spanId=span_id) == RefusalReason.SPAN_WITHOUT_SPAN_ID


def test_ids_are_made_lower_case_and_zeros_are_no_parent() -> None:
    found = read(traceId="AB" * 16, spanId="Cd" * 8, parentSpanId="0" * 16)
    assert (found.trace_id, found.span_id, found.parent_id) == ("ab" * 16, "cd" * 8, "")


def test_null_is_the_same_as_absent_everywhere() -> None:
    names = ("parentSpanId", "name", "kind", "startTimeUnixNano", "endTimeUnixNano", "attributes", "events", "links", "status")
    assert read(**dict.fromkeys(names)) == Span("ab" * 16, "cd" * 8, "", 0, 0)


def test_enums_are_numbers_or_names() -> None:
    found = read(kind="SPAN_KIND_CONSUMER", status={"code": "STATUS_CODE_ERROR", "message": "no"})
    assert (found.kind, found.status, found.status_message) == (5, 2, "no")
    assert read(kind=42).kind == 42


def test_times_are_numbers_or_strings_of_sixty_four_bits() -> None:
    found = read(startTimeUnixNano=1, endTimeUnixNano="18446744073709551615")
    assert (found.start_ns, found.end_ns) == (1, 2**64 - 1)


def test_unknown_members_are_ignored_whatever_they_hold() -> None:
    assert read(flags="odd", traceState=1, droppedAttributesCount=[], later={}) == read()


def test_of_a_repeated_key_the_last_counts_even_if_it_has_no_type() -> None:
    pairs = [{"key": "a", "value": {"intValue": 1}}, {"key": "b", "value": {"intValue": 1}}, {"key": "a", "value": {"intValue": 2}}]
    assert read(attributes=[*pairs, {"key": "b", "value": {}}]).attributes == {"a": 2}


def test_links_without_ids_are_kept() -> None:
    assert read(links=[{}]).links == (Link("", ""),)


@pytest.mark.parametrize("text", ["[]", "1", '"text"', "null", '{"resourceLogs": []}', '{"resource_spans": []}'])
def test_json_that_holds_no_traces_is_refused_as_that(text: str) -> None:
    assert decode_json(text) == Decoded(refused=decode_json(text).refused)
    assert decode_json(text).refused == {RefusalReason.NOT_TRACES: 1}


@pytest.mark.parametrize("text", ["{}", '{"resourceSpans": []}', '{"resourceSpans": null}', '\ufeff{"resourceSpans": []}'])
def test_an_empty_request_holds_nothing_and_is_not_refused(text: str) -> None:
    assert decode_json(text) == Decoded()


@pytest.mark.parametrize("text", ["", " ", "nonsense", '{"resourceSpans": NaN}', '{"a" 1}', "{} {}", "1" * 5000, "{'a': 1}"])
def test_text_that_is_no_json_is_malformed(text: str) -> None:
    refused = decode_json(text).refused
    assert refused.total() == 1
    assert set(refused) <= {RefusalReason.MALFORMED, RefusalReason.NOT_TRACES}
    assert text.isdigit() or RefusalReason.MALFORMED in refused


@pytest.mark.parametrize("cut", [1, 10, 30, -1])
def test_json_that_ends_early_is_truncated(cut: int) -> None:
    assert decode_json(json_of([span()])[:cut]).refused == {RefusalReason.TRUNCATED: 1}


@pytest.mark.parametrize(
    ("text", "kept", "refused"),
    [
        ('{"resourceSpans": {}}', 0, 1),
        ('{"resourceSpans": [1, %s]}', 1, 1),
        ('{"resourceSpans": [{"scopeSpans": 1}, %s]}', 1, 1),
        ('{"resourceSpans": [{"scopeSpans": [1, {"spans": 2}]}, %s]}', 1, 2),
        ('{"resourceSpans": [{"resource": 1, "scopeSpans": [{"spans": [{}, {}]}]}, %s]}', 1, 2),
        ('{"resourceSpans": [{"resource": 1, "scopeSpans": [{}]}, %s]}', 1, 1),
        ('{"resourceSpans": [{"scopeSpans": [{"scope": {"name": 1}, "spans": [{}, {}, {}]}]}, %s]}', 1, 3),
    ],
)
def test_a_group_of_a_wrong_type_is_counted_and_the_rest_kept(text: str, kept: int, refused: int) -> None:
    group = json.dumps({"scopeSpans": [{"spans": [sent()]}]})
    decoded = decode_json(text.replace("%s", group))
    assert (len(decoded.spans), decoded.refused) == (kept, {RefusalReason.BAD_VALUE: refused})


def test_values_nest_to_the_limit_and_a_deeper_one_refuses_the_span() -> None:
    def nested(depth: int) -> dict[str, Any]:
        value: dict[str, Any] = {"stringValue": "inmost"}
        for level in range(depth):
            value = {"arrayValue": {"values": [value]}} if level % 2 else {"kvlistValue": {"values": [{"key": "k", "value": value}]}}
        return value

    assert read(**attribute(nested(VALUE_DEPTH_MAX))).attributes
    for depth in (VALUE_DEPTH_MAX + 1, 200):
        assert refusal(**attribute(nested(depth))) == RefusalReason.TOO_DEEP


@pytest.mark.parametrize("text", ["[" * 100_000, '{"resourceSpans":' * 100_000, '{"a":"\\ud800","b":' + "[" * 100_000])
def test_json_nested_without_end_is_too_deep_or_cut_but_never_raises(text: str) -> None:
    assert set(decode_json(text).refused) <= {RefusalReason.TOO_DEEP, RefusalReason.TRUNCATED}


def test_a_document_over_the_limit_is_refused_unread() -> None:
    assert decode_json(b" " * (RECORD_SIZE_MAX + 1)).refused == {RefusalReason.TOO_LARGE: 1}


def test_text_that_is_no_utf8_is_kept_byte_by_byte() -> None:
    text = document(sent(name="caf?")).encode().replace(b"?", b"\xe9")
    assert decode_json(text).spans[0].name == "caf\udce9"


@pytest.mark.parametrize(
    ("written", "read_as"), [(r"\ud800", "\ufffd"), (r"a\udcffb", "a\ufffdb"), (r"\ud83d\ude00", "😀"), (r"\\ud800", r"\ud800")]
)
def test_half_a_surrogate_pair_is_shown_as_a_replacement_character(written: str, read_as: str) -> None:
    name = decode_json(document(sent(name="?"), sent(name="%")).replace("?", written).replace("%", r"\ud800")).spans[0].name
    assert name == read_as


def test_resource_and_scope_are_read_and_shared() -> None:
    resource, scope = Resource({"service.name": "shop", "tier": 1}), Scope("lib", "1", {"a": True})
    found = decode_json(json_of([span(resource=resource, scope=scope)] * 2)).spans
    assert [(each.resource, each.scope) for each in found] == [(resource, scope)] * 2
    group = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [json_span(span())] * 2}]}]})
    first, last = decode_json(group).spans
    assert first.resource is last.resource
    assert first.scope is last.scope


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], "protobuf"),
        ([("source", b"recorder")], "protobuf"),
        ([("encoding", b"otlp_json")], "json"),
        ([("Content-Type", "application/json; charset=utf-8")], "json"),
        ([("content-type", None), ("encoding", b"otlp_json")], "json"),
        ([("content-type", b"\xff"), ("encoding", b"otlp_proto"), ("encoding", b"otlp_json")], "protobuf"),
    ],
)
def test_the_first_header_that_names_a_format_decides(headers: list[tuple[str, bytes | str | None]], expected: str) -> None:
    assert format_of(headers, "protobuf") == expected


def test_without_a_header_the_setting_decides() -> None:
    assert format_of([("encoding", b"odd")], "json") == "json"


@pytest.mark.parametrize("before", [b"", b"\n", b" \r\n\t", b"\xef\xbb\xbf"])
def test_a_document_shows_that_it_is_json_whatever_stands_before_its_brace(before: bytes) -> None:
    assert detected(before + json_of([span()])) == "json"


def test_a_document_without_members_is_json() -> None:
    assert detected(b"{}") == "json"


@pytest.mark.parametrize("name_size", range(300))
def test_a_request_of_any_size_is_no_json(name_size: int) -> None:
    """Among them the groups of 123 bytes: they begin with a line feed and an open brace."""
    for name in ("n" * name_size, "{" * name_size, '{"a' * name_size):
        for resource in (Resource(), Resource({"service.name": "x" * 14})):
            assert detected(encode_protobuf([span(name=name, resource=resource)])) == "protobuf"


def test_an_empty_value_is_an_empty_request() -> None:
    assert detected(b"") == "protobuf"


def test_every_reason_has_a_meaning() -> None:
    """Each reason of a refusal is explained in one sentence."""
    assert all(reason.meaning.endswith(".") for reason in RefusalReason)


def test_what_many_values_show_is_what_each_one_shows() -> None:
    # The edges of what is told by the order of bytes alone, and what lies just beyond them.
    usual = [b"\n\x80\x01", b"\n\xff\x01", encode_protobuf([span(name="x" * 200)])]
    others = [b"", b"\n", b"\n\x7f", b'\n{"a":', b'\n \n{"a":', b"\x0b", b'\x0b{"a":', b'{"a":', b"\xef\xbb\xbf{", b"\x09{", b'\t{"a":']
    assert all_detected(usual) == ["protobuf"] * 3
    assert all_detected([]) == []
    for other in others:
        for values in ([*usual, other], [other, *usual]):
            assert all_detected(values) == [detected(value) for value in values]
    assert [detected(value) for value in others] == ["protobuf"] * 3 + ["json"] * 2 + ["protobuf"] + ["json"] * 3 + ["protobuf", "json"]
