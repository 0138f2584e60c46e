"""Every setting of the worker, typed, with its unit in its name. Each is read from the environment as BETRACE_ and its name."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from processor.closing import SECOND_NS, ClosingPolicy
from processor.engines import DEFAULT_ENGINE, EngineName
from processor.keyring import Keyring
from processor.overload import ShedPolicy
from processor.redis_address import parse_address
from processor.rule_settings import RuleSettings, checked_key, key_of
from processor.surroundings import CoreSettings
from topics import names
from topics.settings import TopicName

Seconds = Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]


class GroupProtocol(StrEnum):
    """How workers share partitions: `classic` works on any broker; `consumer` (KIP-848) needs Kafka 4 and is the more robust one."""

    CLASSIC = "classic"
    CONSUMER = "consumer"


class RulesFrom(StrEnum):
    """Where a worker has its rules from: a `directory` of its own, or the `topic` that all workers follow."""

    DIRECTORY = "directory"
    TOPIC = "topic"


class InputFormat(StrEnum):
    """How values are read: `auto` goes by the record's content-type header and, where there is none, by how the value begins."""

    AUTO = "auto"
    PROTOBUF = "protobuf"
    JSON = "json"


class Settings(RuleSettings):
    """What `betrace worker` needs to know."""

    model_config = SettingsConfigDict(env_prefix="BETRACE_")

    rules: Annotated[Path, Field(description="A rule file, or a directory whose .yaml and .yml files are read, subdirectories too.")] = (
        Path("rules")
    )
    rules_from: Annotated[
        RulesFrom,
        Field(
            description="directory: `rules`, which is watched. topic: the newest set that `betrace rules apply` wrote to the rules topic."
        ),
    ] = RulesFrom.DIRECTORY
    engine: Annotated[
        EngineName, Field(description="What judges: luajit, or reference, the slow definition of what rules mean, to compare with.")
    ] = DEFAULT_ENGINE
    group_id: Annotated[
        str, Field(min_length=1, max_length=255, description="Consumer group; the workers of one group share the partitions.")
    ] = "betrace"
    group_protocol: Annotated[
        GroupProtocol,
        Field(
            description="classic: any broker. consumer: KIP-848, Kafka 4; elsewhere no partition is ever assigned, and readiness says so."
        ),
    ] = GroupProtocol.CLASSIC
    group_session_timeout_s: Annotated[
        Positive,
        Field(description="A worker silent for so long has lost its partitions. Classic groups only; with KIP-848 the broker decides."),
    ] = 6.0
    spans_topic: Annotated[TopicName, Field(description="The topic the Collectors write.")] = names.SPANS.name
    violations_topic: Annotated[TopicName, Field(description="The topic of violation records.")] = names.VIOLATIONS.name
    dead_letters_topic: Annotated[TopicName, Field(description="The topic of records that could not be used.")] = names.DEAD_LETTERS.name
    source: Annotated[
        str, Field(min_length=1, description="CloudEvents source of the violation records; the same on every worker of a group.")
    ] = "betrace"
    input_format: Annotated[
        InputFormat, Field(description="protobuf, json, or auto: by the record's content-type header, else by how the value begins.")
    ] = InputFormat.AUTO
    is_input_keyed: Annotated[
        bool,
        Field(
            description="Records are keyed by trace id and hold one trace each. Others are counted, readiness says so, their traces are "
            "judged as incomplete. False: trust that all records of a trace come in one partition."
        ),
    ] = True

    root_grace_s: Annotated[Seconds, Field(description="A trace whose root was seen closes after so long without a new span.")] = 5.0
    idle_timeout_s: Annotated[Seconds, Field(description="A trace closes after so long without a record.")] = 30.0
    max_age_s: Annotated[Seconds, Field(description="A trace closes at this age, complete only if its root was seen.")] = 600.0
    span_count_max: Annotated[
        int,
        Field(
            ge=1,
            le=1_000_000,
            description="Spans kept of a trace; the first one beyond closes it as incomplete, and further ones are counted.",
        ),
    ] = 10_000
    closed_retention_s: Annotated[
        Seconds,
        Field(description="A closed trace is remembered so long, and timestamp_skew_max_s, after its last record."),
    ] = 300.0
    timestamp_skew_max_s: Annotated[
        Seconds, Field(description="Record timestamps further ahead of the wall clock than this are moved back to it, and counted.")
    ] = 60.0
    is_early: Annotated[
        bool,
        Field(
            description="Say a violation as soon as it is decided, while its trace is open. Costs a judgement, by those rules that can be "
            "violated early, of every open trace that a chunk brought spans of."
        ),
    ] = True
    drains_on_stop: Annotated[
        bool, Field(description="When stopped, close every open trace as drained and say the verdicts: for inputs that end, as in a demo.")
    ] = False

    records_per_chunk_max: Annotated[int, Field(ge=1, le=100_000, description="Records worked on between two marks at most.")] = 4_000
    poll_timeout_s: Annotated[Positive, Field(description="How long a poll waits for records, counted from the one before.")] = 0.05
    checkpoint_interval_s: Annotated[Positive, Field(description="How often what was said is made durable and offsets are committed.")] = (
        1.0
    )
    memory_max_mib: Annotated[
        int,
        Field(ge=16, le=1_048_576, description="Traces that take more are evicted, oldest first: closed as incomplete, no longer revised."),
    ] = 1_024
    sheds: Annotated[
        bool,
        Field(
            description="Shed whole traces, by a hash of their ids, while a partition lags beyond shed_lag_max_s and shed_lag_records_max "
            "and falls further behind. They are counted and not judged. Only keyed input is shed."
        ),
    ] = True
    shed_lag_max_s: Annotated[Positive, Field(description="How far a partition may be behind the clock before traces are shed.")] = 300.0
    shed_lag_records_max: Annotated[
        int, Field(ge=1, le=10**12, description="How many records of a partition may wait before traces are shed.")
    ] = 100_000
    signing_key_file: Annotated[
        Path | None,
        Field(
            description="File with the key that signs violations and journal records (HMAC-SHA-256); the same for all workers of a group."
        ),
    ] = None
    store_url: Annotated[
        SecretStr | None,
        Field(
            description="Redis 7 or Valkey that keeps a copy of trace states: redis://, rediss://, unix://, redis+sentinel://, "
            "redis+cluster://. Without it a new owner reads the input again."
        ),
    ] = None
    store_app: Annotated[
        str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$", description="What the keys in the store begin with; another for each deployment.")
    ] = "betrace"
    store_interval_s: Annotated[
        Positive,
        Field(description="How often changed trace states go to the store; those of a partition go sooner when thousands have changed."),
    ] = 5.0
    store_timeout_s: Annotated[Positive, Field(description="A store that has not answered within this time is left out, and said so.")] = (
        1.0
    )
    idle_interval_s: Annotated[
        Positive, Field(description="How often a partition where nothing happens says in the journal that it is judged.")
    ] = 60.0
    delivery_timeout_s: Annotated[
        Positive, Field(description="A record not delivered within this time stops the worker; it starts again at the last commit.")
    ] = 30.0
    queued_kbytes_max: Annotated[
        int, Field(ge=64, le=2_097_151, description="Records fetched ahead, in kilobytes, over all partitions.")
    ] = 65_536

    http_host: Annotated[str, Field(description="Address of the health, readiness and metrics pages.")] = "127.0.0.1"
    http_port: Annotated[
        int, Field(ge=0, le=65_535, description="Port of these pages; 0: a free one, named in the log and on standard output.")
    ] = 8078
    assignment_timeout_s: Annotated[Positive, Field(description="Without any partition for so long, readiness says why that may be.")] = (
        30.0
    )
    progress_timeout_s: Annotated[Positive, Field(description="Not alive when the work has not gone round for so long.")] = 60.0
    log_level: Annotated[str, Field(pattern="^(?i:debug|info|warning|error|critical)$", description="Least severe message to log.")] = (
        "info"
    )

    @field_validator("signing_key_file")
    @classmethod
    def _signs(cls, file: Path | None) -> Path | None:
        return checked_key(file)

    @field_validator("store_url")
    @classmethod
    def _is_a_redis(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None:
            parse_address(url.get_secret_value())
        return url

    @model_validator(mode="after")
    def _limits_fit(self) -> Self:
        if max(self.root_grace_s, self.idle_timeout_s) > self.closed_retention_s:
            raise ValueError("closed_retention_s must be at least idle_timeout_s and root_grace_s: a record after it begins a new trace")
        return self

    def core(self, worker: str) -> CoreSettings:
        """Return how the core works; `worker` names this one in its fences."""
        return CoreSettings(
            policy=self.closing_policy(),
            is_keyed=self.is_input_keyed,
            store_interval_ns=nanoseconds(self.store_interval_s),
            idle_interval_ns=nanoseconds(self.idle_interval_s),
            memory_max_bytes=self.memory_max_mib * 2**20,
            worker=worker,
            keyring=Keyring(key_of(self.signing_key_file), key_of(self.redaction_key_file)),
            shed=self._shed_policy(),
        )

    def _shed_policy(self) -> ShedPolicy | None:
        if not self.sheds or not self.is_input_keyed:
            return None
        return ShedPolicy(nanoseconds(self.shed_lag_max_s), self.shed_lag_records_max)

    def closing_policy(self) -> ClosingPolicy:
        """Return the limits of a trace's life."""
        return ClosingPolicy(
            root_grace_ns=nanoseconds(self.root_grace_s),
            idle_timeout_ns=nanoseconds(self.idle_timeout_s),
            max_age_ns=nanoseconds(self.max_age_s),
            closed_retention_ns=nanoseconds(self.closed_retention_s),
            timestamp_skew_max_ns=nanoseconds(self.timestamp_skew_max_s),
            span_count_max=self.span_count_max,
            early_verdicts=self.is_early,
        )


def nanoseconds(seconds: float) -> int:
    """Return a duration in whole nanoseconds."""
    return round(seconds * SECOND_NS)
