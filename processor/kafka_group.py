"""One librdkafka consumer keeps the group and fetches, driven by one thread that calls a plain, synchronous handler.

Rebalances are incremental: a partition that does not move never stops. Nothing but this thread touches the consumer: a call from another
thread hangs while this one polls; hand it in by `submit`.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from confluent_kafka import OFFSET_END, Consumer, KafkaError, KafkaException, Message, TopicPartition

from processor.metrics import COMMITS_REFUSED
from processor.record import PartitionKey
from processor.resume import Commit
from processor.settings import GroupProtocol, InputFormat, Settings
from topics.otlp import detected, format_of

if TYPE_CHECKING:
    from processor.metrics import Metrics
    from processor.record import Record, RecordFormat

log = logging.getLogger(__name__)

_BROKER_TIMEOUT_S = 10.0
_WAKE_TIMEOUT_S = 0.5
_DRAIN_TIMEOUT_S = 30.0
_NS_PER_MS = 1_000_000
_NO_TIMESTAMP = 0
_FORMATS: dict[InputFormat, RecordFormat] = {InputFormat.PROTOBUF: "protobuf", InputFormat.JSON: "json"}

Answer = TypeVar("Answer")


class GroupHandler(Protocol):
    """Called in the consumer thread only, one call at a time: no locks are needed between these."""

    def assigned(self, committed: Mapping[PartitionKey, Commit | None]) -> Mapping[PartitionKey, int]:
        """Load state; say where to start. A partition left out starts where its log does."""

    def chunk(self, key: PartitionKey, records: Sequence[Record], position: int) -> None:
        """Work on records of one partition, in offset order; `position` is the offset after them."""

    def checkpoint(self, keys: Iterable[PartitionKey]) -> Mapping[PartitionKey, Commit]:
        """Make the work done durable, in bounded time; return what to commit."""

    def released(self, keys: Iterable[PartitionKey], *, lost: bool) -> None:
        """Drop state. `lost`: another worker may own it already, so nothing is written."""

    def drain(self) -> None:
        """Close every open trace: the input has ended."""


@dataclass(frozen=True, slots=True)
class KafkaRecord:
    """A record as the flow reads it (processor/record.py)."""

    topic: str
    partition: int
    offset: int
    timestamp_ns: int | None
    key: bytes | None
    headers: Sequence[tuple[str, bytes | str | None]]
    value: bytes
    format: RecordFormat


def consumer_properties(settings: Settings) -> dict[str, Any]:
    """Return librdkafka's properties for the group's consumer; `client_properties` of the settings come last."""
    properties: dict[str, Any] = {
        "bootstrap.servers": settings.bootstrap_servers,
        "client.id": "betrace-worker",
        "group.id": settings.group_id,
        "group.protocol": str(settings.group_protocol),
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "enable.partition.eof": True,
        "auto.offset.reset": "earliest",
        "max.poll.interval.ms": round(settings.delivery_timeout_s * 1000) + 60_000,
        "fetch.wait.max.ms": 100,
        "fetch.queue.backoff.ms": 5,
        "queued.max.messages.kbytes": settings.queued_kbytes_max,
    }
    if settings.group_protocol is GroupProtocol.CLASSIC:
        session_ms = round(settings.group_session_timeout_s * 1000)
        properties |= {
            "partition.assignment.strategy": "cooperative-sticky",
            "session.timeout.ms": session_ms,
            "heartbeat.interval.ms": max(100, session_ms // 6),
        }
    return properties | settings.client_properties


class PartitionGroup(threading.Thread):
    """The thread. `progress` is when it last went round (time.monotonic), `has_joined` whether the group ever gave it an assignment."""

    def __init__(self, settings: Settings, metrics: Metrics, on_exit: Callable[[BaseException | None], None]) -> None:
        super().__init__(name="kafka-group", daemon=True)
        self.owned: set[PartitionKey] = set()
        self.started = self.progress = time.monotonic()
        self.has_joined = False
        self._settings = settings
        self._metrics = metrics
        self._on_exit = on_exit
        self._handler: GroupHandler
        self._consumer: Consumer
        self._positions: dict[PartitionKey, int] = {}
        self._last_commit: dict[PartitionKey, Commit] = {}
        self._calls: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._stop_asked = threading.Event()
        self._failed = False
        self._fatal: KafkaError | None = None
        self._warned: dict[str, float] = {}

    def drive(self, handler: GroupHandler) -> None:
        """Start to read, calling this handler."""
        self._handler = handler
        self.start()

    def submit(self, call: Callable[[], Answer]) -> Future[Answer]:
        """Run a call in the consumer thread, between two chunks."""
        future: Future[Answer] = Future()

        def run() -> None:
            try:
                future.set_result(call())
            except Exception as error:  # noqa: BLE001 - whoever submitted it gets it
                future.set_exception(error)

        self._calls.put(run)
        return future

    def stop(self) -> None:
        """Ask the thread to make a last checkpoint, leave the group and end."""
        self._stop_asked.set()

    def log_ends(self, keys: Sequence[PartitionKey]) -> dict[PartitionKey, int]:
        """Return the ends of partitions' logs, those the broker tells in time; call it in the consumer thread only."""
        asked = [TopicPartition(*key, OFFSET_END) for key in keys]
        try:
            answers = self._consumer.offsets_for_times(asked, timeout=_WAKE_TIMEOUT_S)
        except KafkaException:
            return {}
        return {PartitionKey(it.topic, it.partition): it.offset for it in answers if it.error is None and it.offset >= 0}

    def run(self) -> None:
        """Read until stopped or broken."""
        reason: BaseException | None = None
        try:
            self._consumer = Consumer(
                {**consumer_properties(self._settings), "on_commit": self._committed, "error_cb": self._error}, logger=log
            )
            self._consumer.subscribe([self._settings.spans_topic], on_assign=self._assign, on_revoke=self._revoke, on_lost=self._lost)
            try:
                self._loop()
                self._drain()
            except BaseException:
                # close() runs the revoke callback: state may be half a chunk ahead, so nothing of it may be written.
                self._failed = True
                raise
            finally:
                self._consumer.close()
        except BaseException as error:  # noqa: BLE001 - the shell decides what a broken thread means
            reason = error
        self._on_exit(reason)

    def _loop(self) -> None:
        due = time.monotonic() + self._settings.checkpoint_interval_s
        while not self._stop_asked.is_set():
            self._round()
            while not self._calls.empty():
                self._calls.get()()
            self.progress = time.monotonic()
            if self.progress >= due:
                self._commit(self.owned, sync=False)
                due = time.monotonic() + self._settings.checkpoint_interval_s

    def _round(self) -> int:
        """Poll once and hand out what came; return the number of records."""
        chunks: dict[PartitionKey, list[Record]] = {}
        ends: dict[PartitionKey, int] = {}
        messages = self._consumer.consume(self._settings.records_per_chunk_max, self._settings.poll_timeout_s)
        if self._fatal is not None:
            raise KafkaException(self._fatal)
        for message in messages:
            key = PartitionKey(message.topic() or "", message.partition() or 0)
            error = message.error()
            if error is None:
                chunks.setdefault(key, []).append(self._record(key, message))
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the constant's name begins so
                ends[key] = message.offset() or 0
            else:
                self._error(error)
        for key in chunks.keys() | ends.keys():
            self._hand_out(key, chunks.get(key, []), ends.get(key))
        return sum(map(len, chunks.values()))

    def _hand_out(self, key: PartitionKey, records: list[Record], end: int | None) -> None:
        if key not in self.owned:
            return
        position = max(records[-1].offset + 1 if records else 0, end or 0)
        self._positions[key] = position
        self._handler.chunk(key, records, position)

    def _record(self, key: PartitionKey, message: Message) -> KafkaRecord:
        given = self._settings.input_format
        kind, timestamp_ms = message.timestamp()
        headers = _headers(message)
        value = message.value() or b""
        return KafkaRecord(
            topic=key.topic,
            partition=key.partition,
            offset=message.offset() or 0,
            timestamp_ns=None if kind == _NO_TIMESTAMP or timestamp_ms < 0 else timestamp_ms * _NS_PER_MS,
            key=message.key(),
            headers=headers,
            value=value,
            format=format_of(headers, detected(value)) if given is InputFormat.AUTO else _FORMATS[given],
        )

    def _drain(self) -> None:
        """Read to the end of the log and close all traces, where the settings say that the input ends with the worker."""
        if not self._settings.drains_on_stop:
            return
        until = time.monotonic() + _DRAIN_TIMEOUT_S
        while time.monotonic() < until:
            if not self._round() and self._is_at_end():
                break
        self._handler.drain()

    def _is_at_end(self) -> bool:
        ends = self.log_ends(sorted(self.owned))
        return all(key in ends and self._positions.get(key, 0) >= ends[key] for key in self.owned)

    def _commit(self, keys: Iterable[PartitionKey], *, sync: bool) -> None:
        commits = {key: commit for key, commit in self._handler.checkpoint(keys).items() if self._last_commit.get(key) != commit}
        if not commits:
            return
        offsets = [TopicPartition(*key, commit.offset, commit.note) for key, commit in commits.items()]
        try:
            if sync:
                self._committed(None, self._consumer.commit(offsets=offsets, asynchronous=False))
            else:
                self._consumer.commit(offsets=offsets, asynchronous=True)
        except KafkaException as error:
            # Fenced, unknown member, coordinator gone: the records are read again.
            self._metrics.add(COMMITS_REFUSED)
            self._warn(f"commit refused: {error.args[0]}")
        else:
            self._last_commit |= commits

    def _assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self.has_joined = True
        keys = [PartitionKey(it.topic, it.partition) for it in partitions]
        starts = self._handler.assigned(self._last_commits(consumer, partitions)) if keys else {}
        self._positions |= starts
        consumer.incremental_assign([TopicPartition(*key, starts[key]) if key in starts else TopicPartition(*key) for key in keys])
        self._wake()
        self.owned |= set(keys)
        log.info("assigned %s", _listed(keys))

    def _last_commits(self, consumer: Consumer, partitions: list[TopicPartition]) -> dict[PartitionKey, Commit | None]:
        answers = consumer.committed(partitions, timeout=_BROKER_TIMEOUT_S)
        for it in answers:
            if it.error is not None:
                raise KafkaException(it.error)
        return {PartitionKey(it.topic, it.partition): Commit(it.offset, _note(it.metadata)) if it.offset >= 0 else None for it in answers}

    def _revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        if self._failed:
            self._lost(consumer, partitions)
            return
        try:
            self._commit([key for key in _keys(partitions) if key in self.owned], sync=True)
        except Exception:
            log.exception("checkpoint on revoke failed: the next owner reads again from the last commit")
            self._release(consumer, partitions, lost=True)
            raise
        self._release(consumer, partitions, lost=False)

    def _lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._release(consumer, partitions, lost=True)

    def _release(self, consumer: Consumer, partitions: list[TopicPartition], *, lost: bool) -> None:
        keys = _keys(partitions)
        consumer.incremental_unassign(partitions)
        self.owned -= set(keys)
        self._wake()
        for key in keys:
            self._last_commit.pop(key, None)
            self._positions.pop(key, None)
        self._handler.released(keys, lost=lost)
        log.info("%s %s", "lost" if lost else "released", _listed(keys))

    def _wake(self) -> None:
        """Ask the leaders of the partitions that stay for an offset.

        librdkafka pauses every partition during a rebalance callback; its broker threads then sleep for up to a second although they were
        resumed, and any request wakes them.
        """
        if self.owned:
            with contextlib.suppress(KafkaException):
                self.log_ends(sorted(self.owned))

    def _committed(self, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        for it in partitions or ():
            if error is not None or it.error is not None:
                self._metrics.add(COMMITS_REFUSED)
                self._warn(f"commit of {it.topic}[{it.partition}] refused: {error or it.error}")
                self._last_commit.pop(PartitionKey(it.topic, it.partition), None)

    def _error(self, error: KafkaError) -> None:
        # The error a fenced member gets has the code _FATAL, yet says that it is not fatal.
        if error.fatal() or error.code() == KafkaError._FATAL:  # noqa: SLF001 - the constant's name begins so
            self._fatal = error
        self._warn(f"librdkafka: {error}")

    def _warn(self, text: str) -> None:
        """Log a warning, the same one at most every ten seconds: a broker that is down gives four a second."""
        now = time.monotonic()
        if now - self._warned.get(text, -_BROKER_TIMEOUT_S) >= _BROKER_TIMEOUT_S:
            self._warned = {said: at for said, at in self._warned.items() if now - at < _BROKER_TIMEOUT_S} | {text: now}
            log.warning(text)


def _headers(message: Message) -> tuple[tuple[str, bytes | str | None], ...]:
    headers = message.headers() or ()
    return tuple(headers.items()) if isinstance(headers, Mapping) else tuple(headers)


def _note(metadata: object) -> str:
    return metadata.decode("utf-8", "replace") if isinstance(metadata, bytes) else str(metadata or "")


def _keys(partitions: Iterable[TopicPartition]) -> list[PartitionKey]:
    return [PartitionKey(it.topic, it.partition) for it in partitions]


def _listed(keys: Iterable[PartitionKey]) -> str:
    return ", ".join(f"{key.topic}[{key.partition}]" for key in sorted(keys)) or "no partition"
