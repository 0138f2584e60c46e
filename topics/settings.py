"""Settings of the topics tool: what topics are called, how they are made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_settings import SettingsConfigDict

from topics import names
from topics.connection import ConnectionSettings
from topics.names import Role, Topic

TopicName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,249}$")]


class TopicSettings(ConnectionSettings):
    """What `betrace topics` needs to know; each field is read from the environment as `BETRACE_TOPICS_…`."""

    model_config = SettingsConfigDict(env_prefix="BETRACE_TOPICS_")

    partition_count: Annotated[int, Field(ge=1, le=10_000, description="Partitions of a topic that is created.")] = 12
    replication_factor: Annotated[
        int, Field(ge=-1, le=100, description="Replicas of a topic that is created; -1: the broker's default.")
    ] = -1
    timeout_ms: Annotated[int, Field(ge=100, le=600_000, description="How long to wait for the broker's answer before it is an error.")] = (
        15_000
    )
    retention_days: Annotated[
        dict[Role, Annotated[float, Field(gt=0, le=36_500, allow_inf_nan=False)]],
        Field(
            description="How long records are kept where that is not as in the table of topics, as a JSON object of days by role: "
            '{"spans": 3, "violations": 30}. Roles: spans, sharded-spans, violations, rule-stats, dead-letters.'
        ),
    ] = Field(default_factory=dict)
    spans_topic: Annotated[TopicName, Field(description="The topic the Collectors write.")] = names.SPANS.name
    sharded_spans_topic: Annotated[TopicName, Field(description="The topic that betrace shard writes.")] = names.SHARDED_SPANS.name
    rules_topic: Annotated[TopicName, Field(description="The topic of rules and rule sets.")] = names.RULES.name
    violations_topic: Annotated[TopicName, Field(description="The topic of violation records.")] = names.VIOLATIONS.name
    rule_stats_topic: Annotated[TopicName, Field(description="The journal: a partition beside each of the spans.")] = names.RULE_STATS.name
    dead_letters_topic: Annotated[TopicName, Field(description="The topic of records that could not be used.")] = names.DEAD_LETTERS.name

    @model_validator(mode="after")
    def _names_and_retention_fit(self) -> Self:
        called = [self.topic_name(topic) for topic in names.TOPICS]
        twice = sorted({name for name in called if called.count(name) > 1})
        if twice:
            raise ValueError(f"two topics cannot both be called {twice[0]}")
        if Role.RULES in self.retention_days:
            raise ValueError("retention_days: rules are kept for ever")
        return self

    def topic_name(self, topic: Topic) -> str:
        """Return what a topic of the table is called here."""
        return {
            Role.SPANS: self.spans_topic,
            Role.SHARDED_SPANS: self.sharded_spans_topic,
            Role.RULES: self.rules_topic,
            Role.VIOLATIONS: self.violations_topic,
            Role.RULE_STATS: self.rule_stats_topic,
            Role.DEAD_LETTERS: self.dead_letters_topic,
        }[topic.role]

    def wanted_partition_count(self, topic: Topic, existing: Mapping[Role, int] | None = None) -> int:
        """Return how many partitions a topic should have; `existing` says how many those have that are there already, by role."""
        if topic.partition_count is not None:
            return topic.partition_count
        return max([self.partition_count, *((existing or {}).get(role, 0) for role in topic.same_partitions_as)])

    def wanted_config(self, topic: Topic) -> dict[str, str]:
        """Return a topic's configuration in the broker's words, with the retention that is set here."""
        days = self.retention_days.get(topic.role)
        return topic.config() if days is None else topic.config() | {"retention.ms": str(round(days * names.DAY_MS))}
