"""The rules topic as a log: read whole, followed, written.

All of it is on partition 0, also where somebody has added others: changes of rules have one order.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from confluent_kafka import KafkaError, KafkaException, Producer

from topics.connection import Refusal
from topics.log_reader import LogError, Logged, LogReader, NoTopicError
from topics.names import MIB, RULES
from topics.rule_records import SET_PREFIX, RuleRecord, RuleSetRecord, read_rules_entry

if TYPE_CHECKING:
    from confluent_kafka import Message

__all__ = ["LogError", "NoTopicError", "PlacedSet", "RulesContents", "RulesLog", "RulesReader", "TooLargeError", "contents_of"]

log = logging.getLogger(__name__)

_PARTITION = 0
_POLL_S = 0.1
_CLIENT_ID = "betrace-rules"
# The topic's limit is in the topic table and says so; the client's must not be the smaller one.
_MESSAGE_BYTES_MAX = (RULES.record_bytes_max or 0) + MIB


class TooLargeError(LogError):
    """The broker takes no record as large as one of these."""


@dataclass(frozen=True, slots=True)
class PlacedSet:
    """A rule set where it stands in the log; `record` None: its key says that it is a set, and its value is none, as `fault` says."""

    offset: int
    key: bytes
    record: RuleSetRecord | None
    fault: str = ""


@dataclass(frozen=True, slots=True)
class RulesContents:
    """What the topic holds: rules by id, rule sets in the order of the log (the last one is the newest), and where the log ends."""

    rules: Mapping[str, RuleRecord]
    sets: Sequence[PlacedSet]
    end: int

    @property
    def newest(self) -> RuleSetRecord | None:
        """The newest set that is one."""
        return next((placed.record for placed in reversed(self.sets) if placed.record is not None), None)

    def counters(self) -> dict[str, int]:
        """Return the greatest counter of each rule that anything on the topic tells, also of rules that are gone."""
        found = {rule_id: rule.version for rule_id, rule in self.rules.items()}
        for placed in self.sets:
            for rule_id, version in (placed.record.versions if placed.record else {}).items():
                found[rule_id] = max(version, found.get(rule_id, 0))
        return found


class RulesReader:
    """Follows the rules topic: `poll` gives its records from the first one on."""

    def __init__(self, reader: LogReader) -> None:
        self._reader = reader
        reader.partition_count()
        reader.begin(_PARTITION)

    @property
    def is_at_end(self) -> bool:
        """Whether the whole log has been read."""
        return self._reader.is_at_end

    def poll(self, timeout_s: float) -> list[Logged]:
        """Return what comes within this time; raises LogError."""
        return self._reader.poll(timeout_s)

    def close(self) -> None:
        """Let go of the broker."""
        self._reader.close()


class RulesLog:
    """The rules topic; each call has a client of its own, so any thread may call. Nothing waits longer than `timeout_s`.

    `connection` are librdkafka's properties (topics.connection). Every method raises LogError, NoTopicError where there is no topic.
    """

    def __init__(self, connection: Mapping[str, str], topic: str = RULES.name, *, timeout_s: float = 30.0) -> None:
        self.topic = topic
        self._connection = connection
        self._timeout_s = timeout_s

    def read(self) -> RulesContents:
        """Return what the topic holds now."""
        with self._reader() as reader:
            reader.partition_count()
            return contents_of(reader.read_to_end(_PARTITION), reader.position)

    def follow(self) -> RulesReader:
        """Return a reader that begins at the first record; it is to be closed."""
        reader = self._reader()
        try:
            return RulesReader(reader)
        except LogError:
            reader.close()
            raise

    def write(self, entries: Iterable[tuple[bytes, bytes | None]]) -> list[int]:
        """Append (key, value) in this order; return where they stand once all replicas have all of them. A value of None deletes.

        Raises LogError where one is refused or not acknowledged in time: what became of each is not known then.
        """
        with self._reader() as reader:
            reader.partition_count()
        writing = _Writing(self.topic, self._timeout_s)
        return writing.write(self._connection, list(entries))

    def _reader(self) -> LogReader:
        return LogReader(self._connection, self.topic, client_id=_CLIENT_ID, timeout_s=self._timeout_s)


def contents_of(records: Sequence[Logged], end: int) -> RulesContents:
    """Return what records of the topic, from its first one on up to `end`, amount to: of each key the last record stands."""
    last = {record.key: record for record in records if record.key}
    rules: dict[str, RuleRecord] = {}
    sets: list[PlacedSet] = []
    foreign: list[str] = []
    for record in sorted(last.values()):
        try:
            entry = read_rules_entry(record.key, record.value)
        except ValueError as error:
            fault = f"offset {record.offset} holds nothing of BeTrace: {' '.join(str(error).split())}"
            foreign.append(fault)
            if record.key is not None and record.key.startswith(SET_PREFIX.encode()):
                sets.append(PlacedSet(record.offset, record.key, None, fault))
            continue
        if isinstance(entry, RuleRecord):
            rules[entry.id] = entry
        elif isinstance(entry, RuleSetRecord):
            sets.append(PlacedSet(record.offset, entry.key, entry))
    if foreign:
        log.warning("%d records of the rules topic cannot be used; the first: %s", len(foreign), foreign[0])
    return RulesContents(rules, sets, end)


class _Writing:
    """One write: what the broker answers to each of its records."""

    def __init__(self, topic: str, timeout_s: float) -> None:
        self._topic = topic
        self._timeout_s = timeout_s
        self._refusal = Refusal()
        self._errors: list[str] = []
        self._is_too_large = False
        self._offsets: dict[int, int] = {}

    def write(self, connection: Mapping[str, str], entries: Sequence[tuple[bytes, bytes | None]]) -> list[int]:
        producer = self._producer(connection)
        until = time.monotonic() + self._timeout_s
        for number, (key, value) in enumerate(entries):
            self._produce(producer, key, value, self._report(number), until)
        # The producer gives up by itself after the same time; its last reports come a moment later.
        producer.flush(max(0.0, until - time.monotonic()) + 1)
        if self._errors:
            kind = TooLargeError if self._is_too_large else LogError
            raise kind(self._refusal.explain(f"{self._topic} cannot be written: {self._errors[0]}"))
        if len(self._offsets) < len(entries):
            producer.purge(blocking=False)
            missing = len(entries) - len(self._offsets)
            text = f"{missing} of {len(entries)} records of {self._topic} were not acknowledged in {self._timeout_s:g} s"
            raise LogError(self._refusal.explain(text))
        return [self._offsets[number] for number in range(len(entries))]

    def _producer(self, connection: Mapping[str, str]) -> Producer:
        try:
            return Producer(
                {
                    "client.id": _CLIENT_ID,
                    "enable.idempotence": True,
                    "acks": "all",
                    "linger.ms": 0,
                    "delivery.timeout.ms": round(self._timeout_s * 1000),
                    "compression.type": "lz4",
                    "message.max.bytes": _MESSAGE_BYTES_MAX,
                    "allow.auto.create.topics": False,
                    "error_cb": self._refusal,
                    # What it logs comes back as an error as well.
                    "log_level": "0",
                    **connection,
                },
                logger=log,
            )
        except KafkaException as error:
            raise LogError(f"the Kafka client refuses its properties: {error}") from error

    def _produce(self, producer: Producer, key: bytes, value: bytes | None, report: _Report, until: float) -> None:
        while True:
            try:
                producer.produce(self._topic, value, key, partition=_PARTITION, on_delivery=report)
            except BufferError:
                if time.monotonic() > until:
                    raise LogError(self._refusal.explain("the producer's queue stays full: the broker takes nothing")) from None
                producer.poll(_POLL_S)
            except KafkaException as error:
                found: KafkaError = error.args[0]
                kind = TooLargeError if found.code() == KafkaError.MSG_SIZE_TOO_LARGE else LogError
                raise kind(f"{self._topic} cannot be written: {found.str()}") from error
            else:
                return

    def _report(self, number: int) -> _Report:
        def report(error: KafkaError | None, message: Message | None) -> None:
            offset = None if message is None else message.offset()
            if error is not None:
                self._errors.append(error.str())
                self._is_too_large |= error.code() == KafkaError.MSG_SIZE_TOO_LARGE
            else:
                self._offsets[number] = -1 if offset is None else offset

        return report


_Report = Callable[["KafkaError | None", "Message | None"], None]
