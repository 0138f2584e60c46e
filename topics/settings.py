"""Settings of the topics tool: what topics are called, how they are made."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
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
    spans_topic: Annotated[TopicName, Field(description="The topic the Collectors write.")] = names.SPANS.name
    violations_topic: Annotated[TopicName, Field(description="The topic of violation records.")] = names.VIOLATIONS.name
    dead_letters_topic: Annotated[TopicName, Field(description="The topic of records that could not be used.")] = names.DEAD_LETTERS.name

    def topic_name(self, topic: Topic) -> str:
        """Return what a topic of the table is called here."""
        given = {
            Role.SPANS: self.spans_topic,
            Role.VIOLATIONS: self.violations_topic,
            Role.DEAD_LETTERS: self.dead_letters_topic,
        }
        return given.get(topic.role, topic.name)

    def wanted_partition_count(self, topic: Topic) -> int:
        """Return how many partitions a topic gets when it is created."""
        return self.partition_count if topic.partition_count is None else topic.partition_count
