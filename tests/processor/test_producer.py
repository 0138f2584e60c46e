"""What a worker sends: a dead letter goes out whole as long as its topic takes it, and what no broker takes is an error in time."""

from __future__ import annotations

import random
import time

import pytest

from loadtest.kafka_broker import lasting_port
from processor.metrics import DEAD_LETTERS_TOO_LARGE, Tally
from processor.producer import DeliveryError, KafkaPublisher
from processor.settings import Settings
from tests.e2e.brokers import Broker
from tests.processor.test_kafka_journal import create
from topics.dead_letter import DeadLetter
from topics.log_reader import LogReader

MIB = 2**20


@pytest.mark.parametrize(("size", "too_large_count"), [(3 * MIB // 2, 0), (4 * MIB, 1)])
def test_a_dead_letter_near_the_limit_of_the_input_goes_out_and_one_beyond_is_counted(
    broker: Broker, size: int, too_large_count: int
) -> None:
    topic, tally = create(broker.servers, 1, max_bytes=2 * MIB), Tally()
    value = random.Random(size).randbytes(size)  # nothing that compression makes small
    publisher = KafkaPublisher(Settings(bootstrap_servers=broker.servers, dead_letters_topic=topic), tally)
    publisher.dead_letter(DeadLetter("malformed", "otlp_spans", 0, 7, b"k", value))
    publisher.flush()
    with LogReader({"bootstrap.servers": broker.servers}, topic, client_id="test") as reader:
        sizes = [len(record.value or b"") for record in reader.read(0, 0, reader.end(0))]
    assert sizes == [size] * (1 - too_large_count)
    assert tally.count(DEAD_LETTERS_TOO_LARGE) == too_large_count


@pytest.mark.parametrize("letter_count", [1, 5], ids=["queue with room", "queue that is full"])
def test_what_no_broker_takes_is_an_error_within_the_time_set(letter_count: int) -> None:
    """One letter waits in the queue, the second finds it full: neither is passed over."""
    settings = Settings.model_validate(
        {
            "bootstrap_servers": f"127.0.0.1:{lasting_port()}",
            "delivery_timeout_s": 1.0,
            "client_properties": {"queue.buffering.max.messages": "1"},
        }
    )
    publisher = KafkaPublisher(settings, Tally())
    started = time.monotonic()
    with pytest.raises(DeliveryError):
        _send(publisher, letter_count)
    assert time.monotonic() - started < 10


def _send(publisher: KafkaPublisher, letter_count: int) -> None:
    for offset in range(letter_count):
        publisher.dead_letter(DeadLetter("malformed", "otlp_spans", 0, offset, b"key", b"value"))
    publisher.flush()
