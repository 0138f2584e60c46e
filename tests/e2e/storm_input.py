"""What a storm plays: a recording over and over with fresh trace ids, in its own tempo, some of it out of order, late, or twice."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from confluent_kafka import KafkaError, Message, Producer

from tests.captured import captured
from topics.recordings import SHOP_PROTO_KEYED

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

    from processor.inputs import InputRecord

_NS = 10**9
_ID_SIZE = 16
# How many records of a window are delayed or sent again, and by how much at most. A trace may then close before some of its records come.
_SHUFFLED, _SHUFFLED_S = 0.5, 6.0
_REDELIVERED, _REDELIVERED_S = 0.4, 8.0


class Window(NamedTuple):
    """From when until when something is done to the input, in seconds."""

    begin_s: float
    end_s: float

    def holds(self, at_s: float) -> bool:
        """Whether it is the time."""
        return self.begin_s <= at_s < self.end_s


class Planned(NamedTuple):
    """A record to be appended, in so many seconds."""

    at_s: float
    record: InputRecord


@dataclass(frozen=True, slots=True)
class Play:
    """The records in the order of their times; `origins` are the recorded traces by the fresh ids of their copies."""

    records: Sequence[Planned]
    origins: dict[str, str]


def with_trace_id(record: InputRecord, fresh: bytes, partition: int) -> InputRecord:
    """Return a record of another trace: of the same length, so no length in its bytes changes."""
    assert record.key is not None
    old = bytes.fromhex(record.key.decode())
    return replace(record, key=fresh.hex().encode(), value=record.value.replace(old, fresh), partition=partition)


def plan(
    rng: random.Random, seconds: float, partition_count: int, tempo: float, *, shuffled: Sequence[Window], redelivered: Sequence[Window]
) -> Play:
    """Return what to play: whole traces, as many as fit; each as it was recorded, but begun `tempo` times as late."""
    recorded = captured(SHOP_PROTO_KEYED)
    by_trace: dict[bytes, list[InputRecord]] = defaultdict(list)
    for record in recorded:
        by_trace[record.key or b""].append(record)
    first_ns = min(record.timestamp_ns or 0 for record in recorded)
    length_s = (max(record.timestamp_ns or 0 for record in recorded) - first_ns) / _NS
    planned: list[Planned] = []
    origins: dict[str, str] = {}
    for copy in range(int(seconds / length_s / tempo) + 1):
        for key, records in by_trace.items():
            since_s = [((record.timestamp_ns or 0) - first_ns) / _NS for record in records]
            begin_s = (copy * length_s + since_s[0]) * tempo
            times = [begin_s + at_s - since_s[0] for at_s in since_s]
            if max(times) > seconds:
                continue
            fresh = rng.randbytes(_ID_SIZE)
            origins[fresh.hex()] = key.decode()
            for at_s, record in zip(times, records, strict=True):
                copied = with_trace_id(record, fresh, (record.partition + copy) % partition_count)
                is_late = any(window.holds(at_s) for window in shuffled) and rng.random() < _SHUFFLED
                planned.append(Planned(at_s + (rng.uniform(0, _SHUFFLED_S) if is_late else 0), copied))
                if any(window.holds(at_s) for window in redelivered) and rng.random() < _REDELIVERED:
                    planned.append(Planned(planned[-1].at_s + rng.uniform(0, _REDELIVERED_S), copied))
    return Play(sorted(planned, key=lambda it: it.at_s), origins)


class Player(threading.Thread):
    """Appends the records at their times, each once and in their order, through whatever happens to the broker."""

    def __init__(self, servers: str, topic: str, play: Play) -> None:
        super().__init__(name="player", daemon=True)
        self.errors: list[str] = []
        self._topic = topic
        self._play = play
        self._producer = Producer(
            {
                "bootstrap.servers": servers,
                "acks": "all",
                "log_level": 0,
                "enable.idempotence": True,
                "linger.ms": 5,
                "delivery.timeout.ms": 120_000,
                "reconnect.backoff.max.ms": 1_000,
            }
        )

    def run(self) -> None:
        """Play all."""
        started = time.monotonic()
        for at_s, record in self._play.records:
            while (left := started + at_s - time.monotonic()) > 0:
                self._producer.poll(min(left, 0.1))
            self._append(record)
        if self._producer.flush(120):
            self.errors.append("not all was taken by the broker")

    def _append(self, record: InputRecord) -> None:
        while True:
            try:
                self._producer.produce(self._topic, record.value, record.key, partition=record.partition, on_delivery=self._appended)
            except BufferError:
                self._producer.poll(0.1)
            else:
                return

    def _appended(self, error: KafkaError | None, _message: Message | None) -> None:
        if error is not None:
            self.errors.append(error.str())
