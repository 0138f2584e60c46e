"""What workers said: read back from the topic of violations, with the time at which each record could be read."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from loadtest.loops import Copied, copied

_TIMEOUT_S: Final = 60.0
_READ_AT_ONCE: Final = 1_000


class Said(NamedTuple):
    """A violation record as it came: of which repeated trace, by which rule, and when it could be read."""

    trace: Copied
    rule: str
    revision: int
    is_withdrawn: bool
    is_early: bool
    partition: int
    read_ns: int


@dataclass
class ViolationLog:
    """Reads a topic of violations as it grows, once `begin` was called. `take` is told each record in the reader's thread."""

    servers: str
    topic: str
    take: Callable[[Said], None]
    error: Exception | None = None
    _stop: threading.Event = field(default_factory=threading.Event)
    _at_end: dict[int, int] = field(default_factory=dict)

    def read_to_end(self) -> None:
        """Return when all that stands on the topic now has been taken."""
        consumer = self._consumer()
        try:
            ends = {
                partition: consumer.get_watermark_offsets(TopicPartition(self.topic, partition), timeout=_TIMEOUT_S)[1]
                for partition in consumer.list_topics(self.topic, timeout=_TIMEOUT_S).topics[self.topic].partitions
            }
            consumer.assign([TopicPartition(self.topic, partition, OFFSET_BEGINNING) for partition in ends])
            until = time.monotonic() + _TIMEOUT_S
            while any(self._at_end.get(partition, 0) < end for partition, end in ends.items()):
                if time.monotonic() > until:
                    raise TimeoutError(f"{self.topic} could not be read")
                self._read(consumer)
        finally:
            consumer.close()

    def follow(self) -> None:
        """Read until stopped."""
        consumer = self._consumer()
        try:
            partitions = consumer.list_topics(self.topic, timeout=_TIMEOUT_S).topics[self.topic].partitions
            consumer.assign([TopicPartition(self.topic, partition, OFFSET_BEGINNING) for partition in partitions])
            while not self._stop.is_set():
                self._read(consumer)
        except Exception as error:  # noqa: BLE001 - whoever asked for the log gets it
            self.error = error
        finally:
            consumer.close()

    @contextmanager
    def followed(self) -> Iterator[None]:
        """Read beside whoever calls, until the end of the block."""
        thread = threading.Thread(target=self.follow, name="violations", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join(_TIMEOUT_S)
        if self.error is not None:
            raise self.error

    def _consumer(self) -> Consumer:
        properties: dict[str, Any] = {
            "bootstrap.servers": self.servers,
            "group.id": "violation-reader",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 20,
        }
        return Consumer(properties)

    def _read(self, consumer: Consumer) -> None:
        # Few at once, so that the first is not kept waiting for the last.
        for message in consumer.consume(_READ_AT_ONCE, 0.01):
            error, partition, offset = message.error(), message.partition() or 0, message.offset() or 0
            if error is None:
                self.take(said(message.value() or b"", time.time_ns()))
                self._at_end[partition] = offset + 1
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the constant's name begins so
                self._at_end[partition] = offset
            else:
                raise KafkaException(error)


def said(value: bytes, read_ns: int) -> Said:
    """Return what a record says, in the few words that are measured by."""
    body: Mapping[str, Any] = json.loads(value)
    return Said(
        copied(bytes.fromhex(body["trace"]["id"])),
        body["rule"]["id"],
        body["revision"],
        body["change"] == "withdrawn",
        body["early"],
        body["input"]["partition"],
        read_ns,
    )


@dataclass
class Believed:
    """What a reader believes: of each trace, the rules that are violated by their greatest revisions."""

    revisions: dict[tuple[int, int, str], tuple[int, bool]] = field(default_factory=dict)
    record_count: int = 0

    def take(self, one: Said) -> None:
        """Hear of one more record."""
        key = (one.trace.copy, one.trace.trace, one.rule)
        self.record_count += 1
        if one.revision >= self.revisions.get(key, (0, False))[0]:
            self.revisions[key] = (one.revision, one.is_withdrawn)

    def by_trace(self) -> dict[tuple[int, int], frozenset[str]]:
        """Return the rules that each trace with a violation violates."""
        found: dict[tuple[int, int], set[str]] = {}
        for (copy, trace, rule), (_, is_withdrawn) in self.revisions.items():
            if not is_withdrawn:
                found.setdefault((copy, trace), set()).add(rule)
        return {key: frozenset(rules) for key, rules in found.items()}


def read_believed(servers: str, topic: str) -> Believed:
    """Read a topic to its end; return what to believe."""
    believed = Believed()
    ViolationLog(servers, topic, believed.take).read_to_end()
    return believed
