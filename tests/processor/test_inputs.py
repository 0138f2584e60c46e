"""The inputs of a check: every form is read, damage is refused by its reason, and the rest goes on."""

from __future__ import annotations

import gzip
import io
import json
import tracemalloc
from base64 import b64encode
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.inputs import Input, InputRecord, RefusedInput, input_size, read_inputs
from tests.topics.otlp_spans import json_of, span
from topics.captures import CapturedRecord, write_capture
from topics.otlp import decode, encode_protobuf
from topics.recordings import SHOP_ALL, SHOP_SCENARIOS, recording
from topics.span import Resource

WIRE = encode_protobuf([span(name="wire")])
WRITTEN = b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "%s", "spanId": "%s", "name": "json"}]}]}]}' % (b"ab" * 16, b"cd" * 8)
LINE = WRITTEN + b"\n"
PRINTED = json.dumps(json.loads(WRITTEN), indent=2).encode() + b"\n"
CAPTURED = write_capture(CapturedRecord(3, 17, 5_000_000, b"key", (("source", b"test"),), WIRE, "protobuf"))


def zipped(content: bytes) -> bytes:
    """The content in gzip, the same at every time."""
    return gzip.compress(content, mtime=0)


def inputs_of(content: bytes, size_max: int = 2**20) -> list[Input]:
    """What standard input of this content gives."""
    return list(read_inputs(["-"], stdin=io.BytesIO(content), document_size_max=size_max))


def told(items: list[Input]) -> list[str]:
    """Each item in a word: the names of its spans, or the reason why it is none."""
    words = []
    for item in items:
        if isinstance(item, RefusedInput):
            words.append(f"input {item.reason}")
        else:
            decoded = decode(item.value, item.format)
            words += [each.name for each in decoded.spans] + list(decoded.refused.elements())
    return words


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (WIRE, ["wire"]),
        (WRITTEN, ["json"]),
        (LINE * 3, ["json"] * 3),
        (b"\n\n" + LINE + b"\r\n  \n" + LINE, ["json"] * 2),
        (b"\xef\xbb\xbf" + LINE * 2, ["json"] * 2),
        (PRINTED, ["json"]),
        (b"\n" + PRINTED + b"\n" + PRINTED, ["json"] * 2),
        (PRINTED.replace(b"  ", b"\t"), ["json"]),
        (PRINTED.replace(b"  ", b""), ["json"]),
        (PRINTED.replace(b'"json"', b'"json}"').rstrip(), ["json}"]),
        (CAPTURED, ["wire"]),
        (CAPTURED + LINE + CAPTURED, ["wire", "json", "wire"]),
        (b'{"later": 1, ' + WRITTEN[1:], ["json"]),
        (zipped(LINE * 2), ["json"] * 2),
        (zipped(LINE) + zipped(LINE), ["json"] * 2),
        (zipped(WIRE), ["wire"]),
        (b"", []),
        (b" \n\t\n", []),
        (b"{}", []),
    ],
)
def test_the_form_of_an_input_shows_from_its_bytes(content: bytes, expected: list[str]) -> None:
    assert told(inputs_of(content)) == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (LINE + b"nonsense\n" + LINE, ["json", "malformed", "json"]),
        (b"nonsense\nmore of it\n" + LINE, ["malformed"] * 2 + ["json"]),
        (LINE[:40] + b"\n" + LINE, ["truncated", "json"]),
        (LINE[:20] + b"\n" + LINE, ["truncated", "json"]),
        (LINE[:36] + b"\nnonsense\n" + LINE, ["truncated", "malformed", "json"]),
        (LINE[:40] + b'\n"text"\n' + LINE, ["truncated", "not_traces", "json"]),
        (LINE[:40] + b"\nnonsense\n" + LINE, ["truncated", "malformed", "json"]),
        (LINE + LINE[:40], ["json", "truncated"]),
        (b"\x01" + LINE[1:] + LINE, ["malformed", "json"]),
        (LINE + b"\xff\x00\xfe\n" + LINE, ["json", "malformed", "json"]),
        (PRINTED[:50] + b"\n" + LINE, ["truncated", "json"]),
        (PRINTED[:-2] + CAPTURED, ["truncated", "wire"]),
        (CAPTURED[:60] + b"\n" + CAPTURED, ["truncated", "wire"]),
        (CAPTURED.replace(b"17", b"-1") + CAPTURED, ["bad_capture", "wire"]),
        (b'{"resourceLogs": []}\n' + LINE, ["not_traces", "json"]),
        (b"[" + WRITTEN + b"]\n" + LINE, ["not_traces", "json"]),
        (WIRE[:-3], ["truncated"]),
        (b"\x00\x01\x02\x03", ["malformed"]),
        (zipped(LINE * 2)[:-8], ["json", "json", "truncated"]),
        (zipped(LINE)[:15], ["truncated"]),
        (zipped(LINE) + b"behind", ["json", "malformed"]),
        (b"\x1f\x8bnot gzip", ["malformed"]),
    ],
)
def test_damage_costs_one_item_and_the_rest_is_read(content: bytes, expected: list[str]) -> None:
    assert [word.removeprefix("input ") for word in told(inputs_of(content))] == expected


