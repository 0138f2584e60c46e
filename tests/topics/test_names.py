"""The topic table: what apply makes, and what the reference page says."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from topics.names import RULE_STATS, RULES, SPANS, TOPICS, VIOLATIONS, Role, topic_page
from topics.settings import TopicSettings


def test_roles_and_names_of_topics_are_unique() -> None:
    assert len({topic.role for topic in TOPICS}) == len({topic.name for topic in TOPICS}) == len(TOPICS)


def test_every_name_of_the_table_can_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for topic in TOPICS:
        monkeypatch.setenv(f"BETRACE_TOPICS_{topic.role.name}_TOPIC", f"other.{topic.role}")
    settings = TopicSettings()
    assert [settings.topic_name(topic) for topic in TOPICS] == [f"other.{topic.role}" for topic in TOPICS]


def test_two_topics_with_one_name_are_refused() -> None:
    with pytest.raises(ValidationError, match=r"cannot both be called betrace\.rules"):
        TopicSettings(spans_topic="betrace.rules")


def test_a_whole_rule_set_and_a_checkpoint_record_are_larger_than_a_brokers_default() -> None:
    assert [topic.config()["max.message.bytes"] for topic in (RULES, RULE_STATS)] == [str(16 * 2**20), str(8 * 2**20)]


def test_the_journal_gets_as_many_partitions_as_the_spans_that_are_there_already() -> None:
    settings = TopicSettings(partition_count=12)
    existing = {Role.SPANS: 24, Role.SHARDED_SPANS: 6, Role.VIOLATIONS: 99}
    assert settings.wanted_partition_count(RULE_STATS, existing) == 24
    assert settings.wanted_partition_count(RULE_STATS, {Role.SHARDED_SPANS: 30}) == 30
    assert settings.wanted_partition_count(RULE_STATS, {Role.SPANS: 3}) == 12
    assert settings.wanted_partition_count(VIOLATIONS, existing) == 12


def test_retention_is_set_by_role_in_days(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BETRACE_TOPICS_RETENTION_DAYS", '{"spans": 0.5, "rule-stats": 3650}')
    settings = TopicSettings()
    assert settings.wanted_config(SPANS)["retention.ms"] == "43200000"
    assert settings.wanted_config(RULE_STATS)["retention.ms"] == str(3650 * 86_400_000)
    assert settings.wanted_config(VIOLATIONS) == VIOLATIONS.config()


@pytest.mark.parametrize("days", [{Role.RULES: 30}, {Role.SPANS: 0}, {Role.SPANS: float("inf")}])
def test_a_retention_that_cannot_be_is_refused(days: dict[Role, float]) -> None:
    with pytest.raises(ValidationError):
        TopicSettings(retention_days=days)


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
