"""Records in columns: the same records, whatever they came as, one by one and in parts."""

from __future__ import annotations

import pytest

from processor.inputs import InputRecord
from processor.kafka_records import polled
from processor.record import PartitionKey, Record
from processor.records_read import ReadRecords
from processor.settings import InputFormat
from tests.processor.told_consumer import message


def record(offset: int, *, topic: str = "spans", partition: int = 0, stamp_ns: int | None = 5) -> InputRecord:
    return InputRecord(topic, partition, offset, stamp_ns, b"key", (), b"value", "protobuf", 0)


def columns(records: ReadRecords) -> list[tuple[object, ...]]:
    return list(zip(records.offsets, records.timestamps_ns, records.keys, records.values, records.formats, strict=True))


def properties(one: Record) -> tuple[object, ...]:
    return (one.offset, one.timestamp_ns, one.key, one.value, one.format)


def of_kafka() -> ReadRecords:
    messages = [
        message(4, content=b"\x0a\x00", timestamp=(1, 7)),
        message(5, content=b'{"resourceSpans": []}', timestamp=(0, -1)),
        message(9, content=None, headers=[("content-type", b"application/json")]),
    ]
    return polled("spans", messages, InputFormat.AUTO).records[PartitionKey("spans", 0)]


def of_list() -> ReadRecords:
    return ReadRecords.of([record(4), record(5, stamp_ns=None), record(9)])


@pytest.mark.parametrize("records", [of_kafka(), of_list()], ids=["kafka", "list"])
def test_a_column_says_what_the_records_say(records: ReadRecords) -> None:
    assert [properties(one) for one in records] == columns(records)
    assert [(one.topic, one.partition) for one in records] == [records.log] * 3 == [("spans", 0)] * 3
    assert len(records) == 3


@pytest.mark.parametrize("records", [of_kafka(), of_list()], ids=["kafka", "list"])
def test_a_part_is_as_the_whole(records: ReadRecords) -> None:
    part = records[1:]
    assert columns(part) == columns(records)[1:]
    assert [properties(one) for one in part] == columns(part)
    assert part.log == records.log
    assert not records[3:]


@pytest.mark.parametrize("records", [of_kafka(), of_list()], ids=["kafka", "list"])
def test_some_are_as_the_whole(records: ReadRecords) -> None:
    some = records.only(bytearray([1, 0, 1]))
    assert columns(some) == [columns(records)[index] for index in (0, 2)]
    assert [properties(one) for one in some] == columns(some)
    assert some.log == records.log


def test_what_is_in_columns_already_stays_as_it_is() -> None:
    records = of_list()
    assert ReadRecords.of(records) is records


def test_records_of_several_logs_each_know_their_own() -> None:
    records = ReadRecords.of([record(1), record(1, topic="other"), record(2, partition=3)])
    assert records.log is None
    assert [records.log_of(index) for index in range(3)] == [("spans", 0), ("other", 0), ("spans", 3)]
    assert records[1:2].log_of(0) == ("other", 0)
    assert of_list().log_of(2) == ("spans", 0)
