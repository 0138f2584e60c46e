"""Captures: what is written is read, what is no capture is refused with the reason."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from topics.captures import CapturedRecord, read_capture, write_capture
from topics.otlp import Format
from topics.refusal import RefusalReason, RefusedError

FORMATS: tuple[Format, ...] = ("protobuf", "json")

records = st.builds(
    CapturedRecord,
    partition=st.integers(0, 2**31 - 1),
    offset=st.integers(0, 2**63 - 1),
    timestamp_ns=st.none() | st.integers(0, 10**12).map(lambda ms: ms * 1_000_000),
    key=st.none() | st.binary(max_size=8),
    headers=st.lists(st.tuples(st.text(max_size=4), st.none() | st.text(max_size=4).map(str.encode)), max_size=3).map(tuple),
    value=st.binary(max_size=40) | st.text(max_size=20).map(str.encode),
    format=st.sampled_from(FORMATS),
)


def line(**members: object) -> bytes:
    given_members = {"partition": 1, "offset": 2, "timestamp_ms": 3, "key": "k", "headers": [["a", "b"]], "value_b64": "AAE=", **members}
    return json.dumps(given_members).encode()


def reason(text: bytes) -> RefusalReason:
    with pytest.raises(RefusedError) as refused:
        read_capture(text)
    return refused.value.reason


@given(records)
def test_a_record_written_is_read_back(record: CapturedRecord) -> None:
    written = write_capture(record)
    assert written.count(b"\n") == 1
    assert read_capture(written) == record


def test_a_kafka_line_gives_its_record() -> None:
    assert read_capture(line()) == CapturedRecord(1, 2, 3_000_000, b"k", (("a", b"b"),), b"\x00\x01", "protobuf")


def test_a_raw_request_has_its_sequence_number_for_an_offset_and_its_format_from_the_content_type() -> None:
    raw = {"seq": 7, "timestamp_ms": 1, "path": "/v1/traces", "headers": [["content-type", "application/json"]], "value_b64": "e30="}
    assert read_capture(json.dumps(raw).encode()) == CapturedRecord(
        0, 7, 1_000_000, None, (("content-type", b"application/json"),), b"{}", "json"
    )


@pytest.mark.parametrize(("value", "expected"), [("e30=", "json"), ("AAE=", "protobuf"), ("", "protobuf")])
def test_a_value_without_header_and_format_shows_its_format(value: str, expected: str) -> None:
    assert read_capture(line(value_b64=value)).format == expected


def test_a_header_that_is_no_utf8_is_written_with_a_replacement_character() -> None:
    record = CapturedRecord(0, 0, None, b"\xff", (("a", b"\xff"), ("\udcff", None)), b"", "protobuf")
    read = read_capture(write_capture(record))
    assert (read.key, read.headers) == (b"\xff", (("a", "\ufffd".encode()), ("\ufffd", None)))


@pytest.mark.parametrize(
    "members",
    [
        {"partition": -1},
        {"partition": True},
        {"offset": None},
        {"offset": "2"},
        {"timestamp_ms": 2**63},
        {"key": 1},
        {"key_b64": "!"},
        {"headers": {}},
        {"headers": [["a"]]},
        {"headers": [[1, "b"]]},
        {"value_b64": "not base64"},
        {"value_b64": 1},
        {"value_b64": None},
        {"value_b64": None, "value": 1},
        {"format": "xml"},
    ],
)
def test_a_line_with_a_wrong_member_is_refused(members: dict[str, object]) -> None:
    assert reason(line(**members)) == RefusalReason.BAD_CAPTURE


@pytest.mark.parametrize("text", [b"[]", b"{}", b'{"partition": 1}', line(path="/v1/logs")])
def test_json_that_is_no_capture_of_traces_is_refused_as_that(text: bytes) -> None:
    assert reason(text) == RefusalReason.NOT_TRACES


def test_a_line_cut_short_is_truncated() -> None:
    assert reason(line()[:-5]) == RefusalReason.TRUNCATED


@given(st.binary(max_size=60))
def test_random_lines_are_refused_with_a_reason(text: bytes) -> None:
    assert reason(text) in RefusalReason
