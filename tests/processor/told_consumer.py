"""A consumer that does what it is told, a handler that notes its calls, and the group between them."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

import pytest
from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, KafkaError, KafkaException, Message, TopicPartition

from processor import kafka_group
from processor.group_handler import Checkpointed, Taking
from processor.kafka_group import PartitionGroup
from processor.metrics import Tally
from processor.record import PartitionKey, Record
from processor.settings import Settings

KEY = PartitionKey("otlp_spans", 0)
PARTITION = TopicPartition("otlp_spans", 0)
# What the client's own annotations let a message be made of.
GivenHeaders = list[tuple[str, str | bytes | None]] | dict[str, str | bytes | None]


def message(
    offset: int,
    error: KafkaError | None = None,
    headers: GivenHeaders | None = None,
    content: bytes | None = b"value",
    partition: int = 0,
    timestamp: tuple[int, int] | None = None,
) -> Message:
    """Return a message as a consumer gives it."""
    return Message(
        topic="otlp_spans",
        partition=partition,
        offset=offset,
        key=b"key",
        value=content,
        headers=headers,
        error=error,
        timestamp=timestamp or (1, 1_000 + offset),
    )


Callback = Callable[..., None]


class FakeConsumer:
    """A group of one: assigned at the first poll, revoked at close. `calls` is shared with the handler, so that their order shows."""

    def __init__(self, properties: Mapping[str, Any], calls: list[object]) -> None:
        self.properties = properties
        self.calls = calls
        self.polls: queue.SimpleQueue[list[Message] | Callable[[], None]] = queue.SimpleQueue()
        self.commits: list[tuple[int, bool]] = []
        self.stored = -1001
        self.fetched_first = -1001
        self.refuses_commits = False
        self.leaderless = 0
        self.is_begun = False
        # Given by the group, and those of them that the client reads.
        self.given: set[int] = set()
        self.assigned: set[int] = set()
        self.sought: list[int] = []
        self.waits_s: list[float] = []
        self.on_close: Callable[[], None] = lambda: None

    def subscribe(self, _topics: list[str], *, on_assign: Callback, on_revoke: Callback, on_lost: Callback) -> None:
        def taking_back(told: Callback) -> Callback:
            def take_back(consumer: FakeConsumer, partitions: list[TopicPartition]) -> None:
                told(consumer, partitions)
                self.given -= {it.partition for it in partitions}
                assert not self.assigned - self.given

            return take_back

        self.on_assign, self.on_revoke, self.on_lost = on_assign, taking_back(on_revoke), taking_back(on_lost)

    def consume(self, _count: int, timeout_s: float) -> list[Message]:
        self.waits_s.append(timeout_s)
        if not self.is_begun:
            self.is_begun = True
            self.give([PARTITION])
            return []
        try:
            found = self.polls.get(timeout=0.01)
        except queue.Empty:
            return []
        if callable(found):
            found()
            return []
        return found

    def committed(self, partitions: list[TopicPartition], timeout: float) -> list[TopicPartition]:
        assert timeout > 0
        return [TopicPartition(it.topic, it.partition, self.stored) for it in partitions]

    def give(self, partitions: list[TopicPartition]) -> None:
        """Let the group give partitions."""
        self.given |= {it.partition for it in partitions}
        self.on_assign(self, partitions)

    def incremental_assign(self, partitions: list[TopicPartition]) -> None:
        for it in partitions:
            assert it.partition in self.given - self.assigned
            assert it.offset >= 0 or it.offset == OFFSET_BEGINNING
            self.assigned.add(it.partition)
            self.calls.append(("start", it.offset))

    def incremental_unassign(self, partitions: list[TopicPartition]) -> None:
        taken = {it.partition for it in partitions}
        assert taken <= self.assigned
        self.assigned -= taken

    def seek(self, partition: TopicPartition) -> None:
        assert partition.partition in self.assigned
        self.sought.append(partition.offset)
        self.calls.append(("start", partition.offset))

    def offsets_for_times(self, partitions: list[TopicPartition], timeout: float) -> list[TopicPartition]:
        assert timeout > 0
        assert len({it.partition for it in partitions}) == len(partitions)
        if self.leaderless:
            self.leaderless -= 1
            raise KafkaException(KafkaError(KafkaError.NOT_LEADER_FOR_PARTITION))
        return [TopicPartition(it.topic, it.partition, {OFFSET_END: 10, OFFSET_BEGINNING: 3}[it.offset]) for it in partitions]

    def get_watermark_offsets(self, _partition: TopicPartition, *, cached: bool) -> tuple[int, int]:
        assert cached
        return self.fetched_first, 10

    def commit(self, *, offsets: list[TopicPartition], asynchronous: bool) -> list[TopicPartition]:
        if self.refuses_commits:
            raise KafkaException(KafkaError(KafkaError.ILLEGAL_GENERATION))
        for it in offsets:
            self.calls.append(("commit", it.offset))
            self.commits.append((it.offset, asynchronous))
        return offsets

    def close(self) -> None:
        if self.given:
            self.on_revoke(self, [PARTITION])
        self.on_close()


class Notebook:
    """A handler that notes its calls."""

    def __init__(self) -> None:
        self.calls: list[object] = []
        self.records: list[Record] = []
        self.checkpoints: list[float] = []
        self.amid: list[bool] = []
        self.position = 0
        self.breaks = False
        self.breaks_on_hand_over = False
        self.is_urgent = False
        self.steps, self.seconds_per_step = 0, 0.0
        self.seconds_per_chunk = self.seconds_per_checkpoint = 0.0
        self.retake: list[PartitionKey] = []
        self.start: int | None = None

    def taking(self, committed: Mapping[PartitionKey, int | None]) -> Taking:
        self.calls.append(("assigned", dict(committed)))
        for _ in range(self.steps):
            self.calls.append(("step",))
            time.sleep(self.seconds_per_step)
            try:
                yield
            except GeneratorExit:
                self.calls.append(("given up",))
                raise
        offsets = {key: offset if self.start is None else self.start for key, offset in committed.items()}
        return {key: offset for key, offset in offsets.items() if offset is not None}

    def chunk(self, key: PartitionKey, records: Sequence[Record], position: int) -> None:
        if self.breaks:
            raise RuntimeError("half a chunk")
        self.calls.append(("chunk", key, [record.offset for record in records], position))
        time.sleep(self.seconds_per_chunk)
        self.records += records
        self.position = position

    def checkpoint(self, keys: Iterable[PartitionKey], *, handing_over: bool = False, is_amid: bool = False) -> Checkpointed:
        self.checkpoints.append(time.monotonic())
        time.sleep(self.seconds_per_checkpoint)
        self.amid.append(is_amid)
        if handing_over:
            self.calls.append(("hand over", list(keys)))
            if self.breaks_on_hand_over:
                raise RuntimeError("the journal does not answer")
        retake, self.retake = self.retake, []
        return Checkpointed({key: self.position for key in keys if key not in retake}, retake)

    def released(self, keys: Iterable[PartitionKey], *, lost: bool) -> None:
        self.calls.append(("released", list(keys), lost))

    def drain(self) -> None:
        self.calls.append(("drain",))

    def names(self) -> list[str]:
        """The calls by name, without commits, which come when it is time."""
        return [name for call in self.calls if (name := cast("tuple[str, ...]", call)[0]) != "commit"]


class Running:
    """A group that runs on the fake consumer."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **settings: object) -> None:
        self.consumers: list[FakeConsumer] = []
        monkeypatch.setattr(kafka_group, "Consumer", self._consumer)
        self.handler, self.tally = Notebook(), Tally()
        self.ended: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
        self.stored = -1001
        self.group = PartitionGroup(Settings.model_validate({"checkpoint_interval_s": 0.05, **settings}), self.tally, self.ended.put)

    def _consumer(self, properties: Mapping[str, Any], **_options: object) -> FakeConsumer:
        made = FakeConsumer(properties, self.handler.calls)
        made.stored = self.stored
        self.consumers.append(made)
        return made

    @property
    def consumer(self) -> FakeConsumer:
        return self.consumers[0]

    def start(self) -> Running:
        self.group.drive(self.handler)
        self.until(lambda: KEY in self.group.owned)
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