BASE64 = WRITTEN.replace(b"ab" * 16, b64encode(bytes.fromhex("ab" * 16))).replace(b"cd" * 8, b64encode(bytes.fromhex("cd" * 8)))
GROUPS = WRITTEN[len(b'{"resourceSpans": ') : -1]
GROUPS_BASE64 = BASE64[len(b'{"resourceSpans": ') : -1]


@pytest.mark.parametrize("groups", [GROUPS, GROUPS_BASE64])
@pytest.mark.parametrize(
    "answer",
    [
        b'{"batches": %s}',
        b'{"trace": {"resourceSpans": %s}, "metrics": {"inspectedBytes": "1"}}',
        b'{"trace": {"batches": %s}}',
        b'{"result": {"resourceSpans": %s}}',
    ],
)
def test_what_tempo_and_jaeger_answer_is_read_as_the_otlp_in_it(answer: bytes, groups: bytes) -> None:
    for content in (answer % groups, json.dumps(json.loads(answer % groups), indent=2).encode()):
        (item,) = inputs_of(content)
        assert isinstance(item, InputRecord)
        assert decode(item.value, item.format).spans == decode(WRITTEN, "json").spans


def test_the_ids_of_parents_and_links_are_read_from_base64_too_and_zeros_are_none() -> None:
    zeros, eight = b64encode(bytes(8)).decode(), b64encode(b"12345678").decode()
    trace = b64encode(bytes(range(16))).decode()
    spans = [
        {"traceId": trace, "spanId": eight, "parentSpanId": zeros, "links": [{"traceId": trace, "spanId": eight}]},
        {"traceId": trace, "spanId": b64encode(b"abcdefgh").decode(), "parentSpanId": eight, "name": eight},
    ]
    (item,) = inputs_of(json.dumps({"batches": [{"scopeSpans": [{"spans": spans}]}]}).encode())
    assert isinstance(item, InputRecord)
    root, child = decode(item.value, item.format).spans
    assert (root.parent_id, root.links[0].trace_id, root.links[0].span_id) == ("", bytes(range(16)).hex(), b"12345678".hex())
    assert (child.parent_id, child.name) == (root.span_id, eight)


def test_a_wrapped_span_without_a_sound_id_is_refused_as_any_other() -> None:
    for trace_id in (b'"AAAA"', b"7", b"null", b'"' + b64encode(bytes(16)) + b'"'):
        content = b'{"batches": %s}' % GROUPS.replace(b'"' + b"ab" * 16 + b'"', trace_id)
        assert told(inputs_of(content)) == ["span_without_trace_id"], trace_id


@pytest.mark.parametrize(
    "content",
    [
        b'{"data": [{"traceID": "ab", "spans": [], "processes": {}}], "total": 0}',
        b'{"traceID": "ab", "spans": []}',
    ],
)
def test_jaegers_own_json_is_refused_by_a_reason_of_its_own(content: bytes) -> None:
    assert told(inputs_of(content)) == ["input jaeger_json"]


@pytest.mark.parametrize("content", [b'{"data": []}', b'{"data": {"traceID": 1}}', b'{"traces": []}', b'{"batches": 1}', b'{"trace": []}'])
def test_other_json_is_no_traces(content: bytes) -> None:
    assert told(inputs_of(content)) == ["input not_traces"]


def test_base64_ids_of_plain_otlp_are_refused() -> None:
    assert told(inputs_of(BASE64)) == ["span_without_trace_id"]


def test_a_record_of_a_capture_keeps_where_it_stood() -> None:
    (record,) = inputs_of(CAPTURED)
    assert isinstance(record, InputRecord)
    assert (record.topic, record.partition, record.offset, record.timestamp_ns, record.key) == ("stdin", 3, 17, 5_000_000, b"key")
    assert record.headers == (("source", b"test"),)


def test_a_document_has_its_index_for_an_offset_and_refused_ones_count() -> None:
    places = [(item.topic, item.partition, item.offset) for item in inputs_of(LINE + b"nonsense {\n" + LINE)]
    assert places == [("stdin", 0, 0), ("stdin", 0, 1), ("stdin", 0, 2)]


@pytest.mark.parametrize("size", [len(WRITTEN) + 1, 300])
def test_a_line_over_the_limit_is_refused_and_the_next_one_read(size: int) -> None:
    long = LINE[:-2] + b" " * 1000 + b"}\n"
    assert told(inputs_of(long + LINE + long, size)) == ["input too_large", "json", "input too_large"]


def test_a_printed_document_over_the_limit_is_refused_once_and_the_next_one_read() -> None:
    long = PRINTED[:-2] + b" \n" * 1000 + b"}\n"
    assert told(inputs_of(long + PRINTED + LINE, len(PRINTED) + 10)) == ["input too_large", "json", "json"]


def test_a_line_over_the_limit_ends_a_printed_document_before_it() -> None:
    content = PRINTED[:-2] + b" " * 1000 + b"\n" + LINE
    assert [word.removeprefix("input ") for word in told(inputs_of(content, 900))] == ["truncated", "too_large", "json"]


