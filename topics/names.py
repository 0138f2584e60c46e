"""The topic table: every topic BeTrace knows, what is on it, who writes it and who reads it.

The names in the table are the defaults; a deployment may give a topic another name, its role stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

DAY_MS = 86_400_000


class Role(StrEnum):
    """What a topic is for, whatever it is called."""

    SPANS = "spans"
    SHARDED_SPANS = "sharded-spans"
    RULES = "rules"
    VIOLATIONS = "violations"
    RULE_STATS = "rule-stats"
    DEAD_LETTERS = "dead-letters"


class Cleanup(StrEnum):
    """What the broker does with old records."""

    DELETE = "delete"
    COMPACT = "compact"


@dataclass(frozen=True, slots=True)
class Topic:
    """A row of the topic table.

    `partition_count` None: as many as the settings say, the same for all such topics. `retention_ms` None: records are kept for ever
    (compacted topics: the last of each key). `is_created`: `betrace topics apply` makes it.
    """

    role: Role
    name: str
    key: str
    value: str
    partitioning: str
    partition_count: int | None
    cleanup: Cleanup
    retention_ms: int | None
    record_bytes_max: int | None
    writers: tuple[str, ...]
    readers: tuple[str, ...]
    is_created: bool

    def config(self) -> dict[str, str]:
        """Return the topic's configuration in the broker's words; every topic carries the time of its append."""
        config = {
            "cleanup.policy": self.cleanup.value,
            "message.timestamp.type": "LogAppendTime",
            "retention.ms": str(-1 if self.retention_ms is None else self.retention_ms),
        }
        if self.record_bytes_max is not None:
            config["max.message.bytes"] = str(self.record_bytes_max)
        return config


SPANS = Topic(
    role=Role.SPANS,
    name="otlp_spans",
    key="trace id, 32 lower-case hex digits (Collector: partition_traces_by_id)",
    value="OTLP ExportTraceServiceRequest, protobuf or JSON",
    partitioning="the producer's hash of the key; the Collector's is FNV-1a",
    partition_count=None,
    cleanup=Cleanup.DELETE,
    retention_ms=DAY_MS,
    record_bytes_max=None,
    writers=("OpenTelemetry Collector",),
    readers=("betrace worker", "betrace shard"),
    is_created=True,
)
SHARDED_SPANS = Topic(
    role=Role.SHARDED_SPANS,
    name="betrace.spans",
    key="trace id, 32 lower-case hex digits",
    value="OTLP ExportTraceServiceRequest, protobuf, one trace a record",
    partitioning="murmur2 of the key",
    partition_count=None,
    cleanup=Cleanup.DELETE,
    retention_ms=DAY_MS,
    record_bytes_max=None,
    writers=("betrace shard",),
    readers=("betrace worker",),
    is_created=False,
)
RULES = Topic(
    role=Role.RULES,
    name="betrace.rules",
    key="rule id, or the fingerprint of a whole rule set",
    value="rule text, metadata and version as JSON; no value: deleted",
    partitioning="one partition, so that changes have one order",
    partition_count=1,
    cleanup=Cleanup.COMPACT,
    retention_ms=None,
    record_bytes_max=None,
    writers=("betrace api", "betrace rules apply"),
    readers=("betrace worker", "betrace api"),
    is_created=False,
)
VIOLATIONS = Topic(
    role=Role.VIOLATIONS,
    name="betrace.violations",
    key="trace id, 32 lower-case hex digits",
    value="violation record as JSON (violation.schema.json), CloudEvents 1.0 binary mode",
    partitioning="murmur2 of the key",
    partition_count=None,
    cleanup=Cleanup.DELETE,
    retention_ms=90 * DAY_MS,
    record_bytes_max=None,
    writers=("betrace worker",),
    readers=("betrace api", "your own consumers"),
    is_created=True,
)
RULE_STATS = Topic(
    role=Role.RULE_STATS,
    name="betrace.rule-stats",
    key="none",
    value="fences and checkpoint records as JSON: marks and signed counts per rule",
    partitioning="the partition of the spans it speaks of",
    partition_count=None,
    cleanup=Cleanup.DELETE,
    retention_ms=400 * DAY_MS,
    record_bytes_max=None,
    writers=("betrace worker",),
    readers=("betrace worker", "betrace api", "betrace verify"),
    is_created=False,
)
DEAD_LETTERS = Topic(
    role=Role.DEAD_LETTERS,
    name="betrace.dead-letters",
    key="that of the original record",
    value="the original record's value, unchanged; reason and origin in headers",
    partitioning="murmur2 of the key; spread evenly without one",
    partition_count=None,
    cleanup=Cleanup.DELETE,
    retention_ms=14 * DAY_MS,
    # The original may be as large as its own topic allows, and here it has more headers.
    record_bytes_max=2 * 1024 * 1024,
    writers=("betrace worker",),
    readers=("operators",),
    is_created=True,
)

TOPICS = (SPANS, SHARDED_SPANS, RULES, VIOLATIONS, RULE_STATS, DEAD_LETTERS)
CREATED = tuple(topic for topic in TOPICS if topic.is_created)


def topic_page() -> str:
    """Return the reference page of the topic table as Markdown."""
    lines = [
        "# Topics",
        "",
        "Names are defaults. `betrace topics apply` creates the topics marked *created*; every topic it creates uses `LogAppendTime`.",
        "",
    ]
    for topic in TOPICS:
        lines += [f"## `{topic.name}`", "", "| | |", "|---|---|", *(f"| {word} | {text} |" for word, text in _facts(topic)), ""]
    return "\n".join(lines)


def _facts(topic: Topic) -> list[tuple[str, str]]:
    partitions = "as set (`BETRACE_TOPICS_PARTITION_COUNT`)" if topic.partition_count is None else str(topic.partition_count)
    retention = "for ever" if topic.retention_ms is None else f"{topic.retention_ms // DAY_MS} d"
    size = "the broker's default" if topic.record_bytes_max is None else f"{topic.record_bytes_max} bytes"
    return [
        ("Key", topic.key),
        ("Value", topic.value),
        ("Partitioning", topic.partitioning),
        ("Partitions", partitions),
        ("Cleanup", topic.cleanup.value),
        ("Kept", retention),
        ("Greatest record", size),
        ("Written by", ", ".join(topic.writers)),
        ("Read by", ", ".join(topic.readers)),
        ("Created", "yes" if topic.is_created else "not yet used"),
    ]
