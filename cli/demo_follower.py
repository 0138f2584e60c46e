"""Follows the journal and the violations of a demo from their beginning, as any reader of these topics would."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from cli.demo_books import JournalBook, SaidBook
from topics import names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from confluent_kafka import Message

_POLL_S = 0.05
_AT_ONCE = 500


class Follower(threading.Thread):
    """The thread; its books may be read at any time. `trouble` is what ended it before it was told to stop."""

    def __init__(self, bootstrap_servers: str, partition_count: int) -> None:
        super().__init__(name="follower", daemon=True)
        self.journal = JournalBook()
        self.said = SaidBook()
        self.trouble: Exception | None = None
        self._stopped = threading.Event()
        topics = (names.RULE_STATS.name, names.VIOLATIONS.name)
        self._wanted = [TopicPartition(topic, number, OFFSET_BEGINNING) for topic in topics for number in range(partition_count)]
        # librdkafka wants a group's name; with assign() and without commits there is no group. What goes wrong, others say.
        self._properties = {"bootstrap.servers": bootstrap_servers, "group.id": "betrace-demo-follower", "enable.auto.commit": False}
        self._properties |= {"fetch.wait.max.ms": 50, "log_level": 0, "error_cb": lambda _: None}

    def run(self) -> None:
        """Read until stopped."""
        consumer = Consumer(self._properties)
        try:
            consumer.assign(self._wanted)
            while not self._stopped.is_set():
                self._take(consumer.poll(_POLL_S))
                for message in consumer.consume(_AT_ONCE, 0):
                    self._take(message)
        except Exception as error:  # noqa: BLE001 - whoever asks how we stand says it
            self.trouble = error
        finally:
            consumer.close()

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        self.join()

    def _take(self, message: Message | None) -> None:
        if message is None or message.error() is not None:
            return
        value, partition, offset = message.value() or b"", message.partition(), message.offset()
        if message.topic() == names.VIOLATIONS.name:
            self.said.take(value)
        elif partition is not None and offset is not None:
            self.journal.take(partition, offset, value)


@contextmanager
def following(bootstrap_servers: str, partition_count: int) -> Iterator[Follower]:
    """Follow for as long as the context lasts."""
    follower = Follower(bootstrap_servers, partition_count)
    follower.start()
    try:
        yield follower
    finally:
        follower.stop()