def test_a_message_that_begins_like_json_is_told_from_it() -> None:
    """A group of 123 bytes with a resource of 34 begins with a line feed, a brace, a line feed and a quote."""
    resource = Resource({"service.name": "x" * 14})
    wires = [encode_protobuf([span(name="n" * size, resource=resource)]) for size in range(100)]
    (wire,) = [wire for wire in wires if wire.startswith(b'\n{\n"')]
    assert told(inputs_of(wire)) == [each.name for each in decode(wire, "protobuf").spans]


def test_a_message_over_the_limit_is_refused() -> None:
    assert told(inputs_of(WIRE, len(WIRE))) == ["wire"]
    assert told(inputs_of(WIRE, len(WIRE) - 1)) == ["input too_large"]


def test_an_enormous_line_in_a_small_gzip_is_refused_in_bounded_memory() -> None:
    bomb = zipped(b'{"resourceSpans": "' + b"x" * (64 * 2**20))
    tracemalloc.start()
    try:
        assert told(inputs_of(bomb)) == ["input too_large"]
        assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    finally:
        tracemalloc.stop()


def test_a_big_file_is_never_in_memory_as_a_whole() -> None:
    content = LINE * (16 * 2**20 // len(LINE))
    tracemalloc.start()
    try:
        count = sum(1 for _ in read_inputs(["-"], stdin=io.BytesIO(content)))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == len(content) // len(LINE)
    assert peak < 4 * 2**20


def test_files_and_directories_are_read_in_their_order(tmp_path: Path) -> None:
    below = tmp_path / "traces"
    (below / "sub").mkdir(parents=True)
    (below / "b.jsonl").write_bytes(LINE)
    (below / "a.pb").write_bytes(WIRE)
    (below / "sub" / "c.json.gz").write_bytes(zipped(PRINTED))
    (below / "sub" / "loop").symlink_to(below)
    for unread in (".hidden.json", "README.md", "rules.yaml"):
        (below / unread).write_bytes(LINE)
    (tmp_path / "single").write_bytes(CAPTURED)
    items = list(read_inputs([str(tmp_path / "single"), str(below)]))
    assert [item.topic for item in items] == ["single", "a.pb", "b.jsonl", "sub/c.json.gz"]
    assert told(items) == ["wire", "wire", "json", "json"]


def test_a_file_that_is_not_there_is_refused_and_the_next_one_read(tmp_path: Path) -> None:
    (tmp_path / "there.json").write_bytes(LINE)
    assert told(list(read_inputs([str(tmp_path / "absent"), str(tmp_path / "there.json")]))) == ["input unreadable", "json"]


def test_positions_grow_to_the_size_of_all_inputs(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(LINE * 5000)
    (tmp_path / "b.jsonl.gz").write_bytes(zipped(LINE) + b"behind")
    paths = [str(tmp_path), str(tmp_path / "absent"), str(tmp_path / "a.jsonl")]
    positions = [item.position for item in read_inputs(paths)]
    assert positions == sorted(positions)
    assert 0 < positions[0] < positions[-1] == input_size(paths)


def test_standard_input_tells_no_size() -> None:
    assert input_size(["-"]) is None


@pytest.mark.parametrize("name", SHOP_ALL)
def test_every_recording_of_the_shop_is_read_whole(name: str) -> None:
    count: Counter[str] = Counter()
    for item in read_inputs([str(recording(name))]):
        assert isinstance(item, InputRecord)
        decoded = decode(item.value, item.format)
        count["spans"] += len(decoded.spans)
        count["refused"] += decoded.refused.total()
    assert count == {"spans": 11_854, "refused": 0}


def test_the_labels_of_a_recording_are_told_from_traces() -> None:
    items = list(read_inputs([str(recording(SHOP_SCENARIOS))]))
    assert set(told(items)) == {"input not_traces"}


@given(
    st.lists(st.sampled_from([LINE, PRINTED, CAPTURED, WIRE, b"nonsense\n", b"{", b"}", b'"', b"\n", b"\x1f\x8b"]) | st.binary(max_size=9))
)
def test_no_bytes_make_reading_fail(pieces: list[bytes]) -> None:
    content = b"".join(pieces)
    for item in inputs_of(content) + inputs_of(zipped(content), size_max=200):
        if isinstance(item, InputRecord):
            decode(item.value, item.format)


@given(st.lists(st.sampled_from([LINE, PRINTED, CAPTURED]), min_size=1), st.binary(max_size=20).map(lambda raw: raw.replace(b"\n", b"")))
def test_a_line_of_anything_between_documents_loses_none(documents: list[bytes], line: bytes) -> None:
    content = LINE + (line + b"\n").join(documents)
    kept = [word for word in told(inputs_of(content)) if word in {"json", "wire"}]
    assert len(kept) >= len(documents) + 1 - documents.count(PRINTED)


def test_json_of_every_kind_of_span_is_read_from_one_line() -> None:
    assert told(inputs_of(json_of([span(), span(name="pay")]))) == ["checkout", "pay"]
