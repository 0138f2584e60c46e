"""The violation record: what a worker says of a trace that broke a rule (topic `betrace.violations`).

The models are the schema: docs/reference/violation.schema.json is generated from them. Readers ignore fields they do not know, so that
fields can be added; a field is never removed and never changes its meaning.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, model_validator

from topics.rfc3339 import SHOWN_PATTERN
from topics.span import shown

if TYPE_CHECKING:
    from topics.span import AttributeValue

TEXT_LENGTH_MAX = 4096
SERVICE_COUNT_MAX = 100
SCHEMA_ID = "urn:betrace:schema:violation"
_INT64_MAX = 2**63 - 1
# Text of that length is within bounds whatever it holds: JSON has at most twelve characters for one.
_SHORT = 2 * TEXT_LENGTH_MAX // 12 - 1
_CANONICAL = json.JSONEncoder(sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_SURROGATES = re.compile("[\ud800-\udfff]")


class Change(StrEnum):
    """What a revision does to the violation it revises."""

    RAISED = "raised"
    UPDATED = "updated"
    WITHDRAWN = "withdrawn"


class SaidVerdict(StrEnum):
    """The verdict of a record: `violated`, or what took its place when the violation is withdrawn."""

    VIOLATED = "violated"
    SATISFIED = "satisfied"
    EXCUSED = "excused"
    INCONCLUSIVE = "inconclusive"
    NOT_APPLICABLE = "not_applicable"


class CloseReason(StrEnum):
    """Why a trace was closed; a trace closes for exactly one reason."""

    ROOT_ENDED = "root_ended"
    IDLE = "idle"
    MAX_AGE = "max_age"
    SPAN_LIMIT = "span_limit"
    EVICTED = "evicted"
    SHED = "shed"
    DRAINED = "drained"


class RuleSeverity(StrEnum):
    """How bad a violation of the rule is, worst first."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"


class RuleMode(StrEnum):
    """`enforce` alerts; `shadow` is judged and recorded and never alerts."""

    ENFORCE = "enforce"
    SHADOW = "shadow"


def _shown(value: object) -> object:
    return shown_text(value) if isinstance(value, str) else value


def shown_text(value: str) -> str:
    """Return a text as a record shows it: of bounded length, and UTF-8."""
    if len(value) > TEXT_LENGTH_MAX:
        # A record too large for the topic would stop every worker that meets its trace.
        value = f"{value[: TEXT_LENGTH_MAX - 1]}…"
    if value.isascii():
        return value
    try:
        return shown(value)
    except UnicodeEncodeError:
        return _SURROGATES.sub("\ufffd", value)


def _finite(value: object) -> object:
    return str(value_word(value)) if isinstance(value, float) and not math.isfinite(value) else _shown(value)


def _finite_or_none(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def value_word(value: float) -> str:
    """Return the word for a float that JSON has no number for: `NaN`, `Infinity` or `-Infinity`, as OTLP's JSON writes them."""
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def json_value(value: AttributeValue | None) -> JsonValue:
    """Return an attribute's value as JSON: bytes as base64, arrays as lists, maps as objects, floats without a number as their word."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else value_word(value)
    if isinstance(value, str):
        return shown_text(value)
    if isinstance(value, bytes):
        return shown_text(base64.b64encode(value).decode("ascii"))
    if isinstance(value, Mapping):
        return {shown_text(key): json_value(entry) for key, entry in value.items()}
    return [json_value(element) for element in value]


def bounded(value: JsonValue) -> JsonValue:
    """Return a value, or the beginning of its JSON as text where that is too long: a record fits its topic whatever a span holds."""
    if value is None or isinstance(value, float) or (isinstance(value, int) and abs(value) <= _INT64_MAX):
        return value
    if isinstance(value, str) and len(value) <= _SHORT:
        return value
    text = json.dumps(value)
    return value if len(text) <= 2 * TEXT_LENGTH_MAX else shown_text(text)


Text = Annotated[str, BeforeValidator(_shown)]
Time = Annotated[str, Field(pattern=SHOWN_PATTERN, json_schema_extra={"format": "date-time"})]
TraceId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
SpanId = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
Offset = Annotated[int, Field(ge=0, le=_INT64_MAX)]
Count = Annotated[int, Field(ge=0)]
Value = Annotated[bool | int | float | str | None, BeforeValidator(_finite)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_inf_nan="strings", json_schema_serialization_defaults_required=True)


class ViolatedRule(_Part):
    """The rule as it stood when it judged."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,127}$")]
    version: Annotated[str, Field(min_length=1, description="Counter in betrace.rules; from files 12 hex digits over text and metadata.")]
    fingerprint: Annotated[str, Field(min_length=1, description="Names the rule set it was in force with.")]
    severity: RuleSeverity
    mode: RuleMode
    tags: tuple[Text, ...]
    controls: tuple[Text, ...]


