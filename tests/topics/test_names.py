"""The topic table: what apply makes, and what the reference page says."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from topics.names import CREATED, RULES, SPANS, TOPICS, VIOLATIONS, topic_page
from topics.settings import TopicSettings


def test_roles_and_names_of_topics_are_unique() -> None:
    assert len({topic.role for topic in TOPICS}) == len({topic.name for topic in TOPICS}) == len(TOPICS)


def test_only_topics_in_use_are_created() -> None:
    assert [topic.name for topic in CREATED] == ["otlp_spans", "betrace.violations", "betrace.dead-letters"]


def test_every_topic_carries_the_time_of_its_append() -> None:
    assert {topic.config()["message.timestamp.type"] for topic in TOPICS} == {"LogAppendTime"}


def test_violations_are_never_compacted_for_one_key_holds_many() -> None:
    assert VIOLATIONS.config()["cleanup.policy"] == "delete"


def test_a_topic_has_as_many_partitions_as_the_settings_say_unless_it_needs_one() -> None:
    settings = TopicSettings(partition_count=24)
    assert (settings.wanted_partition_count(SPANS), settings.wanted_partition_count(RULES)) == (24, 1)


def test_settings_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BETRACE_TOPICS_SPANS_TOPIC", "traces")
    monkeypatch.setenv("BETRACE_TOPICS_CLIENT_PROPERTIES", '{"security.protocol": "SSL"}')
    settings = TopicSettings()
    assert settings.topic_name(SPANS) == "traces"
    assert settings.client_properties == {"security.protocol": "SSL"}


@pytest.mark.parametrize("name", ["", "a b", "a/b", "x" * 250])
def test_a_name_that_kafka_refuses_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        TopicSettings(spans_topic=name)


def test_the_reference_page_has_every_topic_of_the_table() -> None:
    page = topic_page()
    assert all(f"## `{topic.name}`" in page for topic in TOPICS)
