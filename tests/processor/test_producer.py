"""The producer of violations and dead letters, where no broker takes anything."""

from __future__ import annotations

import time

import pytest

from processor.metrics import Tally
from processor.producer import DeliveryError, KafkaPublisher
from processor.settings import Settings
from tests.e2e.brokers import lasting_port
from topics.dead_letter import DeadLetter


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
