"""The journal: what a worker decides by itself, one partition beside each partition of the spans (topic `betrace.rule-stats`).

A *fence* says that a worker took the partition; its offset is the worker's *epoch*. A *checkpoint record* says what the worker decided and
counted since the last one. For every reader a record is *void* unless its epoch is the newest fence before it (`valid`).

The models are the schema: docs/reference/journal.schema.json is generated from them.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from topics.violation import Offset, TraceId, canonical_json

SCHEMA_ID = "urn:betrace:schema:journal"
MARKS_MAX = 2_000
# What `lost_until_ns` of a mark is that begins with nothing: what was remembered is lost, and what time it is no mark has told yet.
LOST_SO_FAR_NS = 2**62
CUT_MAX = 1_000
SHED_LEVEL_MAX = 256
_HASH_DIGITS = 32

ProgramId = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$", description="Names a rule set and all that its verdicts hang on besides.")]
TimeNs = Annotated[int, Field(ge=0, description="Partition time in unix nanoseconds.")]
ShedLevel = Annotated[
    int, Field(ge=0, le=SHED_LEVEL_MAX, description="Traces that begin are shed whose share (0 to 255) is less: 0 none, 256 all.")
]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", json_schema_serialization_defaults_required=True)


class Limits(_Part):
    """The limits of a trace's life that the worker was set to, in nanoseconds; null: without limit."""

    root_grace_ns: int | None
    idle_timeout_ns: int | None
    max_age_ns: int | None
    closed_retention_ns: int | None
    timestamp_skew_max_ns: int
    span_count_max: int
    early_verdicts: bool


class Mark(_Part):
    """What was decided between two chunks, in the order in which it is obeyed. What is absent did not change."""

    position: Annotated[Offset, Field(description="All input before this offset had been read.")]
    time_ns: TimeNs
    clamp_ns: Annotated[int | None, Field(description="Record timestamps of the chunk before were moved back to this.")] = None
    drain: Annotated[bool, Field(description="Every open trace was closed: the input ended.")] = False
    evict_before: Annotated[Offset | None, Field(description="Open traces that began before it were closed for want of memory.")] = None
    cut: Annotated[tuple[TraceId, ...], Field(max_length=CUT_MAX, description="Traces forgotten by age while records still came.")] = ()
    program: Annotated[ProgramId | None, Field(description="Judges the traces that begin after this mark.")] = None
    limits: Annotated[Limits | None, Field(description="In force after this mark.")] = None
    lost_until_ns: Annotated[int | None, Field(description="Traces that begin up to then may have begun earlier: state was lost.")] = None
    shed_level: Annotated[ShedLevel | None, Field(description="In force after this mark.")] = None


class RuleCounts(_Part):
    """Signed changes of the number of traces with each verdict of a rule; a late span moves a trace from one to another."""

    rule: str
    version: str
    satisfied: int = 0
    violated: int = 0
    excused: int = 0
    inconclusive: int = 0
    not_applicable: int = 0

    @property
    def applicable(self) -> int:
        """The change of the denominator: traces on which the rule said anything but not_applicable."""
        return self.satisfied + self.violated + self.excused + self.inconclusive


class Previous(_Part):
    """The last valid record before: where it stands and the hash of its bytes, so that records form a chain."""

    offset: Offset
    hash: Annotated[str, Field(pattern=rf"^[0-9a-f]{{{_HASH_DIGITS}}}$", description="SHA-256 of the record's bytes, 32 hex digits of it.")]


class Standing(_Part):
    """How a partition stands behind a record's last mark."""

    position: Offset
    time_ns: TimeNs
    program: ProgramId
    limits: Limits
    lost_until_ns: int = 0
    shed_level: ShedLevel = 0


class Fence(_Part):
    """A worker took the partition."""

    kind: Literal["fence"] = "fence"
    worker: Annotated[str, Field(max_length=256, description="Who: for people, it decides nothing.")]


class Checkpoint(_Part):
    """What a worker decided and counted since its last record."""

    kind: Literal["checkpoint"] = "checkpoint"
    epoch: Annotated[Offset, Field(description="Offset of the writer's fence.")]
    marks: Annotated[tuple[Mark, ...], Field(max_length=MARKS_MAX)]
    counts: tuple[RuleCounts, ...]
    standing: Standing
    rebuild_offset: Annotated[Offset, Field(description="Whoever reads the input from here can say this record's verdicts again.")]
    journal_from: Annotated[int, Field(ge=-1, description="The last record whose marks all lie at or before the rebuild offset; -1: none.")]
    first_offset: Annotated[Offset, Field(description="Input read since the last record, from here …")]
    last_offset: Annotated[int, Field(ge=-1, description="… to here; less than first_offset: nothing.")]
    traces_evicted: int = 0
    traces_state_lost: int = 0
    traces_shed: Annotated[int, Field(ge=0, description="Traces that were not judged because the worker lagged: in no rule's counts.")] = 0
    records_shed: Annotated[int, Field(ge=0, description="Their records that came.")] = 0
    previous: Previous | None = None
    signature: Annotated[str | None, Field(description="HMAC-SHA-256 in hex over the canonical JSON without this field.")] = None


Entry: TypeAlias = Fence | Checkpoint
_ENTRY: TypeAdapter[Entry] = TypeAdapter(Annotated[Entry, Field(discriminator="kind")])


class Placed(NamedTuple):
    """A checkpoint record where it stands; `hash` is what a follower's `previous` says of it."""

    offset: int
    record: Checkpoint
    hash: str


def shed_share(key: bytes) -> int:
    """Return where a trace lies between 0 and 255 by its id in hex, as the records' keys have it: below a shed level it is shed.

    Another hash than the partitioner's, so that of every partition the same share is shed; ids that count up or begin with the time lie
    apart as random ones do.
    """
    return zlib.crc32(key) >> 24


def encode(entry: Entry) -> bytes:
    """Return the entry's bytes: the same for equal entries; what is absent is left out."""
    return canonical_json(entry.model_dump(mode="json", exclude_defaults=True) | {"kind": entry.kind})


def read_entry(value: bytes) -> Entry:
    """Return the entry of a topic's value; raises ValueError (pydantic's ValidationError) where it is none."""
    return _ENTRY.validate_json(value)


def record_hash(value: bytes) -> str:
    """Return what `Previous.hash` says of a record with these bytes."""
    return hashlib.sha256(value).hexdigest()[:_HASH_DIGITS]


def valid(entries: Iterable[tuple[int, bytes]], epoch: int = -1) -> Iterator[Placed]:
    """Yield the checkpoint records that count, of (offset, value) in the order of the log.

    `epoch`: the newest fence before the first of them, where that is known. A value that is no entry is void too: somebody else wrote on
    the topic.
    """
    for offset, value in entries:
        try:
            entry = read_entry(value)
        except ValueError:
            continue
        if isinstance(entry, Fence):
            epoch = offset
        elif entry.epoch == epoch:
            yield Placed(offset, entry, record_hash(value))


def journal_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of an entry, as it is read: members that say nothing are left out when it is written."""
    schema = _ENTRY.json_schema(mode="validation")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": SCHEMA_ID, "title": "BeTrace journal entry", **schema}
