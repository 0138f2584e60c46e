"""The topics tool against a real broker: it creates what is missing, reports what differs and changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.topics.embedded import embedded_broker
from topics.admin import BrokerError, State, apply, plan
from topics.names import RULES
from topics.settings import TopicSettings

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def servers() -> Iterator[str]:
    with embedded_broker() as address:
        yield address


def test_topics_are_created_once_and_a_difference_is_said_and_left(servers: str) -> None:
    settings = TopicSettings(
        bootstrap_servers=servers, spans_topic="one.spans", violations_topic="one.violations", dead_letters_topic="one.dead"
    )
    assert [it.state for it in plan(settings)] == [State.MISSING] * 3
    assert [(it.name, it.state) for it in apply(settings)] == [
        ("one.spans", State.CREATED),
        ("one.violations", State.CREATED),
        ("one.dead", State.CREATED),
    ]
    assert [it.state for it in apply(settings)] == [State.AS_WANTED] * 3

    fewer = settings.model_copy(update={"partition_count": 3})
    spans = apply(fewer)[0]
    assert spans.state is State.DIFFERENT
    assert [(it.property, it.wanted, it.actual) for it in spans.differences] == [("partitions", "3", "12")]
    assert plan(settings)[0].state is State.AS_WANTED


def test_a_topic_not_yet_in_use_is_created_when_asked_for(servers: str) -> None:
    found = apply(TopicSettings(bootstrap_servers=servers), [RULES])
    assert [(it.name, it.state, dict(it.wanted)["partitions"]) for it in found] == [("betrace.rules", State.CREATED, "1")]


def test_the_state_of_a_topic_is_plain_data(servers: str) -> None:
    found = plan(TopicSettings(bootstrap_servers=servers, spans_topic="never.made"))[0].as_json()
    assert found["name"] == "never.made"
    assert found["state"] == "missing"
    assert found["wanted"]["message.timestamp.type"] == "LogAppendTime"


def test_a_broker_that_is_not_there_is_named_in_the_error() -> None:
    with pytest.raises(BrokerError, match=r"no broker answers at 127\.0\.0\.1:1"):
        plan(TopicSettings(bootstrap_servers="127.0.0.1:1", timeout_ms=500))


def test_a_property_that_the_client_does_not_know_is_named_in_the_error() -> None:
    with pytest.raises(BrokerError, match="invented"):
        plan(TopicSettings(client_properties={"invented": "1"}))
