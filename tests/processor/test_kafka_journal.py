"""The journal on real brokers: where records stand, when they were appended, what is read back, and what ends it."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # it exports these without saying so

from loadtest.kafka_broker import own_kafka
from processor import kafka_journal
from processor.journal import Ack, JournalError
from processor.kafka_journal import JournalTopicError, KafkaJournal
from processor.partition_time import wall_clock_ns
from processor.record import PartitionKey
from processor.settings import Settings
from tests.e2e.brokers import Broker, kafka_behind_wire, skipping_without_kafka
from tests.frozen import freeze
from topics.log_reader import Logged, LogReader

APACHE_KAFKA = pytest.param("kafka", marks=pytest.mark.kafka)
ON_KAFKA = pytest.mark.parametrize("broker", [APACHE_KAFKA], indirect=True)
PARTITION_COUNT = 4
TIMEOUT_S = 5.0
NS_PER_S = 10**9


def key(partition: int) -> PartitionKey:
    return PartitionKey("otlp_spans", partition)


def create(servers: str, partition_count: int = PARTITION_COUNT, timestamps: str = "LogAppendTime", max_bytes: int = 2**20) -> str:
    name = f"journal-{uuid4().hex[:8]}"
    admin = AdminClient({"bootstrap.servers": servers})
    admin.create_topics(
        [NewTopic(name, partition_count, 1, config={"message.timestamp.type": timestamps, "max.message.bytes": str(max_bytes)})]
    )[name].result(30)
    # A topic is made before every part of the broker knows of it.
    until = time.monotonic() + 30
    while name not in admin.list_topics(timeout=30).topics:
        assert time.monotonic() < until
        time.sleep(0.05)
    return name


@contextmanager
def journal(servers: str, topic: str, **given: object) -> Iterator[KafkaJournal]:
    settings = {"bootstrap_servers": servers, "delivery_timeout_s": 60, **given}
    with closing(KafkaJournal(Settings.model_validate(settings), topic)) as made:
        yield made


def append_until(found: KafkaJournal, until: float) -> None:
    while time.monotonic() < until:
        found.append([(key(0), b"going on")])


def test_two_producers_get_consecutive_offsets_in_the_order_of_the_log(broker: Broker) -> None:
    topic = create(broker.servers)
    with journal(broker.servers, topic) as one, journal(broker.servers, topic) as other:
        written: dict[int, bytes] = {}
        for number in range(6):
            values = [b"%d.%d" % (number, which) for which in range(1 + number % 3)]
            for ack, value in zip((one, other)[number % 2].append([(key(1), value) for value in values]), values, strict=True):
                written[ack.offset] = value
        assert list(written) == list(range(12))
        assert one.read(key(1), 0, 12) == list(written.items())
        assert other.append([(key(0), b"elsewhere")])[0].offset == 0


def test_an_append_over_all_partitions_answers_in_the_order_of_its_entries(broker: Broker) -> None:
    topic = create(broker.servers)
    with journal(broker.servers, topic) as found:
        entries = [(key(number * 3 % PARTITION_COUNT), b"%d" % number) for number in range(40)]
        acks = found.append(entries)
        for (where, value), ack in zip(entries, acks, strict=True):
            assert found.read(where, ack.offset, ack.offset + 1) == [(ack.offset, value)]
        assert found.append([]) == []


def test_the_time_of_an_append_is_the_brokers_and_unknown_where_it_keeps_the_senders(broker: Broker) -> None:
    with journal(broker.servers, create(broker.servers)) as found:
        found.append([(key(0), b"first")])
        before = wall_clock_ns()
        appended_ns = found.append([(key(0), b"second")])[0].appended_ns
        if broker.is_kafka:
            assert appended_ns is not None
            assert before - NS_PER_S < appended_ns < wall_clock_ns() + NS_PER_S
        else:
            assert appended_ns is None


@ON_KAFKA
def test_a_topic_that_keeps_the_senders_time_tells_none(broker: Broker) -> None:
    topic = create(broker.servers, timestamps="CreateTime")
    with journal(broker.servers, topic) as found:
        assert found.append([(key(0), b"value")]) == [Ack(0, None)]


def test_a_range_is_read_whole_and_nothing_beside_it_again_and_again(broker: Broker) -> None:
    topic = create(broker.servers)
    with journal(broker.servers, topic) as found:
        found.append([(key(number % 2), b"%d" % number) for number in range(400)])
        for begin, end in [(0, 200), (199, 200), (0, 1), (50, 150), (150, 151), (3, 3)] * 5:
            for partition in (1, 0):
                expected = [(offset, b"%d" % (2 * offset + partition)) for offset in range(begin, end)]
                assert found.read(key(partition), begin, end) == expected


def test_a_client_that_is_sent_back_reads_nothing_twice(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    topic = create(broker.servers)
    with journal(broker.servers, topic) as found:
        found.append([(key(0), b"%d" % number) for number in range(20)])
    with LogReader({"bootstrap.servers": broker.servers}, topic, client_id="test") as reader:
        poll, polled = reader.poll, list[int]()

        def poll_twice(timeout_s: float) -> list[Logged]:
            records = poll(timeout_s)
            if records and not polled:
                reader._consumer.seek(TopicPartition(topic, 0, 0))
                while not (again := poll(timeout_s)):
                    pass
                records += again
            polled.extend(record.offset for record in records)
            return records

        monkeypatch.setattr(reader, "poll", poll_twice)
        assert [record.offset for record in reader.read(0, 5, 20)] == list(range(5, 20))
        assert polled.count(5) == 2


def test_who_follows_a_log_is_given_what_its_client_reads_again(broker: Broker) -> None:
    """A topic that was made anew has small offsets again."""
    topic = create(broker.servers)
    with journal(broker.servers, topic) as found:
        found.append([(key(0), b"%d" % number) for number in range(3)])
    with LogReader({"bootstrap.servers": broker.servers}, topic, client_id="test") as reader:
        read: list[int] = []
        reader.begin(0)
        for count in (3, 6):
            while len(read) < count:
                read += [record.offset for record in reader.poll(1.0)]
            reader._consumer.seek(TopicPartition(topic, 0, 0))
        assert read == [0, 1, 2, 0, 1, 2]


@ON_KAFKA
def test_offsets_that_were_never_used_are_left_out(broker: Broker) -> None:
    topic = create(broker.servers)
    # The end of a transaction takes an offset; records of one that was given up are read like any others.
    other = Producer({"bootstrap.servers": broker.servers, "transactional.id": topic})
    other.init_transactions(30)
    for end in (other.commit_transaction, other.abort_transaction):
        other.begin_transaction()
        other.produce(topic, b"of a transaction", partition=0)
        other.flush(30)
        end(30)
    with journal(broker.servers, topic) as found:
        assert found.append([(key(0), b"ours")])[0].offset == 4
        assert [offset for offset, _value in found.read(key(0), 0, 5)] == [0, 2, 4]
        assert [offset for offset, _value in found.read(key(0), 1, 4)] == [2]
        assert found.read(key(0), 3, 4) == []


@ON_KAFKA
def test_a_gap_at_the_end_of_the_log_is_seen_by_its_end(broker: Broker) -> None:
    topic = create(broker.servers)
    other = Producer({"bootstrap.servers": broker.servers, "transactional.id": topic})
    other.init_transactions(30)
    other.begin_transaction()
    other.produce(topic, b"of a transaction", partition=0)
    other.flush(30)
    other.commit_transaction(30)
    with journal(broker.servers, topic) as found:
        assert found.read(key(0), 0, 2) == [(0, b"of a transaction")]


def test_the_first_offset_of_an_empty_log_is_its_end(broker: Broker) -> None:
    with journal(broker.servers, create(broker.servers)) as found:
        assert found.first_offset(key(2)) == 0


@ON_KAFKA
def test_the_first_offset_is_what_retention_left_and_what_it_took_is_not_read(broker: Broker) -> None:
    topic = create(broker.servers)
    admin = AdminClient({"bootstrap.servers": broker.servers})
    with journal(broker.servers, topic) as found:
        found.append([(key(0), b"%d" % number) for number in range(10)])
        for left, expected in ((7, [(7, b"7"), (8, b"8"), (9, b"9")]), (10, [])):
            admin.delete_records([TopicPartition(topic, 0, left)])[TopicPartition(topic, 0)].result(30)
            assert found.first_offset(key(0)) == left
            assert found.read(key(0), 2, 10) == expected


def test_an_end_that_is_not_there_is_no_end_without_end(broker: Broker) -> None:
    topic = create(broker.servers)
    with journal(broker.servers, topic) as writing, journal(broker.servers, topic, delivery_timeout_s=1) as found:
        writing.append([(key(0), b"value")])
        begun = time.monotonic()
        with pytest.raises(JournalError, match="could not be read up to 5"):
            found.read(key(0), 0, 5)
        assert time.monotonic() - begun < 3


def test_a_partition_the_journal_lacks_is_an_error(broker: Broker) -> None:
    with journal(broker.servers, create(broker.servers, 1)) as found:
        found.append([(key(0), b"value")])
        with pytest.raises(JournalError, match=r"journal-\w+\[3\] .*[Uu]nknown partition"):
            found.append([(key(0), b"value"), (key(3), b"value")])


def test_a_full_queue_is_waited_for(broker: Broker) -> None:
    with journal(broker.servers, create(broker.servers), client_properties={"queue.buffering.max.messages": "3"}) as found:
        acks = found.append([(key(0), b"%d" % number) for number in range(20)])
        assert [ack.offset for ack in acks] == list(range(20))


def test_the_journal_needs_a_partition_for_each_of_the_spans(broker: Broker) -> None:
    spans = create(broker.servers, 3)
    enough, few = create(broker.servers, 3), create(broker.servers, 2)
    with journal(broker.servers, enough, spans_topic=spans) as found:
        found.check()
        assert found.partition_counts() == {spans: 3, enough: 3}
    with journal(broker.servers, few, spans_topic=spans) as found, pytest.raises(JournalTopicError, match=f"{few} has 2 .* has 3"):
        found.check()
    with journal(broker.servers, "never-made", spans_topic=spans) as found, pytest.raises(JournalTopicError, match="no topic never-made"):
        found.check()


def test_a_broker_that_is_not_there_is_told_in_bounded_time() -> None:
    with journal("127.0.0.1:1", "journal", delivery_timeout_s=1) as found:
        for call in (
            found.check,
            lambda: found.first_offset(key(0)),
            lambda: found.read(key(0), 0, 1),
            lambda: found.append([(key(0), b"")]),
        ):
            begun = time.monotonic()
            with pytest.raises(JournalError):
                call()
            assert time.monotonic() - begun < 4


@pytest.mark.kafka
@pytest.mark.slow
def test_a_broker_that_freezes_or_dies_in_an_append_ends_the_journal_in_bounded_time(tmp_path: Path) -> None:
    with skipping_without_kafka(lambda: own_kafka(tmp_path)) as kafka:
        topic = create(kafka.servers)
        with journal(kafka.servers, topic) as first:
            # A broker that has just begun gives its first producer an identity after a while only.
            first.append([(key(0), b"first")])
        with ExitStack() as stack:
            frozen, full, killed = (
                stack.enter_context(journal(kafka.servers, topic, delivery_timeout_s=TIMEOUT_S, client_properties=own))
                for own in ({}, {"queue.buffering.max.messages": "3"}, {})
            )
            for one in (frozen, full, killed):
                one.append([(key(0), b"alive")])
            freeze(kafka.process)
            begun = time.monotonic()
            with pytest.raises(JournalError, match=r"timed out|acknowledged"):
                frozen.append([(key(0), b"frozen"), (key(1), b"frozen")])
            assert time.monotonic() - begun < TIMEOUT_S + 2
            with pytest.raises(JournalError, match=r"queue stays full|timed out"):
                full.append([(key(0), b"full")] * 20)
            assert time.monotonic() - begun < 2 * (TIMEOUT_S + 2)
            kafka.process.send_signal(signal.SIGCONT)
            begun = time.monotonic()
            for one in (frozen, full):
                with pytest.raises(JournalError, match="has failed before"):
                    one.append([(key(0), b"again")])
            assert time.monotonic() - begun < 0.1
            threading.Timer(0.5, kafka.process.kill).start()
            begun = time.monotonic()
            with pytest.raises(JournalError):
                append_until(killed, begun + 20)
            assert time.monotonic() - begun < 0.5 + TIMEOUT_S + 2


@pytest.mark.kafka
@pytest.mark.slow
def test_where_a_record_stands_is_known_although_the_answer_was_lost_on_the_way(tmp_path: Path) -> None:
    """The producer sends it again, and the broker, which has it, says where."""
    with kafka_behind_wire(tmp_path) as (broker, between):
        topic = create(broker.servers)
        with journal(broker.servers, topic) as found:
            found.append([(key(0), b"0")])
            for number in range(1, 6):
                between.lose_next_answer()
                assert found.append([(key(0), b"%d" % number)])[0].offset == number
            assert between.lost == 5
            assert found.read(key(0), 0, 6) == [(number, b"%d" % number) for number in range(6)]


class _Forgetful:
    """A producer whose broker took the record and does not say where: what a real one seldom does when a test wants it."""

    purged = 0

    def __init__(self, _properties: object, **_options: object) -> None:
        self._waiting: list[Callable[[], None]] = []

    def produce(self, _topic: str, _value: bytes, *, partition: int, on_delivery: Callable[..., None]) -> None:
        del partition
        self._waiting.append(lambda: on_delivery(None, self))

    def flush(self, _timeout_s: float) -> int:
        for answer in self._waiting:
            answer()
        return 0

    def offset(self) -> int:
        return -1001

    def timestamp(self) -> tuple[int, int]:
        return (2, 1)

    def purge(self, **_options: object) -> None:
        self.purged += 1


def test_an_offset_that_the_broker_does_not_tell_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_journal, "Producer", _Forgetful)
    with journal("127.0.0.1:1", "journal") as found:
        with pytest.raises(JournalError, match=r"journal\[0\] .* does not say at which offset"):
            found.append([(key(0), b"value")])
        with pytest.raises(JournalError, match="has failed before"):
            found.append([(key(0), b"value")])
