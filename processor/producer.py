"""Writes violations and dead letters: idempotent, acknowledged by all replicas, flushed by the checkpoint."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from processor.metrics import DEAD_LETTERS_TOO_LARGE
from topics.cloudevents import violation_event
from topics.names import DEAD_LETTERS, MIB

if TYPE_CHECKING:
    from processor.metrics import Metrics
    from processor.settings import Settings
    from topics.dead_letter import DeadLetter
    from topics.written_violation import WrittenViolation

log = logging.getLogger(__name__)

_QUEUE_FULL_WAIT_S = 0.5


_Delivered = Callable[["KafkaError | None", "Message | None"], None]


class DeliveryError(Exception):
    """A record could not be delivered: what was read since the last commit must be read again."""


def producer_properties(settings: Settings) -> dict[str, Any]:
    """Return librdkafka's properties for the producer; `client_properties` of the settings come last.

    The partitioner is Java's, so that whatever writes a trace's records, they are in one partition.
    """
    return {
        "client.id": "betrace-worker",
        "enable.idempotence": True,
        "acks": "all",
        "partitioner": "murmur2_random",
        "linger.ms": 5,
        "delivery.timeout.ms": round(settings.delivery_timeout_s * 1000),
        "compression.type": "lz4",
        # A dead letter is a record of the input, whole: its topic has the last word on what is too large. A batch stays at batch.size.
        "message.max.bytes": (DEAD_LETTERS.record_bytes_max or 0) + MIB,
        **settings.connection_properties(),
    }


class KafkaPublisher:
    """Sends records of one worker; used by one thread."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._producer = Producer(producer_properties(settings), logger=log)
        self._settings = settings
        self._metrics = metrics
        self._failure: KafkaError | None = None

    def violation(self, record: WrittenViolation) -> None:
        """Send a violation record as a CloudEvent, keyed by its trace."""
        headers = violation_event(record, self._settings.source).headers()
        self._send(self._settings.violations_topic, record.trace_id.encode(), record.value, headers, self._delivered)

    def dead_letter(self, letter: DeadLetter) -> None:
        """Send a record that was refused, whole, with the reason; one that is too large for the topic is counted and logged instead."""
        try:
            self._send(self._settings.dead_letters_topic, letter.key, letter.value or b"", letter.record_headers(), self._buried)
        except KafkaException as error:
            self._buried(error.args[0], None)
        log.debug("dead letter: %s[%s] at %s: %s", letter.topic, letter.partition, letter.offset, letter.detail)

    def flush(self) -> None:
        """Wait until everything sent is acknowledged; raise DeliveryError where something is not in time."""
        waiting = self._producer.flush(self._settings.delivery_timeout_s + 1)
        if self._failure is not None:
            raise DeliveryError(f"a record was not delivered: {self._failure}")
        if waiting:
            raise DeliveryError(f"{waiting} records were not delivered within {self._settings.delivery_timeout_s} s")

    def _send(
        self, topic: str, key: bytes | None, value: bytes, headers: Sequence[tuple[str, bytes | str | None]], on_delivery: _Delivered
    ) -> None:
        until = time.monotonic() + self._settings.delivery_timeout_s
        while True:
            try:
                self._producer.produce(topic, value, key, headers=[*headers], on_delivery=on_delivery)
            except BufferError:
                if time.monotonic() > until:
                    raise DeliveryError("the producer's queue stays full: the broker takes nothing") from None
                self._producer.poll(_QUEUE_FULL_WAIT_S)
            else:
                self._producer.poll(0)
                return

    def _delivered(self, error: KafkaError | None, _message: Message | None) -> None:
        if error is not None:
            self._failure = self._failure or error

    def _buried(self, error: KafkaError | None, message: Message | None) -> None:
        if error is not None and error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
            self._metrics.add(DEAD_LETTERS_TOO_LARGE)
            log.warning("a dead letter is too large for its topic and was not kept")
        else:
            self._delivered(error, message)
