"""The consumer's thread, with a consumer that does what it is told: what a real broker seldom does when a test wants it."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from processor import kafka_group, metrics
from processor.kafka_group import PartitionGroup, consumer_properties
from processor.metrics import Tally
from processor.record import PartitionKey, Record
from processor.resume import Commit
from processor.settings import GroupProtocol, InputFormat, Settings

KEY = PartitionKey("otlp_spans", 0)
PARTITION = TopicPartition("otlp_spans", 0)


class Message:
    """A message as confluent_kafka gives it."""

    def __init__(
        self, offset: int, error: KafkaError | None = None, headers: Sequence[tuple[str, bytes]] = (), content: bytes = b"value"
    ) -> None:
        self._offset, self._error, self._headers, self._content = offset, error, list(headers), content

    def topic(self) -> str:
        return KEY.topic

    def partition(self) -> int:
        return KEY.partition

    def offset(self) -> int:
        return self._offset

    def error(self) -> KafkaError | None:
        return self._error

    def timestamp(self) -> tuple[int, int]:
        return (1, 1_000 + self._offset)

    def key(self) -> bytes:
        return b"key"

    def value(self) -> bytes:
        return self._content

    def headers(self) -> list[tuple[str, bytes]]:
        return self._headers


Callback = Callable[..., None]


class FakeConsumer:
    """A group of one: assigned at the first poll, revoked at close."""

    def __init__(self, properties: Mapping[str, Any], **_options: object) -> None:
        self.properties = properties
        self.polls: queue.SimpleQueue[list[Message] | Callable[[], None]] = queue.SimpleQueue()
        self.commits: list[tuple[int, str | None, bool]] = []
        self.starts: list[int] = []
        self.stored = TopicPartition("otlp_spans", 0, -1001)
        self.refuses_commits = False
        self.is_assigned = False

    def subscribe(self, _topics: list[str], *, on_assign: Callback, on_revoke: Callback, on_lost: Callback) -> None:
        self.on_assign, self.on_revoke, self.on_lost = on_assign, on_revoke, on_lost

    def consume(self, _count: int, _timeout_s: float) -> list[Message]:
        if not self.is_assigned:
            self.is_assigned = True
            self.on_assign(self, [PARTITION])
            return []
        try:
            found = self.polls.get(timeout=0.01)
        except queue.Empty:
            return []
        if callable(found):
            found()
            return []
        return found

    def committed(self, _partitions: object, timeout: float) -> list[TopicPartition]:
        assert timeout > 0
        return [self.stored]

    def incremental_assign(self, partitions: list[TopicPartition]) -> None:
        self.starts += [it.offset for it in partitions]

    def incremental_unassign(self, _partitions: object) -> None:
        self.is_assigned = True

    def offsets_for_times(self, partitions: list[TopicPartition], timeout: float) -> list[TopicPartition]:
        assert timeout > 0
        return [TopicPartition(it.topic, it.partition, 10) for it in partitions]

    def commit(self, *, offsets: list[TopicPartition], asynchronous: bool) -> list[TopicPartition]:
        if self.refuses_commits:
            raise KafkaException(KafkaError(KafkaError.ILLEGAL_GENERATION))
        self.commits += [(it.offset, it.metadata, asynchronous) for it in offsets]
        return offsets

    def close(self) -> None:
        self.on_revoke(self, [PARTITION])


class Notebook:
    """A handler that notes its calls."""

    def __init__(self) -> None:
        self.calls: list[object] = []
        self.records: list[Record] = []
        self.position = 0
        self.breaks = False

    def assigned(self, committed: Mapping[PartitionKey, Commit | None]) -> Mapping[PartitionKey, int]:
        self.calls.append(("assigned", dict(committed)))
        return {key: commit.offset for key, commit in committed.items() if commit is not None}

    def chunk(self, key: PartitionKey, records: Sequence[Record], position: int) -> None:
        if self.breaks:
            raise RuntimeError("half a chunk")
        self.calls.append(("chunk", key, [record.offset for record in records], position))
        self.records += records
        self.position = position

    def checkpoint(self, keys: Iterable[PartitionKey]) -> Mapping[PartitionKey, Commit]:
        return {key: Commit(self.position, "note") for key in keys}

    def released(self, keys: Iterable[PartitionKey], *, lost: bool) -> None:
        self.calls.append(("released", list(keys), lost))

    def drain(self) -> None:
        self.calls.append("drain")


class Running:
    """A group that runs on the fake consumer."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **settings: object) -> None:
        self.consumers: list[FakeConsumer] = []
        monkeypatch.setattr(kafka_group, "Consumer", self._consumer)
        self.handler, self.tally = Notebook(), Tally()
        self.ended: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
        self.stored: TopicPartition | None = None
        self.group = PartitionGroup(Settings.model_validate({"checkpoint_interval_s": 0.05, **settings}), self.tally, self.ended.put)

    def _consumer(self, properties: Mapping[str, Any], **options: object) -> FakeConsumer:
        made = FakeConsumer(properties, **options)
        if self.stored is not None:
            made.stored = self.stored
        self.consumers.append(made)
        return made

    @property
    def consumer(self) -> FakeConsumer:
        return self.consumers[0]

    def start(self) -> Running:
        self.group.drive(self.handler)
        self.until(lambda: bool(self.consumers) and self.group.has_joined)
        return self

    def until(self, holds: Callable[[], bool]) -> None:
        end = time.monotonic() + 10
        while not holds():
            assert time.monotonic() < end
            time.sleep(0.005)

    def stop(self) -> BaseException | None:
        self.group.stop()
        reason = self.ended.get(timeout=10)
        self.group.join(10)
        return reason


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    made = Running(monkeypatch)
    yield made
    made.group.stop()
    if made.group.is_alive():
        made.group.join(10)


