"""Plays captured records onto a topic at the pace at which they were recorded."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from confluent_kafka import KafkaError, Message, Producer

from processor.inputs import InputRecord

_NS_PER_MS = 1_000_000
_NS_PER_S = 1_000_000_000
_FLUSH_TIMEOUT_S = 30.0

Heard = Callable[[InputRecord], None]


class PlayError(Exception):
    """A record did not reach the topic; the text says why."""


class Player:
    """Produces records to the partitions they were captured from, in their order, stamped with the time they are played at."""

    def __init__(self, bootstrap_servers: str, topic: str) -> None:
        self._topic = topic
        self._failed: str = ""
        # What goes wrong is told to `_told`; the client's own log would stand between the violations.
        self._properties = {
            "bootstrap.servers": bootstrap_servers,
            "linger.ms": 5,
            "enable.idempotence": True,
            "error_cb": self._told,
            "log_level": 0,
        }

    def play(self, records: Sequence[InputRecord], duration_s: float, *, heard: Heard, stopped: Callable[[], bool]) -> None:
        """Play all records within `duration_s`, each at its share of it; `heard` is told each. Raises PlayError.

        Ends early, with nothing lost of what was played, once `stopped` says so.
        """
        self._producer = Producer(self._properties)
        try:
            self._play(records, duration_s, heard, stopped)
            self._flush()
        finally:
            # A broker that is told to end waits some seconds for its clients.
            del self._producer

    def _play(self, records: Sequence[InputRecord], duration_s: float, heard: Heard, stopped: Callable[[], bool]) -> None:
        times = [record.timestamp_ns or 0 for record in records]
        first, length = min(times, default=0), max(1, max(times, default=0) - min(times, default=0))
        began = time.monotonic()
        for record in records:
            due = began + duration_s * ((record.timestamp_ns or 0) - first) / length
            while (wait := due - time.monotonic()) > 0 and not stopped():
                self._producer.poll(min(wait, 0.05))
            if stopped():
                break
            self._send(record)
            heard(record)

    def _send(self, record: InputRecord) -> None:
        headers: list[tuple[str, str | bytes | None]] = list(record.headers)
        self._producer.produce(
            self._topic,
            record.value,
            record.key,
            partition=record.partition,
            timestamp=time.time_ns() // _NS_PER_MS,
            headers=headers,
            on_delivery=self._delivered,
        )
        self._producer.poll(0)
        self._check()

    def _delivered(self, error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            self._failed = error.str()

    def _told(self, error: KafkaError) -> None:
        """The only broker is gone, and what it held with it: nothing is worth a second try."""
        if error.code() == KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001  # librdkafka's name of a public code
            self._failed = error.str()

    def _flush(self) -> None:
        if self._producer.flush(_FLUSH_TIMEOUT_S):
            raise PlayError("the broker did not take all records in time")
        self._check()

    def _check(self) -> None:
        if self._failed:
            raise PlayError(self._failed)


def played_length_s(records: Sequence[InputRecord]) -> float:
    """Return how long the recording of some records took, in seconds."""
    times = [record.timestamp_ns for record in records if record.timestamp_ns is not None]
    return (max(times) - min(times)) / _NS_PER_S if times else 0.0