class JudgedTrace(_Part):
    """The trace as far as it was seen when the verdict was decided."""

    id: TraceId
    root_name: Annotated[Text | None, Field(description="Name of the root span; null while no root was seen.")]
    root_service: Annotated[Text | None, Field(description="Service of the root span; null without a root or a service name.")]
    services: Annotated[tuple[Text, ...], Field(description="The service names seen, sorted, at most 100.")]
    start_time: Annotated[Time | None, Field(description="Earliest usable span start; null where there is none.")]
    duration_ns: Annotated[Count | None, Field(description="Latest end less earliest start; null where that is undefined.")]
    span_count: Count
    close_reason: Annotated[CloseReason | None, Field(description="Null for an early verdict: the trace was still open.")]
    complete: Annotated[bool, Field(description="True where the close says that all spans have come.")]
    orphan_count: Annotated[Count, Field(description="Spans whose parent is not there.")]


class Offender(_Part):
    """A span to blame, with the attributes that the rule declares as evidence; make their values by `json_value`."""

    span_id: SpanId
    service: Text
    name: Text
    start_offset_ns: Annotated[int | None, Field(description="Start less the trace's start_time; null where that is undefined.")]
    duration_ns: Annotated[int | None, Field(description="End less start; null where that is undefined.")]
    attributes: dict[Text, JsonValue]


class ComparedValues(_Part):
    """A scalar comparison to blame: both its values and how far apart they are."""

    text: Annotated[Text, Field(description="The comparison as the rule writes it.")]
    left: Value
    right: Value
    margin: Annotated[
        int | float | None,
        BeforeValidator(_finite_or_none),
        Field(description="left - right; null where that is no finite number."),
    ]


class InputRange(_Part):
    """The records the verdict rests on."""

    topic: Annotated[Text, Field(min_length=1)]
    partition: Annotated[int, Field(ge=0, lt=2**31)]
    first_offset: Offset
    last_offset: Offset


class Violation(_Part):
    """One revision of a violation: a rule and a trace that broke it. Of several revisions of an id the greatest counts."""

    model_config = ConfigDict(title="BeTrace violation record")

    id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$", description="The same for every revision.")]
    revision: Annotated[int, Field(ge=1, le=_INT64_MAX, description="Counts from 1.")]
    change: Change
    verdict: SaidVerdict
    early: Annotated[bool, Field(description="True where it was decided while the trace was open.")]
    decided_at: Annotated[Time, Field(description="Partition time of the mark that decided it.")]
    clauses: Annotated[tuple[Literal["always", "never"], ...], Field(description="The clauses that failed.")]
    rule: ViolatedRule
    trace: JudgedTrace
    offenders: Annotated[tuple[Offender, ...], Field(description="In order of start and id, the first of offender_count.")]
    offender_count: Count
    comparisons: tuple[ComparedValues, ...]
    input: InputRange
    signature: Annotated[
        str | None,
        Field(
            description="HMAC-SHA-256 in hex over the canonical JSON without this field; absent without a key.",
            exclude_if=lambda it: it is None,
        ),
    ] = None

    @model_validator(mode="after")
    def _change_fits_verdict(self) -> Self:
        if (self.change is Change.WITHDRAWN) == (self.verdict is SaidVerdict.VIOLATED):
            raise ValueError(f"a record that is {self.change} cannot say {self.verdict}")
        if self.revision == 1 and self.change is not Change.RAISED:
            raise ValueError("revision 1 raises")
        return self

    @property
    def ce_id(self) -> str:
        """The CloudEvents id: violation id and revision, the same whenever the record is said again."""
        return f"{self.id}.{self.revision}"

    @property
    def trace_id(self) -> str:
        """The id of the trace."""
        return self.trace.id

    def canonical_json(self) -> bytes:
        """Return the record's bytes: the same for equal records, always and everywhere."""
        return canonical_json(self.model_dump(mode="json"))


def canonical_json(body: JsonValue | dict[str, Any]) -> bytes:
    """Return JSON as UTF-8 with sorted keys and no blanks; reading it and writing it again gives the same bytes.

    Raises ValueError for floats that JSON has no number for.
    """
    return _CANONICAL.encode(body).encode()


def violation_id(rule_id: str, rule_version: str, trace_id: str, partition: int, first_offset: int) -> str:
    """Return the id of a violation, 32 hex digits: a pure function of rule, rule version, trace and the trace's first record."""
    # Canonical JSON, for there is neither a float nor an object in it.
    parts = orjson.dumps([rule_id, rule_version, trace_id, partition, first_offset])
    return hashlib.sha256(parts).hexdigest()[:32]


def read_violation(value: bytes) -> Violation:
    """Return the record of a topic's value; raises ValueError (pydantic's ValidationError) where it is none."""
    return Violation.model_validate_json(value)


def violation_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of the record."""
    schema = Violation.model_json_schema(mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": SCHEMA_ID, **schema}
