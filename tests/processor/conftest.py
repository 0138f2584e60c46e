"""Real brokers for the tests of the shell."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.brokers import Broker, apache_kafka, skipping_without_kafka, tansu


@pytest.fixture(scope="module", params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
def broker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """Each broker in turn."""
    start = {"embedded": tansu, "kafka": apache_kafka}[request.param]
    with skipping_without_kafka(lambda: start(tmp_path_factory.mktemp("broker"))) as found:
        yield found
