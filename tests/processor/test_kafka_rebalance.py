"""The group on real brokers: what is taken anew, what is handed over, and who slept too long."""

from __future__ import annotations

import queue
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # it exports these without saying so

from processor.group_handler import Bounds, Checkpointed, Taking
from processor.kafka_group import PartitionGroup
from processor.kafka_journal import KafkaJournal
from processor.metrics import COMMITS_REFUSED, Tally
from processor.record import PartitionKey, Record
from processor.settings import Settings
from tests.e2e.brokers import Broker

RECORD_COUNT = 400
WAIT_S = 60.0


_ON_KAFKA = (
    pytest.param("kafka", "classic", marks=pytest.mark.kafka),
    pytest.param("kafka", "consumer", marks=pytest.mark.kafka),
)
on_kafka = pytest.mark.parametrize(("broker", "protocol"), _ON_KAFKA, indirect=["broker"])
# The embedded broker has classic groups only.
on_each = pytest.mark.parametrize(("broker", "protocol"), [("embedded", "classic"), *_ON_KAFKA], indirect=["broker"])


class Reader:
    """A handler that reads, and appends to a journal inside each rebalance and at each checkpoint, as the core does."""

    def __init__(self, settings: Settings, topic: str) -> None:
        self.journal = KafkaJournal(settings, topic)
        self.lives: defaultdict[PartitionKey, list[list[int]]] = defaultdict(list)
        self.ends: list[tuple[PartitionKey, bool]] = []
        self.handed_over: list[PartitionKey] = []
        self.committed: dict[PartitionKey, int | None] = {}
        self.start: int | None = None
        self.retake: list[PartitionKey] = []
        self.is_urgent = False
        self.before_chunk: Callable[[], None] = lambda: None
        self.at_assignment: Callable[[], None] = lambda: None

    def taking(self, committed: Mapping[PartitionKey, int | None]) -> Taking:
        self.committed |= committed
        yield
        self.at_assignment()
        self.journal.append([(key, b"fence") for key in committed])
        for key in committed:
            self.lives[key].append([])
        return {key: self.start if self.start is not None else offset or 0 for key, offset in committed.items()}

    def chunk(self, key: PartitionKey, records: Sequence[Record], position: int) -> None:
        self.before_chunk()
        self.lives[key][-1] += [record.offset for record in records]
        assert not records or position > records[-1].offset

    def checkpoint(self, keys: Iterable[PartitionKey], *, handing_over: bool = False, is_amid: bool = False) -> Checkpointed:
        del is_amid
        taken, self.retake = self.retake, []
        kept = [key for key in keys if key not in taken]
        self.journal.append([(key, b"checkpoint") for key in kept])
        self.handed_over += kept if handing_over else []
        return Checkpointed({key: self.read(key)[-1] + 1 for key in kept if self.read(key)}, taken)

    def released(self, keys: Iterable[PartitionKey], *, lost: bool) -> None:
        self.ends += [(key, lost) for key in keys]

    def read(self, key: PartitionKey) -> list[int]:
        """The offsets read since the partition was taken last."""
        return self.lives[key][-1] if self.lives[key] else []

    def drain(self) -> None:
        raise AssertionError("nobody asked for it")


class Member:
    """A worker's group with such a handler."""

    def __init__(self, settings: Settings, journal_topic: str) -> None:
        self.tally = Tally()
        self.ended: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
        self.reader = Reader(settings, journal_topic)
        self.group = PartitionGroup(settings, self.tally, self.ended.put)

    def until(self, holds: Callable[[], bool]) -> None:
        end = time.monotonic() + WAIT_S
        while not holds():
            assert self.group.is_alive(), self.ended.get()
            assert time.monotonic() < end, (self.reader.lives, self.reader.ends)
            time.sleep(0.01)


class Play:
    """Topics of one test, and its members."""

    def __init__(self, broker: Broker, protocol: str, partition_count: int) -> None:
        self.broker, self.protocol = broker, protocol
        self.name = uuid4().hex[:8]
        self.spans, self.journal = f"spans-{self.name}", f"journal-{self.name}"
        self.keys = [PartitionKey(self.spans, partition) for partition in range(partition_count)]
        self.members: list[Member] = []
        admin = AdminClient({"bootstrap.servers": broker.servers})
        for made in admin.create_topics([NewTopic(name, partition_count, 1) for name in (self.spans, self.journal)]).values():
            made.result(30)
        self.produce(RECORD_COUNT)

    def produce(self, count: int) -> None:
        producer = Producer({"bootstrap.servers": self.broker.servers, "linger.ms": 50})
        for number in range(count):
            for key in self.keys:
                producer.produce(self.spans, b"%d" % number, partition=key.partition)
        assert producer.flush(30) == 0

    def join(self, prepare: Callable[[Member], None] = lambda _member: None, **given: object) -> Member:
        settings: dict[str, Any] = {
            "bootstrap_servers": self.broker.servers,
            "group_id": f"group-{self.name}",
            "group_protocol": self.protocol,
            "spans_topic": self.spans,
            "checkpoint_interval_s": 0.2,
            "records_per_chunk_max": 50,
            **given,
        }
        member = Member(Settings.model_validate(settings), self.journal)
        self.members.append(member)
        prepare(member)
        member.group.drive(member.reader)
        return member

    def end(self) -> None:
        for member in self.members:
            member.group.stop()
        for member in self.members:
            member.group.join(WAIT_S)
            member.reader.journal.close()


