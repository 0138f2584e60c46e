"""The topic table: every topic BeTrace knows, what is on it, who writes it and who reads it.

The names in the table are the defaults; a deployment may give a topic another name, its role stays. `betrace topics apply` creates all.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

DAY_MS = 86_400_000
MIB = 2**20


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

    `partition_count` None: as many as the settings say, the same for all such topics. `same_partitions_as`: the topics it stands beside,
    partition by partition; it needs at least as many as each of them has. `growth_loss`: what is lost when partitions are added later;
    empty: nothing. `retention_ms` None: records are kept for ever (compacted topics: the last of each key).
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
    growth_loss: str = ""
    same_partitions_as: tuple[Role, ...] = ()

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
    growth_loss="traces that are open move to another partition in the middle: their halves are judged apart, as if each were whole",
)
SHARDED_SPANS = Topic(
    role=Role.SHARDED_SPANS,
    name="betrace.spans",
    key="trace id, 32 lower-case hex digits",
    value="OTLP ExportTraceServiceRequest, protobuf, one trace a record; where it came from in headers",
    partitioning="murmur2 of the key",
    partition_count=None,
    cleanup=Cleanup.DELETE,
    retention_ms=DAY_MS,
    # A record that holds one trace passes whole, and here it has more headers.
    record_bytes_max=2 * MIB,
    writers=("betrace shard",),
    readers=("betrace worker",),
    growth_loss="traces that are open move to another partition in the middle: their halves are judged apart, as if each were whole",
)
RULES = Topic(
    role=Role.RULES,
    name="betrace.rules",
    key="rule id, or `set:` and the program id of a whole rule set",
    value="a rule (rule.schema.json) or a rule set (rule-set.schema.json) as JSON; no value: deleted",
    partitioning="one partition, so that changes have one order",
    partition_count=1,
    cleanup=Cleanup.COMPACT,
    retention_ms=None,
    # A whole rule set is one record, so that it is read whole or not at all.
    record_bytes_max=16 * MIB,
    writers=("betrace api", "betrace rules apply", "betrace worker"),
    readers=("betrace worker", "betrace api"),
    growth_loss="changes of rules then have no one order: workers may run another rule set than the newest",
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
    growth_loss="a trace's later revisions stand in another partition than its first ones: a reader may see them in the wrong order",
)
RULE_STATS = Topic(
    role=Role.RULE_STATS,
    name="betrace.rule-stats",
    key="none",
    value="fences and checkpoint records as JSON (journal.schema.json): marks and signed counts per rule",
    partitioning="the partition of the spans it speaks of",
    partition_count=None,
    cleanup=Cleanup.DELETE,
    retention_ms=400 * DAY_MS,
    # Two thousand marks and the counts of ten thousand rules are a fifth of it.
    record_bytes_max=8 * MIB,
    writers=("betrace worker",),
    readers=("betrace worker", "betrace api", "betrace verify"),
    growth_loss="nothing says what was judged of these partitions before; stop the workers first, and let the spans have as many",
    same_partitions_as=(Role.SPANS, Role.SHARDED_SPANS),
)
DEAD_LETTERS = Topic(
    role=Role.DEAD_LETTERS,
    name="betrace.dead-letters",
    key="that of the original record",
    value="the original record's value, unchanged; reason and origin in headers (dead-letter-headers.schema.json)",
    partitioning="murmur2 of the key; spread evenly without one",
    partition_count=None,
    cleanup=Cleanup.DELETE,
    retention_ms=14 * DAY_MS,
    # The original may be as large as its own topic allows, and here it has more headers.
    record_bytes_max=2 * MIB,
    writers=("betrace worker", "betrace shard"),
    readers=("operators",),
)

TOPICS = (SPANS, SHARDED_SPANS, RULES, VIOLATIONS, RULE_STATS, DEAD_LETTERS)


def topic_page() -> str:
    """Return the reference page of the topic table as Markdown."""
    lines = [
        "# Topics",
        "",
        "Names are defaults. `betrace topics apply` creates them all; every topic it creates uses `LogAppendTime`.",
        "",
    ]
    for topic in TOPICS:
        lines += [f"## `{topic.name}`", "", "| | |", "|---|---|", *(f"| {word} | {text} |" for word, text in _facts(topic)), ""]
    return "\n".join(lines)


def _facts(topic: Topic) -> list[tuple[str, str]]:
    partitions = "as set (`BETRACE_TOPICS_PARTITION_COUNT`)" if topic.partition_count is None else str(topic.partition_count)
    if topic.same_partitions_as:
        beside = " and ".join(f"`{it.name}`" for it in TOPICS if it.role in topic.same_partitions_as)
        partitions += f", at least as many as {beside} have"
    retention = "for ever" if topic.retention_ms is None else f"{topic.retention_ms // DAY_MS} d"
    size = "the broker's default" if topic.record_bytes_max is None else f"{topic.record_bytes_max // MIB} MiB"
    return [
        ("Key", topic.key),
        ("Value", topic.value),
        ("Partitioning", topic.partitioning),
        ("Partitions", partitions),
        ("More partitions later", topic.growth_loss or "nothing is lost"),
        ("Cleanup", topic.cleanup.value),
        ("Kept", retention),
        ("Greatest record", size),
        ("Written by", ", ".join(topic.writers)),
        ("Read by", ", ".join(topic.readers)),
    ]
