"""Reads the violations topic into the view: one thread, every partition, from the offsets in the view. No consumer group is needed.

The one file of this room that knows the Kafka client.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient

from api.feed import Feed
from api.projection import TopicRecord, project
from api.view import Origin, ViewError
from topics.connection import Refusal, words_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from api.metrics import ApiMetrics
    from api.settings import ApiSettings
    from api.view import View

LOG = logging.getLogger("betrace.api.feed")
_JOIN_TIMEOUT_S = 30.0


class FeedError(Exception):
    """Reading cannot go on as it is and has to begin again; the text says why."""


class ViolationConsumer:
    """Follows the topic from `start` to `stop`, and begins again after any error; the view stays readable all the while."""

    def __init__(self, settings: ApiSettings, view: View, metrics: ApiMetrics) -> None:
        self._settings, self._view, self._metrics = settings, view, metrics
        self._topic = settings.violations_topic
        self._feed = Feed(self._topic)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="betrace-api-feed", daemon=True)

    def start(self) -> None:
        """Begin to read; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """Stop reading; what was read is in the view. May be called twice."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(_JOIN_TIMEOUT_S)

    def feed(self) -> Feed:
        """Return how the view stands to the topic now; from any thread."""
        return replace(self._feed, is_running=self._thread.is_alive())

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._read()
            except (FeedError, ViewError, KafkaException) as error:
                self._fail(words_of(error))
            except Exception as error:
                # The view must not fall silent for ever because of one thing nobody thought of.
                LOG.exception("reading %s failed", self._topic)
                self._fail(f"{type(error).__name__}: {error}")
            self._stopping.wait(self._settings.retry_interval_s)

    def _fail(self, problem: str) -> None:
        if problem != self._feed.problem:
            LOG.warning("not reading %s: %s", self._topic, problem)
        self._metrics.failed()
        self._feed = replace(self._feed, problem=problem)

    def _read(self) -> None:
        session = _Session(self._settings, self._view, self._metrics)
        try:
            session.begin()
            LOG.info("reading %s", self._topic)
            while not self._stopping.is_set():
                session.step()
                self._feed = session.feed
        except KafkaException as error:
            raise FeedError(session.words(error)) from error
        finally:
            session.close()


class _Session:
    """One consumer's life, from assignment to the first error."""

    def __init__(self, settings: ApiSettings, view: View, metrics: ApiMetrics) -> None:
        self._settings, self._view, self._metrics = settings, view, metrics
        self._topic = settings.violations_topic
        self._refusal = Refusal()
        shared: dict[str, Any] = {
            "client.id": "betrace-api",
            "allow.auto.create.topics": False,
            "error_cb": self._refusal,
        }
        own: dict[str, Any] = {
            # librdkafka wants a group's name; with assign() and without commits there is no group.
            "group.id": "betrace-api",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            # Out of range: the topic was cut or made anew. Reading from its beginning changes nothing that was read before.
            "auto.offset.reset": "earliest",
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
        }
        self._consumer = Consumer({**shared, **own, **settings.connection_properties()}, logger=LOG)
        self._admin = AdminClient({**shared, **settings.connection_properties()}, logger=LOG)
        self._positions: dict[int, int] = {}
        self._ended: set[int] = set()
        self._topic_id = ""
        self._probe_due = time.monotonic() + settings.probe_interval_s
        self.feed = Feed(self._topic)

    def begin(self) -> None:
        """Find the topic and take up every partition where the view left off."""
        partitions = self._partitions()
        self._topic_id = self._read_topic_id()
        if self._view.begin(Origin(self._topic, self._topic_id)):
            LOG.warning("%s is another topic than the view was made of: the view is made anew", self._topic)
        self._assign(partitions)

    def step(self) -> None:
        """Take one batch into the view, and look after the topic when it is time."""
        messages = self._consumer.consume(self._settings.records_per_batch_max, self._settings.poll_timeout_s)
        records = [record for message in messages if (record := self._record(message)) is not None]
        if records:
            self._write(records)
        problem = self.feed.problem if self._positions else "the topic has no partitions"
        if time.monotonic() >= self._probe_due:
            problem = self._probe()
        self.feed = Feed(self._topic, problem, self._lag(), self._ended >= self._positions.keys())

    def close(self) -> None:
        """Let go of the broker."""
        self._consumer.close()

    def words(self, error: KafkaException) -> str:
        """Return what the client says of the error that ends this session, and why the broker refuses us where that is known."""
        # A call that waits for the broker does not hear why it is refused; a poll does. A record it gives is read again by the next one.
        self._consumer.poll(0)
        return self._refusal.explain(words_of(error))

    def _record(self, message: Message) -> TopicRecord | None:
        error, partition, offset = message.error(), message.partition(), message.offset()
        if error is not None:
            self._take_event(error, partition)
            return None
        if partition is None or offset is None:
            raise FeedError("a record without a place")
        headers, value = message.headers() or (), message.value()
        pairs = headers.items() if isinstance(headers, dict) else headers
        return TopicRecord(partition, offset, value, tuple(pairs))

    def _take_event(self, error: KafkaError, partition: int | None) -> None:
        if error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001  # the name the client gives it
            raise FeedError(error.str())
        if partition is not None:
            self._ended.add(partition)

    def _write(self, records: Sequence[TopicRecord]) -> None:
        projected = [project(record) for record in records]
        positions = {record.partition: record.offset + 1 for record in records}
        self._view.apply(projected, positions)
        self._positions |= positions
        self._metrics.read(projected)

    def _probe(self) -> str:
        try:
            self._assign(self._partitions())
            topic_id = self._read_topic_id()
        except KafkaException as error:
            return f"no broker answers at {self._settings.bootstrap_servers}: {self._refusal.explain(words_of(error))}"
        finally:
            self._probe_due = time.monotonic() + self._settings.probe_interval_s
        if topic_id and self._topic_id and topic_id != self._topic_id:
            raise FeedError("the topic was made anew")
        return ""

    def _partitions(self) -> set[int]:
        found = self._consumer.list_topics(self._topic, timeout=self._settings.probe_timeout_s).topics[self._topic]
        if found.error is not None:
            raise FeedError(f"the topic {self._topic} cannot be read: {found.error.str()}")
        return set(found.partitions)

    def _read_topic_id(self) -> str:
        asked = self._admin.describe_topics(TopicCollection([self._topic]), request_timeout=self._settings.probe_timeout_s)
        try:
            return str(asked[self._topic].result().topic_id)
        except KafkaException:
            # An old broker does not know ids; then a topic made anew shows by its offsets alone.
            return ""

    def _assign(self, partitions: set[int]) -> None:
        stored = self._view.positions()
        for partition in sorted(partitions - self._positions.keys()):
            start = stored.get(partition, OFFSET_BEGINNING)
            self._positions[partition] = max(start, 0)
            self._count_expired(partition, start)
            self._consumer.incremental_assign([TopicPartition(self._topic, partition, start)])
        self.feed = replace(self.feed, problem="")

    def _count_expired(self, partition: int, start: int) -> None:
        low, _high = self._consumer.get_watermark_offsets(TopicPartition(self._topic, partition), timeout=self._settings.probe_timeout_s)
        if 0 <= start < low:
            LOG.warning("%s [%d]: %d records expired before they were read", self._topic, partition, low - start)
            self._metrics.expired(low - start)

    def _lag(self) -> dict[int, int]:
        lag: dict[int, int] = {}
        for partition, position in self._positions.items():
            _low, high = self._consumer.get_watermark_offsets(TopicPartition(self._topic, partition), cached=True)
            lag[partition] = max(0, high - position)
        return lag
