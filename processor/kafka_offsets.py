"""Where the logs of partitions begin and end, asked of the group's consumer in its own thread."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, KafkaException, TopicPartition

from processor.record import PartitionKey

if TYPE_CHECKING:
    from confluent_kafka import Consumer

_RETRY_S = 0.1


def ends(consumer: Consumer, keys: Sequence[PartitionKey], timeout_s: float) -> dict[PartitionKey, int]:
    """Return where logs end, those that the broker tells in time. The leaders are asked, whatever was fetched."""
    return _asked(consumer, keys, OFFSET_END, timeout_s)


def firsts(
    consumer: Consumer, keys: Sequence[PartitionKey], fetched: Collection[PartitionKey], timeout_s: float
) -> dict[PartitionKey, int]:
    """Return where logs begin, those that the broker tells in time; of those that are being `fetched` the last fetch told it."""
    known = {key: first for key in keys if key in fetched and (first := _fetched_first(consumer, key)) >= 0}
    return known | _asked(consumer, [key for key in keys if key not in known], OFFSET_BEGINNING, timeout_s)


def _asked(consumer: Consumer, keys: Sequence[PartitionKey], which: int, timeout_s: float) -> dict[PartitionKey, int]:
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


def _fetched_first(consumer: Consumer, key: PartitionKey) -> int:
    """Return the first offset as the last fetch told it, without asking; less than 0 where there was none."""
    with contextlib.suppress(KafkaException):
        return consumer.get_watermark_offsets(TopicPartition(*key), cached=True)[0]
    return -1
