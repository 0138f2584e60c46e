"""What the client passes over: read again, and believed to be a gap only then."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest
from confluent_kafka import KafkaError, Message, Producer, TopicPartition

from processor import metrics
from processor.group_handler import Bounds
from processor.kafka_reading import Gap, Reading
from processor.record import PartitionKey
from tests.e2e.brokers import Broker, kafka_behind_wire
from tests.processor.test_kafka_rebalance import RECORD_COUNT, WAIT_S, Member, on_each, on_kafka, play
from tests.processor.told_consumer import KEY, Running, message

AT_END = KafkaError(KafkaError._PARTITION_EOF)


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """A group of one that reads from offset 100 on."""
    made = Running(monkeypatch, checkpoint_interval_s=60)
    made.handler.start, made.stored = 100, 100
    made.start()
    yield made
    made.group.stop()
    made.group.join(10)


def chunks(running: Running) -> list[object]:
    return [call[2:] for call in running.handler.calls if isinstance(call, tuple) and call[0] == "chunk"]


def _has_sought(running: Running, offset: int) -> bool:
    return running.consumer.sought[-1:] == [offset]


def poll(running: Running, *messages: Message) -> None:
    running.consumer.polls.put(list(messages))


def test_records_behind_a_gap_are_taken_when_they_come_there_again(running: Running) -> None:
    poll(running, message(500), message(501))
    running.until(lambda: running.consumer.sought == [100])
    assert chunks(running) == []
    poll(running, message(500), message(501), message(502, AT_END))
    running.until(lambda: running.handler.position == 502)
    assert chunks(running) == [([500, 501], 502)]
    assert running.consumer.sought == [100]
    assert running.tally.count(metrics.GAPS_READ_AGAIN) == 1


def test_records_that_the_client_had_passed_over_come_before_the_others(running: Running) -> None:
    poll(running, message(100), message(101), message(500))
    running.until(lambda: running.consumer.sought == [102])
    poll(running, *map(message, range(102, 501)))
    running.until(lambda: running.handler.position == 501)
    assert [record.offset for record in running.handler.records] == list(range(100, 501))
    assert running.consumer.sought == [102]


def test_the_end_of_a_log_is_no_word_for_the_records_before_it(running: Running) -> None:
    poll(running, message(100), message(600, AT_END))
    running.until(lambda: running.consumer.sought == [101])
    assert chunks(running) == [([100], 101)]
    progress = running.group.reading()[KEY]
    assert (progress.position, progress.is_caught_up) == (101, False)
    poll(running, message(600, AT_END))
    running.until(lambda: running.handler.position == 600)
    assert chunks(running)[1:] == [([], 600)]


def test_gaps_of_a_few_offsets_are_believed_however_many_there_are(running: Running) -> None:
    offsets = range(100, 400, 5)
    poll(running, *map(message, offsets), message(410, AT_END))
    running.until(lambda: running.handler.position == 410)
    assert running.consumer.sought == []


def test_each_of_several_gaps_is_read_again(running: Running) -> None:
    for number, sought in enumerate((101, 201, 301), 1):
        poll(running, *map(message, range(number * 100, 401, 100)))
        running.until(partial(_has_sought, running, sought))
    poll(running, message(400))
    running.until(lambda: running.handler.position == 401)
    assert [record.offset for record in running.handler.records] == [100, 200, 300, 400]
    assert running.consumer.sought == [101, 201, 301]


def test_a_partition_that_is_taken_anew_asks_anew(running: Running) -> None:
    poll(running, message(500))
    running.until(lambda: running.consumer.sought == [100])
    running.handler.retake, running.handler.is_urgent = [KEY], True
    running.until(lambda: len(running.consumer.sought) == 2)
    running.handler.is_urgent = False
    poll(running, message(500))
    running.until(lambda: running.consumer.sought == [100, 100, 100])


@pytest.mark.parametrize(
    ("offsets", "position", "expected"),
    [
        ((), 10, None),
        ((), 26, None),
        ((), 27, Gap(0, 10)),
        ((10, 11), 12, None),
        ((10, 11), 29, Gap(2, 12)),
        ((27,), 28, Gap(0, 10)),
        # A client that was sent back begins anew.
        ((0, 1, 2), 3, None),
        ((0, 1, 20), 21, Gap(2, 2)),
        ((0, 1, 18), 19, None),
    ],
)
def test_a_gap_is_what_is_wider_than_a_few_markers(offsets: Sequence[int], position: int, expected: Gap | None) -> None:
    reading = Reading()
    assert reading.gap(KEY, offsets, position) is None
    reading.begin({KEY: None})
    assert reading.gap(KEY, offsets, position) is None
    reading.begin({KEY: 10})
    assert reading.gap(KEY, offsets, position) == expected
    assert reading.gap(KEY, offsets, position) is None


def test_a_log_does_not_end_before_where_its_client_has_read_to_unless_that_was_sent_back(running: Running) -> None:
    poll(running, message(100), message(101))
    running.until(lambda: running.handler.position == 102)
    assert running.group.submit(lambda: running.group.log_bounds([KEY])).result(10)[KEY].end == 102
    poll(running, message(4, AT_END))
    running.until(lambda: running.handler.position == 4)
    assert running.group.submit(lambda: running.group.log_bounds([KEY])).result(10)[KEY].end == 10


@on_each
def test_where_a_log_ends_is_known_once_it_has_been_read(broker: Broker, protocol: str) -> None:
    with play(broker, protocol) as stage:
        member = stage.join()
        member.until(lambda: all(_position(member, key) == RECORD_COUNT for key in stage.keys))
        bounds = member.group.submit(lambda: member.group.log_bounds(stage.keys)).result(WAIT_S)
        assert bounds == {key: Bounds(0, RECORD_COUNT) for key in stage.keys}


def _position(member: Member, key: PartitionKey) -> int | None:
    progress = member.group.reading().get(key)
    return None if progress is None else progress.position


@on_each
def test_a_client_that_jumps_to_the_end_is_sent_back(broker: Broker, protocol: str) -> None:
    with play(broker, protocol, partition_count=1) as stage:
        (key,) = stage.keys
        member, jumps = stage.join(), [60, 120]

        def jump() -> None:
            if jumps and len(member.reader.read(key)) >= jumps[0]:
                jumps.pop(0)
                member.group._consumer.seek(TopicPartition(*key, RECORD_COUNT))

        member.reader.before_chunk = jump
        member.until(lambda: _position(member, key) == RECORD_COUNT)
        assert member.reader.lives[key] == [list(range(RECORD_COUNT))]
        assert jumps == []


@on_kafka
def test_what_a_transaction_gave_up_is_asked_for_once_and_passed_over(broker: Broker, protocol: str) -> None:
    with play(broker, protocol, partition_count=1) as stage:
        (key,) = stage.keys
        producer = Producer({"bootstrap.servers": broker.servers, "transactional.id": stage.name})
        producer.init_transactions(WAIT_S)
        for count, finish in ((50, producer.abort_transaction), (10, producer.commit_transaction)):
            producer.begin_transaction()
            for _ in range(count):
                producer.produce(stage.spans, b"", partition=0)
            producer.flush(WAIT_S)
            finish(WAIT_S)
        # The markers of both transactions took an offset each.
        kept = [*range(RECORD_COUNT), *range(RECORD_COUNT + 51, RECORD_COUNT + 61)]
        member = stage.join()
        member.until(lambda: _position(member, key) == RECORD_COUNT + 62)
        assert member.reader.lives[key] == [kept]
        assert member.tally.count(metrics.GAPS_READ_AGAIN) == 1


@pytest.mark.slow
@pytest.mark.kafka
@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_an_answer_that_comes_late_sends_nobody_to_the_end(protocol: str, tmp_path: Path) -> None:
    """Partitions are assigned, and taken again and again, while every answer takes its time."""
    with kafka_behind_wire(tmp_path) as (broker, between), play(broker, protocol, partition_count=4) as stage:
        for _ in range(15):
            stage.produce(20)
        between.answers_after_s = 0.1
        # Little at a time: who is sent elsewhere has not fetched everything before.
        member = stage.join(client_properties={"fetch.message.max.bytes": "2000"}, checkpoint_interval_s=0.1)
        count = RECORD_COUNT + 15 * 20
        member.until(lambda: all(member.reader.read(key)[-1:] == [count - 1] for key in stage.keys))
        assert member.reader.lives == {key: [list(range(count))] for key in stage.keys}
        assert member.tally.count(metrics.GAPS_READ_AGAIN) == 0
