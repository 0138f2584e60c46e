"""The journal on Kafka (processor.journal.Journal): one topic, each of its partitions beside the partition of the spans of that number.

It has a producer and a consumer of its own, so it may be called wherever the group's consumer may not: inside a rebalance too.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, KafkaError, KafkaException, Message, Producer

from processor.journal import Ack, JournalError
from topics.connection import Refusal, words_of
from topics.log_reader import LogError, LogReader

if TYPE_CHECKING:
    from processor.record import PartitionKey
    from processor.settings import Settings

log = logging.getLogger(__name__)

_NS_PER_MS = 1_000_000
_RECORD_BYTES_MAX = 8 * 2**20
_POLL_S = 0.1
_CLIENT_ID = "betrace-worker-journal"

_Delivered = Callable[["KafkaError | None", "Message | None"], None]


class JournalTopicError(Exception):
    """The journal's topic is missing or has too few partitions; no worker can run without it. The text says what to do."""


class KafkaJournal:
    """The journal of one worker; used by one thread. Make it early: it takes a producer half a second to be known to the broker."""

    def __init__(self, settings: Settings, topic: str) -> None:
        self._topic = topic
        self._spans_topic = settings.spans_topic
        self._timeout_s = settings.delivery_timeout_s
        self._refusal = Refusal()
        self._failure = ""
        self._producer = Producer({**_producer_properties(settings), "error_cb": self._refusal}, logger=log)
        self._reader = LogReader(_reader_properties(settings), topic, client_id=_CLIENT_ID, timeout_s=self._timeout_s)

    def close(self) -> None:
        """Let go of the broker; what is not acknowledged by now is dropped."""
        self._producer.purge()
        self._reader.close()

    def partition_counts(self) -> dict[str, int]:
        """Return how many partitions the topics of the spans and of the journal have, those of them that exist."""
        with _told():
            counts = self._reader.partition_counts()
        return {name: counts[name] for name in (self._spans_topic, self._topic) if name in counts}

    def check(self) -> None:
        """Raise JournalTopicError unless every partition of the spans has its partition in the journal."""
        counts = self.partition_counts()
        wanted, found = counts.get(self._spans_topic, 0), counts.get(self._topic)
        if found is None:
            raise JournalTopicError(f"there is no topic {self._topic}, the journal of {self._spans_topic}: run `betrace topics apply`")
        if found < wanted:
            raise JournalTopicError(
                f"{self._topic} has {found} partitions and {self._spans_topic} has {wanted}: the journal needs as many. "
                f"Add partitions to {self._topic}"
            )

    def append(self, entries: Sequence[tuple[PartitionKey, bytes]]) -> list[Ack]:
        """Append all and wait until all replicas have them; return where each stands.

        Raises JournalError where one is refused, is not acknowledged within `delivery_timeout_s`, or stands nobody says where. What became
        of it is then unknown, and the journal of no more use.
        """
        if self._failure:
            raise JournalError(f"the journal has failed before: {self._failure}")
        try:
            return self._append(entries)
        except JournalError as error:
            self._failure = str(error)
            # Nothing of it may still be sent while its sender believes that it was not.
            self._producer.purge(blocking=False)
            raise

    def read(self, key: PartitionKey, begin: int, end: int) -> list[tuple[int, bytes]]:
        """Return what is there of the offsets from `begin` up to, not including, `end`; JournalError after `delivery_timeout_s`."""
        with _told():
            return [(record.offset, record.value or b"") for record in self._reader.read(key.partition, begin, end)]

    def first_offset(self, key: PartitionKey) -> int:
        """Return the first offset that is kept, the log's end where nothing is."""
        with _told():
            return self._reader.first_offset(key.partition)

    def _append(self, entries: Sequence[tuple[PartitionKey, bytes]]) -> list[Ack]:
        answers = _Answers([None] * len(entries))
        until = time.monotonic() + self._timeout_s
        for number, (key, value) in enumerate(entries):
            self._produce(key, value, partial(answers.take, number, self._named(key)), until)
        # The producer gives up by itself after the same time; its last reports come a moment later.
        self._producer.flush(max(0.0, until - time.monotonic()) + 1)
        if answers.errors:
            raise JournalError(self._refusal.explain(answers.errors[0]))
        known = [ack for ack in answers.acks if ack is not None]
        if len(known) < len(entries):
            text = f"{len(entries) - len(known)} of {len(entries)} records of {self._topic} were not acknowledged in {self._timeout_s} s"
            raise JournalError(self._refusal.explain(text))
        return known

    def _produce(self, key: PartitionKey, value: bytes, on_delivery: _Delivered, until: float) -> None:
        while True:
            try:
                self._producer.produce(self._topic, value, partition=key.partition, on_delivery=on_delivery)
            except BufferError:
                if time.monotonic() > until:
                    raise JournalError(self._refusal.explain("the producer's queue stays full: the broker takes nothing")) from None
                self._producer.poll(_POLL_S)
            except KafkaException as error:
                raise JournalError(f"{self._named(key)} cannot be appended to: {self._refusal.explain(words_of(error))}") from error
            else:
                return

    def _named(self, key: PartitionKey) -> str:
        return f"{self._topic}[{key.partition}]"


@contextmanager
def _told() -> Iterator[None]:
    """Tell of a log that cannot be read as the core knows it."""
    try:
        yield
    except LogError as error:
        raise JournalError(str(error)) from error


@dataclass(frozen=True, slots=True)
class _Answers:
    """What the broker answers to each record of one append."""

    acks: list[Ack | None]
    errors: list[str] = field(default_factory=list)

    def take(self, number: int, partition: str, error: KafkaError | None, message: Message | None) -> None:
        """Take the report on a record, by its number in the append."""
        offset = -1 if message is None else message.offset()
        if error is not None:
            self.errors.append(f"{partition} was not appended to: {error.str()}")
        elif message is None or offset is None or offset < 0:
            # A broker that had taken it before its answer got lost knows that it has it, and not always where.
            self.errors.append(f"{partition} was appended to, but the broker does not say at which offset")
        else:
            kind, timestamp_ms = message.timestamp()
            self.acks[number] = Ack(offset, timestamp_ms * _NS_PER_MS if kind == TIMESTAMP_LOG_APPEND_TIME else None)


def _producer_properties(settings: Settings) -> dict[str, Any]:
    return {
        "client.id": _CLIENT_ID,
        "enable.idempotence": True,
        "acks": "all",
        "linger.ms": 0,
        "delivery.timeout.ms": round(settings.delivery_timeout_s * 1000),
        "compression.type": "lz4",
        "message.max.bytes": _RECORD_BYTES_MAX,
        "allow.auto.create.topics": False,
        **settings.connection_properties(),
    }


def _reader_properties(settings: Settings) -> dict[str, str]:
    return {
        "group.id": settings.group_id,
        # There is no session; its default would not go with a short max.poll.interval.ms among the client_properties.
        "session.timeout.ms": "6000",
        "isolation.level": "read_uncommitted",
        # Nobody waits at the end of this log: a read stops where it was told to.
        "fetch.wait.max.ms": "1",
        **settings.connection_properties(),
    }
