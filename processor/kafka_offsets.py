"""Where the logs of partitions begin and end, asked by a client of its own.

A broker answers the requests of a connection in their order: on the group's, an answer waits for the fetch before it, which waits for
records.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaException, TopicPartition

from processor.record import PartitionKey

if TYPE_CHECKING:
    from processor.settings import Settings

log = logging.getLogger(__name__)

_RETRY_S = 0.1


class OffsetClient:
    """Asks the leaders of partitions; used by one thread."""

    def __init__(self, settings: Settings) -> None:
        properties: dict[str, Any] = {
            "client.id": "betrace-worker-offsets",
            # librdkafka wants a group's name; without a subscription and without commits there is no group.
            "group.id": settings.group_id,
            # Nor a session; its default would not go with a short max.poll.interval.ms among the client_properties.
            "session.timeout.ms": 6_000,
            "enable.auto.commit": False,
            # What is wrong with the connection the group's client says.
            "log_level": 0,
        }
        self._consumer = Consumer(properties | settings.connection_properties(), logger=log)

    def ends(self, keys: Sequence[PartitionKey], timeout_s: float) -> dict[PartitionKey, int]:
        """Return where logs end, those that the broker tells in time."""
        return asked(self._consumer, keys, OFFSET_END, timeout_s)

    def firsts(self, keys: Sequence[PartitionKey], timeout_s: float) -> dict[PartitionKey, int]:
        """Return where logs begin, those that the broker tells in time."""
        return asked(self._consumer, keys, OFFSET_BEGINNING, timeout_s)

    def close(self) -> None:
        """Let go of the broker."""
        self._consumer.close()


def asked(consumer: Consumer, keys: Sequence[PartitionKey], which: int, timeout_s: float) -> dict[PartitionKey, int]:
    """Ask for the first or the end offset of partitions, each named once: of two questions about one the answers get mixed up."""
    until = time.monotonic() + timeout_s
    answers: list[TopicPartition] = []
    while keys and not answers:
        try:
            left_s = max(_RETRY_S, until - time.monotonic())
            answers = consumer.offsets_for_times([TopicPartition(*key, which) for key in keys], timeout=left_s)
        except KafkaException:
            # A partition whose leader is about to change has none to answer for a moment, and spoils it for the others.
            if time.monotonic() + _RETRY_S > until:
                break
            time.sleep(_RETRY_S)
    return {PartitionKey(it.topic, it.partition): it.offset for it in answers if it.error is None and it.offset >= 0}


def fetched_first(consumer: Consumer, key: PartitionKey) -> int | None:
    """Return the first offset as the last fetch told it, without asking; None where there was none."""
    with contextlib.suppress(KafkaException):
        found = consumer.get_watermark_offsets(TopicPartition(*key), cached=True)[0]
        return found if found >= 0 else None
    return None
