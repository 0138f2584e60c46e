"""What is on the rules topic: single rules as they are edited, and whole rule sets as they are in force (topic `betrace.rules`).

A rule stands under its id. A rule set stands under `set:` and its program id, all of it in one record: twenty single records are no
atomic set, so workers obey the newest *set* in the order of the log. A key without a value says that it is deleted.

The models are the schema: docs/reference/rule.schema.json and rule-set.schema.json are generated from them. Readers ignore fields they do
not know.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import Annotated, Any, NamedTuple, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from topics.journal import ProgramId
from topics.names import RULES
from topics.violation import RuleSeverity, Time, canonical_json

RULE_SCHEMA_ID = "urn:betrace:schema:rule"
RULE_SET_SCHEMA_ID = "urn:betrace:schema:rule-set"
SET_PREFIX = "set:"
RULE_BYTES_MAX = 2**20
# The topic's limit counts key and framing as well.
RULE_SET_BYTES_MAX = (RULES.record_bytes_max or 0) - 2**16
_INT64_MAX = 2**63 - 1
_PROGRAM_DIGITS = 16
_VERSIONS = (
    "The counter of each rule, also of those that are gone, so that none is given twice; a rule without one has the hash of its text."
)

RuleId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,127}$")]
Counter = Annotated[int, Field(ge=1, le=_INT64_MAX, description="Counts from 1; each change of the rule is one more.")]


class RecordSizeError(ValueError):
    """A record is larger than the rules topic takes; the text says by how much."""


class RuleState(StrEnum):
    """Where a rule is in its life. A deleted rule has no record: its key has no value."""

    DRAFT = "draft"
    VALIDATED = "validated"
    ACTIVE = "active"
    SHADOW = "shadow"
    DISABLED = "disabled"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", json_schema_serialization_defaults_required=True)


class RuleMetadata(_Part):
    """What the rule's text says of it besides what it checks, for readers that do not compile; the text decides."""

    name: str = ""
    description: str = ""
    severity: RuleSeverity = RuleSeverity.MEDIUM
    owner: str = ""
    runbook: str = ""
    tags: tuple[str, ...] = ()
    controls: tuple[str, ...] = ()


class RuleRecord(_Part):
    """One rule as it was last written."""

    model_config = ConfigDict(title="BeTrace rule record")

    id: RuleId
    version: Counter
    state: RuleState
    text: Annotated[str, Field(min_length=1, description="The rule as a rule file of its own: YAML with its let, exceptions and tests.")]
    metadata: RuleMetadata
    written_at: Time
    written_by: Annotated[str, Field(description="Who: for people, it decides nothing.")] = ""

    @property
    def key(self) -> bytes:
        """The record's key."""
        return self.id.encode()

    def canonical_json(self) -> bytes:
        """Return the record's bytes, the same for equal records; raises RecordSizeError over RULE_BYTES_MAX."""
        return _bounded(f"rule {self.id}", self, RULE_BYTES_MAX)


class RuleSource(_Part):
    """A rule file."""

    name: Annotated[str, Field(min_length=1, description="Its name, as diagnostics show it.")]
    text: str


class RuleSetRecord(_Part):
    """A whole rule set with all that its verdicts hang on besides, so that a worker can have it again to replay what it judged."""

    model_config = ConfigDict(title="BeTrace rule set record")

    program: ProgramId
    sources: Annotated[tuple[RuleSource, ...], Field(description="The rule files, in the order in which they are compiled.")]
    versions: Annotated[dict[RuleId, Counter], Field(description=_VERSIONS)] = {}
    skew_tolerance_ns: Annotated[int, Field(ge=0, description="How far clocks may differ before an order of spans counts as broken.")]
    offender_count_max: Annotated[int, Field(ge=1, description="Offenders named in a violation.")]
    redaction_key_id: Annotated[
        str, Field(pattern="^([0-9a-f]{16})?$", description="Names the key that values are hashed with which rules redact so; empty: none.")
    ] = ""
    language_version: Annotated[str, Field(min_length=1, max_length=64, description="The version of the language the rules are read by.")]
    written_at: Time

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [source.name for source in self.sources]
        if len(set(names)) != len(names):
            raise ValueError("two sources of a rule set have one name")
        return self

    @property
    def key(self) -> bytes:
        """The record's key."""
        return f"{SET_PREFIX}{self.program}".encode()

    def canonical_json(self) -> bytes:
        """Return the record's bytes, the same for equal records; raises RecordSizeError over RULE_SET_BYTES_MAX."""
        return _bounded(f"rule set {self.program}", self, RULE_SET_BYTES_MAX)


class Deleted(NamedTuple):
    """The rule or rule set under this key is deleted."""

    key: bytes


RulesEntry: TypeAlias = RuleRecord | RuleSetRecord | Deleted


def program_id(fingerprint: str, skew_tolerance_ns: int, offender_count_max: int, language_version: str, redaction_key_id: str = "") -> str:
    """Return the id of the program of a rule set with this fingerprint: the same in every process and release that judge alike.

    `redaction_key_id`: of the key that values are hashed with, empty where none are.
    """
    hangs_on: list[JsonValue] = [fingerprint, skew_tolerance_ns, offender_count_max, language_version]
    if redaction_key_id:
        hangs_on.append(redaction_key_id)
    return hashlib.sha256(canonical_json(hangs_on)).hexdigest()[:_PROGRAM_DIGITS]


def read_rules_entry(key: bytes | None, value: bytes | None) -> RulesEntry:
    """Return what a record of the rules topic says.

    Raises ValueError (pydantic's ValidationError) where it is none of ours, also where the key does not fit the value.
    """
    if not key:
        raise ValueError("a record of the rules topic has a key")
    if value is None:
        return Deleted(key)
    model = RuleSetRecord if key.startswith(SET_PREFIX.encode()) else RuleRecord
    record = model.model_validate_json(value)
    if record.key != key:
        raise ValueError(f"the record under {key!r} says that it is {record.key!r}")
    return record


def rule_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of the record of a rule."""
    return _schema(RuleRecord, RULE_SCHEMA_ID)


def rule_set_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of the record of a rule set."""
    return _schema(RuleSetRecord, RULE_SET_SCHEMA_ID)


def _schema(model: type[BaseModel], schema_id: str) -> dict[str, Any]:
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": schema_id, **model.model_json_schema(mode="serialization")}


def _bounded(what: str, record: BaseModel, bytes_max: int) -> bytes:
    value = canonical_json(record.model_dump(mode="json"))
    if len(value) > bytes_max:
        raise RecordSizeError(f"{what} takes {len(value)} bytes, {len(value) - bytes_max} more than fit into a record of the rules topic")
    return value
