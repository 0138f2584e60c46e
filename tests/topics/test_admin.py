"""The topics tool against the embedded broker: creates what is missing, alters what it is told to, says what the broker cannot do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.topics.embedded import embedded_broker
from topics.admin import BrokerError, State, TopicState, apply, check
from topics.drift import Acceptance, Safety
from topics.names import DAY_MS, DEAD_LETTERS, RULE_STATS, RULES, SPANS, TOPICS, Role
from topics.settings import TopicSettings

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def servers() -> Iterator[str]:
    with embedded_broker() as address:
        yield address


def called(servers: str, name: str, **more: object) -> TopicSettings:
    """Return settings under which every topic has a name of this test's own."""
    names = {f"{role.name.lower()}_topic": f"{name}.{role}" for role in Role}
    return TopicSettings.model_validate({"bootstrap_servers": servers, **names, **more})


def properties(state: TopicState) -> list[tuple[str, str, str, Safety]]:
    return [(it.property, it.wanted, it.actual, it.safety) for it in state.changes]


def test_topics_are_created_once_and_then_are_as_wanted(servers: str) -> None:
    settings = called(servers, "one")
    assert [it.state for it in check(settings)] == [State.MISSING] * 6
    assert [(it.name, it.state) for it in apply(settings)] == [(f"one.{topic.role}", State.CREATED) for topic in TOPICS]
    assert [it.state for it in check(settings)] == [State.AS_WANTED] * 6
    assert [it.state for it in apply(settings, alters=True)] == [State.AS_WANTED] * 6


def test_a_difference_is_said_and_left_where_nobody_asks_for_a_change(servers: str) -> None:
    apply(called(servers, "two", partition_count=4), [SPANS])
    fewer = called(servers, "two", partition_count=3, retention_days={"spans": 2})
    for found in (apply(fewer, [SPANS])[0], check(fewer, [SPANS])[0]):
        assert found.state is State.DIFFERENT
        assert [it[:3] for it in properties(found)] == [("partitions", "3", "4"), ("retention.ms", str(2 * DAY_MS), str(DAY_MS))]


def test_what_is_safe_is_altered_and_what_is_not_only_when_accepted(servers: str) -> None:
    apply(called(servers, "three"), [SPANS, DEAD_LETTERS])
    longer = called(servers, "three", retention_days={"spans": 2, "dead-letters": 1})
    spans, letters = apply(longer, [SPANS, DEAD_LETTERS], alters=True)
    assert (spans.state, [it.property for it in spans.altered], spans.changes) == (State.ALTERED, ["retention.ms"], ())
    assert (letters.state, letters.altered) == (State.DIFFERENT, ())
    assert properties(letters) == [("retention.ms", str(DAY_MS), str(14 * DAY_MS), Safety.DESTRUCTIVE)]
    # A loss accepted of one topic is accepted of no other.
    assert apply(longer, [DEAD_LETTERS], alters=True, accepted={Acceptance("three.spans", "retention.ms")})[0].altered == ()
    assert apply(longer, [DEAD_LETTERS], alters=True, accepted={Acceptance("three.dead-letters", "retention.ms")})[0].state is State.ALTERED
    assert [it.state for it in check(longer, [SPANS, DEAD_LETTERS])] == [State.AS_WANTED] * 2


def test_a_broker_that_cannot_add_partitions_refuses_and_the_rest_is_done(servers: str) -> None:
    apply(called(servers, "four", partition_count=2), [DEAD_LETTERS])
    more = called(servers, "four", partition_count=3, retention_days={"dead-letters": 30})
    found = apply(more, [DEAD_LETTERS], alters=True)[0]
    assert found.state is State.REFUSED
    assert "not supported by broker" in found.error
    assert [it.property for it in found.altered] == ["retention.ms"]
    assert [it.property for it in found.changes] == ["partitions"]


def test_the_journal_is_created_with_the_partitions_of_the_spans_that_are_there(servers: str) -> None:
    apply(called(servers, "five", partition_count=5), [SPANS])
    found = apply(called(servers, "five", partition_count=2), [RULE_STATS])[0]
    assert (found.state, dict(found.wanted)["partitions"]) == (State.CREATED, "5")
    assert check(called(servers, "five", partition_count=2), [RULE_STATS])[0].state is State.AS_WANTED


def test_a_topic_is_created_with_the_retention_that_is_set(servers: str) -> None:
    settings = called(servers, "seven", retention_days={"spans": 3})
    assert apply(settings, [SPANS])[0].state is State.CREATED
    assert check(settings, [SPANS])[0].state is State.AS_WANTED


def test_the_rules_have_one_partition(servers: str) -> None:
    found = apply(called(servers, "six"), [RULES])[0]
    assert (found.state, dict(found.wanted)["partitions"]) == (State.CREATED, "1")


def test_the_state_of_a_topic_is_plain_data(servers: str) -> None:
    found = check(called(servers, "never"))[0].as_json()
    assert found["name"] == "never.spans"
    assert found["state"] == "missing"
    assert found["wanted"]["message.timestamp.type"] == "LogAppendTime"
    assert (found["changes"], found["altered"], found["untold"], found["error"]) == ([], [], [], "")


def test_a_broker_that_is_not_there_is_named_in_the_error() -> None:
    with pytest.raises(BrokerError, match=r"no broker answers at 127\.0\.0\.1:1"):
        check(TopicSettings(bootstrap_servers="127.0.0.1:1", timeout_ms=500))


def test_a_property_that_the_client_does_not_know_is_named_in_the_error() -> None:
    with pytest.raises(BrokerError, match="invented"):
        check(TopicSettings(client_properties={"invented": "1"}))
