"""Records out of messages: sorted by partition, in their order, with what the broker said of each."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError, Message

from processor.kafka_records import Polled, consumer_properties, polled
from processor.record import PartitionKey
from processor.settings import GroupProtocol, InputFormat, Settings
from tests.processor.told_consumer import message

EOF = KafkaError(KafkaError._PARTITION_EOF)
TIMED_OUT = KafkaError(KafkaError._TIMED_OUT)


def key(partition: int) -> PartitionKey:
    return PartitionKey("otlp_spans", partition)


def sort(*messages: Message, given: InputFormat = InputFormat.JSON) -> Polled:
    return polled("otlp_spans", messages, given)


def test_records_of_each_partition_stay_in_order_however_they_are_mixed() -> None:
    places = [(1, 4), (1, 5), (0, 9), (1, 6), (0, 11)]
    found = sort(*(message(offset, partition=partition) for partition, offset in places))
    assert {where: [record.offset for record in records] for where, records in found.records.items()} == {
        key(1): [4, 5, 6],
        key(0): [9, 11],
    }
    assert {(record.topic, record.partition) for record in found.records[key(1)]} == {("otlp_spans", 1)}


def test_an_end_of_a_partition_is_no_record_and_no_error() -> None:
    found = sort(message(7), message(8, EOF), message(3, EOF, partition=1), message(1, TIMED_OUT, partition=2), message(8))
    assert [record.offset for record in found.records[key(0)]] == [7, 8]
    assert found.ends == {key(0): 8, key(1): 3}
    assert found.errors == [TIMED_OUT]


def test_a_timestamp_may_be_missing_and_so_may_a_value() -> None:
    stamps = [(0, -1), (1, -1), (1, 0), (2, 5)]
    records = sort(*(message(offset, content=None, timestamp=stamp) for offset, stamp in enumerate(stamps))).records[key(0)]
    assert [record.timestamp_ns for record in records] == [None, None, 0, 5_000_000]
    assert [record.value for record in records] == [b""] * 4


@pytest.mark.parametrize(("given", "expected"), [(InputFormat.AUTO, "protobuf"), (InputFormat.JSON, "json")])
def test_headers_may_come_by_name_and_tell_the_format_where_it_is_not_set(given: InputFormat, expected: str) -> None:
    one = message(1, headers={"content-type": "application/x-protobuf"}, content=b"{}")
    found = sort(one, given=given).records[key(0)][0]
    assert (found.format, found.headers) == (expected, (("content-type", "application/x-protobuf"),))


@pytest.mark.parametrize(
    ("given", "value", "headers", "expected"),
    [
        (InputFormat.AUTO, b"", [], "protobuf"),
        (InputFormat.AUTO, b'{"resourceSpans": []}', [], "json"),
        (InputFormat.AUTO, b'{"resourceSpans": []}', [("content-type", b"application/x-protobuf")], "protobuf"),
        (InputFormat.AUTO, b"", [("Content-Type", b"application/json; charset=utf-8")], "json"),
        (InputFormat.JSON, b"", [], "json"),
        (InputFormat.PROTOBUF, b"{}", [("content-type", b"application/json")], "protobuf"),
    ],
)
def test_the_format_is_as_set_or_as_the_record_says(
    given: InputFormat, value: bytes, headers: list[tuple[str, str | bytes | None]], expected: str
) -> None:
    record = sort(message(0, headers=headers, content=value), given=given).records[key(0)][0]
    assert (record.format, record.headers) == (expected, tuple(headers))


def test_each_group_protocol_gets_the_properties_it_accepts() -> None:
    classic = consumer_properties(Settings(group_session_timeout_s=9))
    assert (classic["session.timeout.ms"], classic["heartbeat.interval.ms"]) == (9000, 1500)
    assert classic["partition.assignment.strategy"] == "cooperative-sticky"
    new = consumer_properties(Settings(group_protocol=GroupProtocol.CONSUMER))
    assert not new.keys() & {"session.timeout.ms", "heartbeat.interval.ms", "partition.assignment.strategy"}
    assert not any(properties["enable.auto.commit"] for properties in (classic, new))


def test_client_properties_of_the_settings_come_last() -> None:
    properties = consumer_properties(Settings(client_properties={"security.protocol": "ssl", "fetch.wait.max.ms": "7"}))
    assert (properties["security.protocol"], properties["fetch.wait.max.ms"]) == ("ssl", "7")
