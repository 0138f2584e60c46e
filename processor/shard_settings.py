"""Every setting of the sharder, typed, with its unit in its name. Each is read from the environment as BETRACE_SHARD_ and its name."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_settings import SettingsConfigDict

from processor.settings import GroupProtocol, InputFormat, Positive, Settings
from topics import names
from topics.connection import ConnectionSettings
from topics.settings import TopicName


class ShardSettings(ConnectionSettings):
    """What `betrace shard` needs to know."""

    model_config = SettingsConfigDict(env_prefix="BETRACE_SHARD_")

    group_id: Annotated[
        str, Field(min_length=1, max_length=255, description="Consumer group; the sharders of one group share the partitions.")
    ] = "betrace-shard"
    group_protocol: Annotated[GroupProtocol, Field(description="classic: any broker. consumer: KIP-848, Kafka 4.")] = GroupProtocol.CLASSIC
    group_session_timeout_s: Annotated[
        Positive, Field(description="A sharder silent for so long has lost its partitions. Classic groups only.")
    ] = 6.0
    spans_topic: Annotated[TopicName, Field(description="The topic to read: records in any order, keyed or not.")] = names.SPANS.name
    sharded_spans_topic: Annotated[
        TopicName, Field(description="The topic to write: one trace a record, keyed by its id. The workers' BETRACE_SPANS_TOPIC.")
    ] = names.SHARDED_SPANS.name
    dead_letters_topic: Annotated[TopicName, Field(description="The topic of records that could not be used.")] = names.DEAD_LETTERS.name
    input_format: Annotated[
        InputFormat, Field(description="protobuf, json, or auto: by the record's content-type header, else by how the value begins.")
    ] = InputFormat.AUTO
    checkpoint_interval_s: Annotated[
        Positive, Field(description="How often what was written is waited for and offsets are committed; a crash repeats so much.")
    ] = 1.0
    delivery_timeout_s: Annotated[
        Positive, Field(description="A record not delivered within this time stops the sharder; it starts again at the last commit.")
    ] = 30.0
    queued_kbytes_max: Annotated[
        int, Field(ge=64, le=2_097_151, description="Records fetched ahead, and records on their way out, in kilobytes each.")
    ] = 65_536
    http_host: Annotated[str, Field(description="Address of the health, readiness and metrics pages.")] = "127.0.0.1"
    http_port: Annotated[
        int, Field(ge=0, le=65_535, description="Port of these pages; 0: a free one, named in the log and on standard output.")
    ] = 8079
    assignment_timeout_s: Annotated[Positive, Field(description="Without any partition for so long, readiness says why that may be.")] = (
        30.0
    )
    progress_timeout_s: Annotated[Positive, Field(description="Not alive when the work has not gone round for so long.")] = 60.0
    log_level: Annotated[str, Field(pattern="^(?i:debug|info|warning|error|critical)$", description="Least severe message to log.")] = (
        "info"
    )

    @model_validator(mode="after")
    def _goes_somewhere_else(self) -> Self:
        if self.sharded_spans_topic in {self.spans_topic, self.dead_letters_topic}:
            raise ValueError(f"sharded_spans_topic: {self.sharded_spans_topic} is another one's topic; records would go round for ever")
        return self

    def as_worker(self, **client_properties: str) -> Settings:
        """Return these settings as what they share with a worker's: group and publisher are the same parts, the rest are defaults.

        `client_properties` are for this use only; those that were set go before them.
        """
        shared = {name: getattr(self, name) for name in type(self).model_fields if name in Settings.model_fields}
        own = {"client.id": "betrace-shard"} | {name.replace("_", "."): value for name, value in client_properties.items()}
        # Checked already; and the worker's own environment is none of a sharder's business.
        return Settings.model_construct(**shared | {"client_properties": own | self.client_properties})
