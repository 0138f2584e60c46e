"""The limit of a client: confluent-kafka's own loop, which reads the same records and does nothing with them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition

from processor.kafka_records import consumer_properties
from processor.settings import Settings

_TIMEOUT_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class Read:
    """What a loop read, in how much time and processor time from the first record on."""

    record_count: int
    byte_count: int
    seconds: float
    cpu_s: float


def read_all(servers: str, topic: str, shares: Sequence[Sequence[int]], cpus: Sequence[int]) -> list[Read]:
    """Let a loop of its own process read each share of the topic's partitions to their ends, all at once, each on its own processor."""
    with ProcessPoolExecutor(len(shares), mp_context=get_context("spawn")) as pool:
        begun = [pool.submit(_read, servers, topic, tuple(share), cpu) for share, cpu in zip(shares, cpus, strict=True)]
        return [one.result() for one in begun]


def _read(servers: str, topic: str, partitions: Sequence[int], cpu: int) -> Read:
    os.sched_setaffinity(0, {cpu})
    # As the worker fetches: only then is what stands between the two the worker's own work.
    settings = Settings(bootstrap_servers=servers)
    with _consumer(settings) as consumer:
        places = [TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in partitions]
        left = sum(consumer.get_watermark_offsets(place, timeout=_TIMEOUT_S)[1] for place in places)
        consumer.assign(places)
        count, size, began, began_cpu = _some(consumer, settings.records_per_chunk_max), 0, time.monotonic(), time.process_time()
        until, first = began + _TIMEOUT_S, count
        while count < left:
            if time.monotonic() > until:
                raise TimeoutError(f"only {count} of {left} records of {topic} came in {_TIMEOUT_S} s")
            for message in consumer.consume(settings.records_per_chunk_max, settings.poll_timeout_s):
                if message.error() is None:
                    count += 1
                    size += len(message.value() or b"")
        return Read(count - first, size, time.monotonic() - began, time.process_time() - began_cpu)


def _some(consumer: Consumer, count_max: int) -> int:
    """Wait for the first records; return how many came with them."""
    until = time.monotonic() + _TIMEOUT_S
    while time.monotonic() < until:
        if found := sum(message.error() is None for message in consumer.consume(count_max, 0.05)):
            return found
    raise TimeoutError("no record came")


@contextmanager
def _consumer(settings: Settings) -> Iterator[Consumer]:
    consumer = Consumer({**consumer_properties(settings), "group.id": "bare"})
    try:
        yield consumer
    except KafkaException as error:
        raise ConnectionError(str(error)) from error
    finally:
        consumer.close()
