"""Re-keying by trace: what comes out is judged like what went in, and no offset is committed before its records are durable."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

from cli.shop_rules import SHOP_RULES
from compiler import compile_sources
from processor import metrics as m
from processor.finite import FiniteOutcome, judge_finite
from processor.group_handler import taken
from processor.metrics import Tally
from processor.record import PartitionKey
from processor.rule_directory import read_sources
from processor.sharder import ORIGIN_OFFSET, ORIGIN_PARTITION, ORIGIN_TOPIC, Sharder, shard
from tests.captured import captured
from tests.processor.sharding import LogRecord, Outbox, java_partition, murmur2
from tests.topics.otlp_spans import span
from tests.trace_engines import engine_for
from topics.otlp import decode_protobuf, encode_protobuf, format_of
from topics.recordings import SHOP_JSON_KEYED, SHOP_OTLP_LINES, SHOP_PROTO_BATCHED, SHOP_PROTO_KEYED, SHOP_SDK_RAW
from topics.refusal import RefusalReason

if TYPE_CHECKING:
    from collections.abc import Iterable

    from processor.record import Record
    from topics.violation import Violation

A, B = "aa" * 16, "bb" * 16
KEY, OTHER = PartitionKey("otlp_spans", 0), PartitionKey("otlp_spans", 1)
MIXED = encode_protobuf([span(trace_id=A, span_id="01" * 8), span(trace_id=B), span(trace_id=A, span_id="02" * 8)])
ONE = encode_protobuf([span(trace_id=A)])
ORIGIN = [(ORIGIN_TOPIC, b"otlp_spans"), (ORIGIN_PARTITION, b"2"), (ORIGIN_OFFSET, b"17")]
PROTOBUF = ("content-type", b"application/x-protobuf")


def test_a_mixed_record_becomes_one_record_for_each_trace_in_order() -> None:
    found = shard(LogRecord(MIXED))
    assert [record.key for record in found.records] == [A.encode(), B.encode()]
    spans = [decode_protobuf(record.value).spans for record in found.records]
    assert [[one.span_id for one in part] for part in spans] == [["01" * 8, "02" * 8], ["cd" * 8]]
    assert not found.refused


@pytest.mark.parametrize("key", [A.encode(), None, b"other", A.upper().encode()])
def test_a_record_of_one_trace_keeps_its_bytes_whatever_its_key(key: bytes | None) -> None:
    records = shard(LogRecord(ONE, key)).records
    assert [(record.key, record.value) for record in records] == [(A.encode(), ONE)]


def test_json_becomes_protobuf_of_one_trace_each() -> None:
    def item(trace_id: str, name: str) -> dict[str, str]:
        return {"traceId": trace_id.upper(), "spanId": "cd" * 8, "name": name}

    document = {"resourceSpans": [{"scopeSpans": [{"spans": [item(A, "x"), item(B, "y"), item(A, "z"), item("", "none")]}]}]}
    found = shard(LogRecord(json.dumps(document).encode(), format="json", headers=[("content-type", b"application/json")]))
    assert [(record.key, [one.name for one in decode_protobuf(record.value).spans]) for record in found.records] == [
        (A.encode(), ["x", "z"]),
        (B.encode(), ["y"]),
    ]
    assert found.refused == Counter({RefusalReason.SPAN_WITHOUT_TRACE_ID: 1})
    assert found.records[0].headers == [PROTOBUF, *ORIGIN]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], [PROTOBUF, *ORIGIN]),
        ([("a", b"b"), ("a", None)], [("a", b"b"), ("a", None), PROTOBUF, *ORIGIN]),
        ([PROTOBUF], [PROTOBUF, *ORIGIN]),
        ([("encoding", "otlp_proto"), ("a", b"b")], [("encoding", "otlp_proto"), ("a", b"b"), *ORIGIN]),
        ([("Content-Type", b"application/json; charset=utf-8")], [PROTOBUF, *ORIGIN]),
        ([("encoding", b"otlp_json"), ("content-type", b"application/json")], [PROTOBUF, *ORIGIN]),
        ([(ORIGIN_TOPIC, b"first"), (ORIGIN_OFFSET, b"1")], [(ORIGIN_TOPIC, b"first"), (ORIGIN_OFFSET, b"1"), PROTOBUF]),
    ],
)
@pytest.mark.parametrize("value", [ONE, MIXED])
def test_headers_stay_name_the_format_truly_and_say_where_the_record_came_from(
    value: bytes, headers: list[Any], expected: list[Any]
) -> None:
    for record in shard(LogRecord(value, headers=headers)).records:
        assert record.headers == expected
        assert format_of(record.headers, "json") == "protobuf"


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (LogRecord(MIXED[:-1]), RefusalReason.TRUNCATED),
        (LogRecord(b"\xff" * 20), RefusalReason.MALFORMED),
        (LogRecord(b"{", format="json"), RefusalReason.TRUNCATED),
        (LogRecord(b'{"logs": []}', format="json"), RefusalReason.NOT_TRACES),
        (LogRecord(encode_protobuf([span(trace_id="")])), RefusalReason.SPAN_WITHOUT_TRACE_ID),
    ],
)
def test_what_cannot_be_sharded_is_a_dead_letter_with_the_record_as_it_was(record: LogRecord, reason: RefusalReason) -> None:
    outbox, tally = Outbox(), Tally()
    sharder = Sharder(outbox, tally)
    sharder.chunk(KEY, [record], 1)
    assert outbox.sent == []
    assert [(letter.reason, letter.value, letter.topic, letter.partition, letter.offset) for letter in outbox.letters] == [
        (reason, record.value, "otlp_spans", 2, 17)
    ]
    assert tally.by_label(m.ITEMS_REFUSED) == {reason: 1}


def test_a_record_over_the_limit_of_size_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("processor.sharder.RECORD_SIZE_MAX", len(ONE) - 1)
    assert shard(LogRecord(ONE)).refused == Counter({RefusalReason.TOO_LARGE: 1})


def test_what_is_good_beside_a_bad_span_is_sent_and_the_whole_record_buried() -> None:
    outbox, tally = Outbox(), Tally()
    value = encode_protobuf([span(trace_id=A), span(trace_id="")])
    Sharder(outbox, tally).chunk(KEY, [LogRecord(value)], 1)
    assert [record.key for record in outbox.sent] == [A.encode()]
    assert len(decode_protobuf(outbox.sent[0].value).spans) == 1
    assert [letter.value for letter in outbox.letters] == [value]


def test_what_was_done_is_counted() -> None:
    tally = Tally()
    Sharder(Outbox(), tally).chunk(KEY, [LogRecord(MIXED), LogRecord(ONE), LogRecord(b"")], 3)
    counts = [tally.count(it) for it in (m.RECORDS_READ, m.RECORDS_SHARDED, m.RECORDS_SPLIT, m.RECORDS_WITHOUT_SPANS)]
    assert counts == [3, 3, 1, 1]


def test_a_keyed_recording_passes_unchanged() -> None:
    for record in captured(SHOP_PROTO_KEYED):
        assert [(it.key, it.value) for it in shard(record).records] == [(record.key, record.value)]


@cache
def keyed() -> FiniteOutcome:
    return judged(captured(SHOP_PROTO_KEYED))


def judged(records: Iterable[Record]) -> FiniteOutcome:
    rule_set = compile_sources(read_sources(SHOP_RULES)).rule_set
    assert rule_set is not None
    return judge_finite(records, engine_for(rule_set))


def said(records: Iterable[Violation]) -> dict[tuple[str, str], object]:
    """Return what is said of each trace by each rule: all but what names the input."""
    return {(it.rule.id, it.trace.id): it.model_dump(mode="json", exclude={"id", "input", "decided_at"}) for it in records}


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("name", [SHOP_PROTO_BATCHED, SHOP_JSON_KEYED, SHOP_OTLP_LINES, SHOP_SDK_RAW])
def test_a_recording_that_is_sharded_gets_the_verdicts_of_the_keyed_one(name: str) -> None:
    outbox = Outbox()
    records = captured(name)
    Sharder(outbox, Tally()).chunk(KEY, records, len(records))
    assert outbox.letters == []
    sharded = [LogRecord(it.value, it.key, it.headers, offset=number) for number, it in enumerate(outbox.sent)]
    for record in sharded:
        assert {one.trace_id.encode() for one in decode_protobuf(record.value).spans} == {record.key}
    found = judged(sharded)
    assert (found.trace_count, found.span_count, found.counts) == (keyed().trace_count, keyed().span_count, keyed().counts)
    assert said(found.records) == said(keyed().records)
    assert len(found.records) > 0


# Of org.apache.kafka.common.utils.Utils.murmur2 in Apache Kafka 4.1.0, and the partition of twelve that its producer chooses.
JAVA = [
    ("21", -973932308, 0),
    ("foobar", -790332482, 6),
    ("a-little-bit-long-string", -985981536, 8),
    ("a-little-bit-longer-string", -1486304829, 11),
    ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971, 5),
    ("abc", 479470107, 3),
    ("", 275646681, 9),
    ("4bf92f3577b34da6a3ce929d0e0e4736", 407517338, 2),
    ("00000000000000000000000000000001", 391407718, 10),
    ("ffffffffffffffffffffffffffffffff", -145913985, 11),
    ("0af7651916cd43dd8448eb211c80319c", -700665169, 7),
    ("5b8efff798038103d269b633813fc60c", -271845028, 4),
]


@pytest.mark.parametrize(("key", "hashed", "partition"), JAVA)
def test_the_hash_the_broker_tests_compare_with_is_javas(key: str, hashed: int, partition: int) -> None:
    assert (murmur2(key.encode()), java_partition(key.encode(), 12)) == (hashed, partition)


@dataclass
class Life:
    """One sharder between two crashes, over a log in memory."""

    log: list[LogRecord]
    committed: int | None

    def __post_init__(self) -> None:
        self.outbox = Outbox()
        self.sharder = Sharder(self.outbox, Tally())
        self.position = taken(self.sharder.taking({KEY: self.committed})).get(KEY, 0)

    def read(self, count: int) -> None:
        part = self.log[self.position : self.position + count]
        self.position += len(part)
        self.sharder.chunk(KEY, part, self.position)

    def checkpoint(self) -> None:
        self.committed = self.sharder.checkpoint([KEY]).commits.get(KEY, self.committed)


def test_a_crash_repeats_records_and_loses_none() -> None:
    log = [LogRecord(encode_protobuf([span(trace_id=f"{number:032x}")]), offset=number) for number in range(1, 31)]
    durable: list[bytes] = []
    committed: int | None = None
    while committed != len(log):
        life = Life(log, committed)
        life.read(7)
        life.checkpoint()
        committed = life.committed
        life.read(5)
        # It dies before the next flush: what was sent since is lost.
        durable += [it.key for it in life.outbox.sent[: life.outbox.durable]]
    assert sorted(durable) == sorted(f"{number:032x}".encode() for number in range(1, 31))


def test_nothing_is_committed_where_the_flush_fails() -> None:
    outbox = Outbox(breaks=True)
    sharder = Sharder(outbox, Tally())
    sharder.chunk(KEY, [LogRecord(ONE)], 18)
    with pytest.raises(ConnectionError):
        sharder.checkpoint([KEY])
    outbox.breaks = False
    assert sharder.checkpoint([KEY], handing_over=True).commits == {KEY: 18}


def test_only_partitions_that_are_asked_for_and_were_read_are_committed() -> None:
    tally = Tally()
    sharder = Sharder(Outbox(), tally)
    assert taken(sharder.taking({KEY: 5, OTHER: None})) == {KEY: 5}
    assert tally.gauges[m.PARTITIONS_OWNED.name,] == 2
    sharder.chunk(OTHER, [LogRecord(ONE)], 18)
    assert sharder.checkpoint([OTHER]).commits == {OTHER: 18}
    assert tally.gauges[m.POSITION.name, "otlp_spans", "1"] == 18
    sharder.released([OTHER], lost=True)
    assert sharder.checkpoint([KEY, OTHER]).commits == {KEY: 5}
    assert tally.gauges[m.PARTITIONS_OWNED.name,] == 1
    assert (sharder.checkpoint([KEY]).retake, sharder.is_urgent) == ((), False)
    taken(sharder.taking({OTHER: None}))
    assert sharder.checkpoint([KEY, OTHER]).commits == {KEY: 5}
