"""Brokers, topics and workers for the end-to-end tests."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from tests.e2e.brokers import Broker, apache_kafka, skipping_without_kafka, tansu
from tests.e2e.stage import Stage, make_topics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """Apache Kafka, one for the whole run; skipped, with the reason, where it cannot be had."""
    with skipping_without_kafka(lambda: apache_kafka(tmp_path_factory.mktemp("kafka"))) as broker:
        yield broker


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
def broker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """Each broker in turn; the embedded one is fresh for every test."""
    if request.param == "kafka":
        yield request.getfixturevalue("kafka")
        return
    with tansu(tmp_path_factory.mktemp("tansu")) as started:
        yield started


@pytest.fixture
def stage(broker: Broker, tmp_path: Path, record_property: Callable[[str, object], None]) -> Iterator[Stage]:
    """Fresh topics on a broker, and room for workers that end with the test."""
    record_property("broker", broker.how)
    stage = Stage(broker, tmp_path, uuid.uuid4().hex[:8])
    make_topics(stage)
    yield stage
    stage.end()