@contextmanager
def play(broker: Broker, protocol: str, partition_count: int = 2) -> Iterator[Play]:
    made = Play(broker, protocol, partition_count)
    try:
        yield made
    finally:
        made.end()


@on_each
def test_a_partition_taken_anew_begins_at_its_new_start_and_the_others_go_on(broker: Broker, protocol: str) -> None:
    with play(broker, protocol) as stage:
        member, (moved, stays) = stage.join(), stage.keys
        member.until(lambda: all(len(member.reader.read(key)) > 100 for key in stage.keys))
        member.reader.start = 7
        member.reader.retake = [moved]
        member.until(lambda: len(member.reader.lives[moved]) == 2)
        member.until(lambda: all(member.reader.read(key)[-1:] == [RECORD_COUNT - 1] for key in stage.keys))
        # Nothing that had been fetched for the first life got into the second, and nothing is missing.
        assert member.reader.lives[moved][1] == list(range(7, RECORD_COUNT))
        assert member.reader.lives[stays] == [list(range(RECORD_COUNT))]
        assert member.reader.ends == [(moved, True)]
        # What is read from then on is committed as before.
        stage.produce(1)
        member.until(lambda: all(member.reader.read(key)[-1:] == [RECORD_COUNT] for key in stage.keys))
        member.group.stop()
        assert member.ended.get(timeout=WAIT_S) is None
        assert sorted(member.reader.handed_over) == stage.keys
        assert member.reader.ends[1:] == [(key, False) for key in member.reader.handed_over]
        successor = stage.join()
        successor.until(lambda: len(successor.reader.committed) == 2)
        assert successor.reader.committed == dict.fromkeys(stage.keys, RECORD_COUNT + 1)


@on_each
def test_a_partition_taken_anew_can_be_handed_over_to_a_newcomer(broker: Broker, protocol: str) -> None:
    with play(broker, protocol) as stage:
        first = stage.join()
        first.until(lambda: all(first.reader.read(key) for key in stage.keys))
        first.reader.retake = list(stage.keys)
        first.until(lambda: all(len(first.reader.lives[key]) == 2 for key in stage.keys))
        stage.produce(1)
        first.until(lambda: all(first.reader.read(key)[-1:] == [RECORD_COUNT] for key in stage.keys))
        second = stage.join()
        second.until(lambda: any(second.reader.lives.values()))
        first.until(lambda: len(first.group.owned) == len(second.group.owned) == 1)
        # The newcomer starts where the other one stopped.
        (passed,) = second.group.owned
        assert second.reader.committed[passed] == RECORD_COUNT + 1
        assert (passed, False) in first.reader.ends


@on_kafka
def test_where_logs_begin_and_end_is_known_before_a_partition_is_read_and_follows_retention(broker: Broker, protocol: str) -> None:
    with play(broker, protocol) as stage:
        admin = AdminClient({"bootstrap.servers": broker.servers})

        def remove_before(offset: int) -> None:
            partition = TopicPartition(stage.spans, 0, offset)
            admin.delete_records([partition])[partition].result(30)

        remove_before(30)
        seen: dict[PartitionKey, Bounds] = {}

        def look(member: Member) -> None:
            member.reader.at_assignment = lambda: seen.update(member.group.log_bounds(stage.keys))

        member = stage.join(look)
        member.until(lambda: all(member.reader.read(key)[-1:] == [RECORD_COUNT - 1] for key in stage.keys))
        assert seen == {stage.keys[0]: Bounds(30, RECORD_COUNT), stage.keys[1]: Bounds(0, RECORD_COUNT)}
        remove_before(50)
        stage.produce(1)
        later = {stage.keys[0]: Bounds(50, RECORD_COUNT + 1), stage.keys[1]: Bounds(0, RECORD_COUNT + 1)}
        member.until(lambda: member.group.submit(lambda: member.group.log_bounds(stage.keys)).result(WAIT_S) == later)
        member.until(lambda: all(reading.is_caught_up for reading in member.group.reading().values()))


@pytest.mark.slow
@on_each
def test_who_slept_too_long_does_not_take_a_partition_from_its_new_owner(broker: Broker, protocol: str) -> None:
    """Its handler finds out by the journal, sooner than by the group; which then refuses its word and takes the partition."""
    with play(broker, protocol, partition_count=1) as stage:
        (key,) = stage.keys
        sleeper = stage.join(client_properties={"max.poll.interval.ms": "6000"})
        sleeper.until(lambda: sleeper.reader.read(key)[-1:] == [RECORD_COUNT - 1])
        heir = stage.join()
        time.sleep(1)

        def sleep() -> None:
            sleeper.reader.before_chunk = lambda: None
            heir.until(lambda: bool(heir.reader.lives[key]))
            sleeper.reader.retake = [key]

        sleeper.reader.before_chunk = sleep
        stage.produce(1)
        sleeper.until(lambda: (key, True) in sleeper.reader.ends)
        sleeper.until(lambda: sleeper.tally.count(COMMITS_REFUSED) > 0)
        time.sleep(2)
        assert heir.group.owned == {key}
        assert len(heir.reader.lives[key]) == 1
        assert len(sleeper.reader.lives[key]) == 1
