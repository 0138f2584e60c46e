"""Reads a partition of a topic as a log: by offsets, without a group, without commits."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from topics.connection import Refusal, words_of

if TYPE_CHECKING:
    from confluent_kafka import Message

log = logging.getLogger(__name__)

FIRST = 0
_POLL_S = 0.1
_READ_AT_ONCE = 1_000
# Said while a broker is away, or the leader moves; the client goes on by itself.
_PASSING = frozenset({KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT, KafkaError._TIMED_OUT})  # noqa: SLF001 - names of constants
_NO_TOPIC = frozenset({KafkaError._UNKNOWN_TOPIC, KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_PARTITION})  # noqa: SLF001 - as above


class LogError(Exception):
    """A topic could not be read or written in time; the text says which and why."""


class NoTopicError(LogError):
    """There is no such topic."""


class Logged(NamedTuple):
    """A record of a log. `value` None: the record deletes its key."""

    offset: int
    key: bytes | None
    value: bytes | None


class LogReader:
    """Reads one topic; used by one thread. `connection` are librdkafka's properties (topics.connection); nothing waits over `timeout_s`.

    `position` is the offset behind what has been read; `is_at_end` says whether it is the log's end.
    """

    def __init__(self, connection: Mapping[str, str], topic: str, *, client_id: str, timeout_s: float = 30.0) -> None:
        self.topic = topic
        self.is_at_end = False
        self.position = 0
        self._timeout_s = timeout_s
        self._refusal = Refusal()
        properties: dict[str, object] = {
            "client.id": client_id,
            # librdkafka wants a group's name; with assign() and without commits there is no group.
            "group.id": client_id,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
            "allow.auto.create.topics": False,
            "fetch.wait.max.ms": 100,
            "fetch.queue.backoff.ms": 5,
            "error_cb": self._refusal,
            # What it logs comes back as an error as well.
            "log_level": "0",
            **connection,
        }
        try:
            self._consumer = Consumer(properties, logger=log)
        except KafkaException as error:
            raise LogError(f"the Kafka client refuses its properties: {words_of(error)}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the broker."""
        self._consumer.close()

    def partition_count(self) -> int:
        """Return how many partitions the topic has; raises NoTopicError where it is not there."""
        found = self._topics().get(self.topic)
        if found is None or (found.error is not None and found.error.code() in _NO_TOPIC):
            raise NoTopicError(f"there is no topic {self.topic}: run `betrace topics apply`")
        return len(found.partitions)

    def partition_counts(self) -> dict[str, int]:
        """Return how many partitions each topic of the broker has that can be used."""
        return {name: len(topic.partitions) for name, topic in self._topics().items() if topic.error is None}

    def _topics(self) -> Mapping[str, Any]:
        """Return what a broker tells of each topic, by its name."""
        try:
            found: Mapping[str, Any] = self._consumer.list_topics(timeout=self._timeout_s).topics
        except KafkaException as error:
            raise LogError(f"no broker tells its topics: {self._words(error)}") from error
        return found

    def first_offset(self, partition: int) -> int:
        """Return the first offset that is kept, the log's end where nothing is."""
        return self._bounds(partition)[0]

    def end(self, partition: int) -> int:
        """Return the offset behind the last record: found by reading on, for a broker may tell an end that it has passed already."""
        until = time.monotonic() + self._timeout_s
        self.begin(partition, self._bounds(partition)[1])
        while not self.is_at_end:
            self._poll_until(until, f"the end of {self.topic}[{partition}] was not found")
        return self.position

    def _bounds(self, partition: int) -> tuple[int, int]:
        until = time.monotonic() + self._timeout_s
        while True:
            left_s = max(_POLL_S, until - time.monotonic())
            try:
                return self._consumer.get_watermark_offsets(TopicPartition(self.topic, partition), timeout=left_s)
            except KafkaException as error:
                # A partition whose leader is about to change has none to answer for a moment.
                if time.monotonic() > until:
                    raise LogError(f"{self.topic}[{partition}] does not tell where it begins and ends: {self._words(error)}") from error
                time.sleep(_POLL_S)

    def begin(self, partition: int, offset: int = FIRST) -> None:
        """Let `poll` give the records from this offset on; from the first that is kept where it is gone."""
        self.is_at_end, self.position = False, offset
        self._consumer.assign([TopicPartition(self.topic, partition, offset)])

    def poll(self, timeout_s: float) -> list[Logged]:
        """Return what comes within this time, in order."""
        # A consumer that is asked for many waits until it has them all; asked for one it gives it, and the rest is there at once.
        first = self._consumer.poll(timeout_s)
        found = [] if first is None else [first, *self._consumer.consume(_READ_AT_ONCE, 0)]
        return [record for message in found if (record := self._record(message)) is not None]

    def read(self, partition: int, begin: int, end: int) -> list[Logged]:
        """Return what is there of the offsets from `begin` up to, not including, `end`, which must not lie behind the log's end."""
        if begin >= end:
            return []
        records: list[Logged] = []
        until = time.monotonic() + self._timeout_s
        self.begin(partition, begin)
        try:
            # An offset may be missing, so it is not waited for: the one after it, or the end of the log, says as much.
            while self.position < end:
                records += self._poll_until(until, f"{self.topic}[{partition}] could not be read up to {end}")
        finally:
            self._consumer.unassign()
        # A client that was sent to an offset the log does not have begins anew: what was read may come twice.
        return list({record.offset: record for record in records if begin <= record.offset < end}.values())

    def read_to_end(self, partition: int) -> list[Logged]:
        """Return all that is there."""
        records: list[Logged] = []
        until = time.monotonic() + self._timeout_s
        self.begin(partition)
        while not self.is_at_end:
            records += self._poll_until(until, f"{self.topic}[{partition}] could not be read to its end")
        return records

    def _poll_until(self, until: float, failure: str) -> list[Logged]:
        if time.monotonic() > until:
            raise LogError(self._refusal.explain(f"{failure} in {self._timeout_s:g} s"))
        return self.poll(_POLL_S)

    def _record(self, message: Message) -> Logged | None:
        error, offset = message.error(), message.offset()
        if error is None:
            assert offset is not None
            self.is_at_end, self.position = False, offset + 1
            return Logged(offset, _bytes(message.key()), _bytes(message.value()))
        if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the constant's name begins so
            self.is_at_end, self.position = True, max(self.position, offset or 0)
        elif error.code() in _NO_TOPIC:
            raise NoTopicError(f"there is no topic {self.topic}: run `betrace topics apply`")
        elif error.code() not in _PASSING:
            raise LogError(f"{self.topic} cannot be read: {self._refusal.explain(error.str())}")
        return None

    def _words(self, error: KafkaException) -> str:
        # A call that waits for the broker does not hear why it is refused; a poll does.
        self._consumer.poll(0)
        return self._refusal.explain(words_of(error))


def _bytes(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value