def test_a_partition_starts_at_its_committed_offset_with_the_note_of_that_commit(running: Running) -> None:
    running.stored = TopicPartition("otlp_spans", 0, 7, "note")
    running.start()
    assert running.handler.calls[0] == ("assigned", {KEY: Commit(7, "note")})
    assert running.consumer.starts == [7]


def test_a_partition_without_a_commit_starts_where_its_log_does(running: Running) -> None:
    running.start()
    assert running.handler.calls[0] == ("assigned", {KEY: None})
    assert running.consumer.starts == [-1001]


def test_records_come_in_chunks_and_an_end_of_partition_moves_the_position(running: Running) -> None:
    running.start()
    running.consumer.polls.put([Message(0), Message(1)])
    running.consumer.polls.put([Message(5, KafkaError(KafkaError._PARTITION_EOF))])
    running.until(lambda: running.handler.position == 5)
    assert running.handler.calls[1:] == [("chunk", KEY, [0, 1], 2), ("chunk", KEY, [], 5)]
    assert [record.timestamp_ns for record in running.handler.records] == [1_000_000_000, 1_001_000_000]


def test_a_stop_makes_a_last_checkpoint_and_releases_what_was_owned(running: Running) -> None:
    running.start()
    running.consumer.polls.put([Message(0)])
    running.until(lambda: running.handler.position == 1)
    assert running.stop() is None
    assert running.consumer.commits[-1][:2] == (1, "note")
    assert running.handler.calls[-1] == ("released", [KEY], False)


def test_an_unchanged_commit_is_not_sent_again(running: Running) -> None:
    running.start()
    running.consumer.polls.put([Message(0)])
    running.until(lambda: (1, "note", True) in running.consumer.commits)
    time.sleep(0.2)
    assert running.consumer.commits.count((1, "note", True)) == 1


def test_a_handler_that_fails_is_treated_as_lost_and_nothing_of_it_is_committed(running: Running) -> None:
    running.start()
    running.handler.breaks = True
    running.consumer.polls.put([Message(0)])
    reason = running.ended.get(timeout=10)
    assert isinstance(reason, RuntimeError)
    assert running.handler.calls[-1] == ("released", [KEY], True)
    assert all(offset == 0 for offset, _note, _asynchronous in running.consumer.commits)


def test_the_fatal_error_that_says_it_is_not_fatal_ends_the_thread(running: Running) -> None:
    running.start()
    error = KafkaError(KafkaError._FATAL)
    assert not error.fatal()
    running.consumer.polls.put(lambda: running.consumer.properties["error_cb"](error))
    assert isinstance(running.ended.get(timeout=10), KafkaException)


def test_other_errors_of_the_client_are_warned_of_once_and_survived(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    running.start()
    error = KafkaError(KafkaError._ALL_BROKERS_DOWN)
    for _ in range(5):
        running.consumer.polls.put(lambda: running.consumer.properties["error_cb"](error))
    running.consumer.polls.put([Message(0)])
    running.until(lambda: running.handler.position == 1)
    assert caplog.text.count("_ALL_BROKERS_DOWN") <= 1
    assert running.stop() is None


def test_a_refused_commit_is_counted_and_tried_again(running: Running) -> None:
    running.start()
    running.consumer.refuses_commits = True
    running.consumer.polls.put([Message(0)])
    running.until(lambda: running.tally.count(metrics.COMMITS_REFUSED) > 1)
    running.consumer.refuses_commits = False
    running.until(lambda: bool(running.consumer.commits))


def test_lost_partitions_are_released_without_a_checkpoint(running: Running) -> None:
    running.start()
    running.consumer.polls.put(lambda: running.consumer.on_lost(running.consumer, [PARTITION]))
    running.until(lambda: ("released", [KEY], True) in running.handler.calls)
    assert running.group.owned == set()


def test_records_of_a_partition_that_is_not_owned_are_left_alone(running: Running) -> None:
    running.start()
    running.consumer.polls.put(lambda: running.consumer.on_lost(running.consumer, [PARTITION]))
    running.consumer.polls.put([Message(0)])
    running.until(running.consumer.polls.empty)
    running.stop()
    assert running.handler.records == []


def test_a_submitted_call_runs_in_the_thread_and_gives_its_answer_or_its_error(running: Running) -> None:
    running.start()
    assert running.group.submit(lambda: running.group.log_ends([KEY])).result(10) == {KEY: 10}
    with pytest.raises(ZeroDivisionError):
        running.group.submit(lambda: 1 // 0).result(10)


def test_a_worker_that_drains_on_stop_reads_to_the_end_before_it_closes_its_traces(monkeypatch: pytest.MonkeyPatch) -> None:
    running = Running(monkeypatch, drains_on_stop=True).start()
    running.group.stop()
    running.consumer.polls.put([Message(9)])
    running.ended.get(timeout=10)
    names = [call if isinstance(call, str) else cast("tuple[str, ...]", call)[0] for call in running.handler.calls]
    assert names == ["assigned", "chunk", "drain", "released"]


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
    monkeypatch: pytest.MonkeyPatch, given: InputFormat, value: bytes, headers: list[tuple[str, bytes]], expected: str
) -> None:
    running = Running(monkeypatch, input_format=given).start()
    running.consumer.polls.put([Message(0, headers=headers, content=value)])
    running.until(lambda: bool(running.handler.records))
    running.stop()
    assert running.handler.records[0].format == expected


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
