"""Everything outside the workers: the logs, the journal, what was published, what was committed, who owns what, and the true clock."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from processor.group_handler import Bounds
from processor.record import PartitionKey, RecordFormat
from tests.doubles.journal import MemoryJournal
from topics.dead_letter import DeadLetter
from topics.otlp import encode_protobuf
from topics.span import Resource, Span
from topics.violation import Violation

SECOND_NS = 1_000_000_000
START_NS = 1_700_000_000 * SECOND_NS
TOPIC = "otlp_spans"
POISON = b"\xff\xff"
# A span number from here on is the span of the number without it, with other content.
DIFFERING = 100
_NAMES = ("charge", "check", "retry", "bypass", "charge", "refund", "retry", "check")
_NO_ROOT_EVERY = 4


class BrokenPromiseError(Exception):
    """Something that must never be was seen."""


def trace_id(partition: int, trace: int) -> str:
    return f"{partition + 1:016x}{trace + 1:016x}"


@lru_cache(maxsize=4096)
def span(partition: int, trace: int, number: int) -> Span:
    """Return a span: its content follows from its numbers. Number 0 is a root, in three of four traces."""
    own, differs = number % DIFFERING, number >= DIFFERING
    is_root = own == 0 and trace % _NO_ROOT_EVERY != _NO_ROOT_EVERY - 1
    start_ns = START_NS + trace * SECOND_NS + own * 1_000_000
    return Span(
        trace_id=trace_id(partition, trace),
        span_id=f"{own + 1:016x}",
        name="checkout" if is_root else _NAMES[(trace * 3 + own * 5) % len(_NAMES)],
        start_ns=start_ns,
        end_ns=start_ns + 500_000,
        parent_id="" if is_root else f"{1:016x}",
        attributes={"order": (trace + own) % 2, "differs": differs},
        resource=Resource({"service.name": ("shop", "bank")[own % 2]}),
    )


@lru_cache(maxsize=8192)
def _encoded(spans: tuple[tuple[int, int, int], ...]) -> bytes:
    return encode_protobuf([span(*one) for one in spans])


@dataclass(frozen=True, slots=True)
class LogRecord:
    """A record of the input (processor.record.Record); `spans` is what it holds, which only the oracle looks at."""

    offset: int
    timestamp_ns: int | None
    key: bytes | None
    value: bytes
    topic: str
    partition: int
    spans: tuple[Span, ...]
    headers: tuple[tuple[str, bytes], ...] = ()
    format: RecordFormat = "protobuf"


@dataclass
class InputLog:
    """One partition of the spans. Offsets may have gaps, as transactions and compaction leave them."""

    number: int
    records: list[LogRecord] = field(default_factory=list)
    first: int = 0
    end: int = 0

    def append(self, spans: Sequence[tuple[int, int]], timestamp_ns: int | None, *, gap: int, key: int | None) -> LogRecord:
        """Append a record of spans, each by (trace, number), keyed by a trace; of none it is a record that nobody can read."""
        offset = self.end + gap
        own = tuple((self.number, trace, number) for trace, number in spans)
        own_key = None if key is None else trace_id(self.number, key).encode()
        value = _encoded(own) if own else POISON
        record = LogRecord(offset, timestamp_ns, own_key, value, TOPIC, self.number, tuple(span(*one) for one in own))
        self.records.append(record)
        self.end = offset + 1
        return record

    def read(self, position: int, count: int) -> list[LogRecord]:
        """Return the next records from a position on."""
        return [record for record in self.records if record.offset >= max(position, self.first)][:count]


class Broker:
    """The outside world of the workers."""

    def __init__(self, partition_count: int, *, tells_append_time: bool) -> None:
        self.now_ns = START_NS
        self.logs = {PartitionKey(TOPIC, number): InputLog(number) for number in range(partition_count)}
        self.journal = MemoryJournal((lambda: self.now_ns) if tells_append_time else None)
        # Journals that were lost whole, by partition, and the partitions of which anything was lost.
        self.journals_before: defaultdict[PartitionKey, list[list[bytes]]] = defaultdict(list)
        self.losses: set[PartitionKey] = set()
        self.said: dict[str, bytes] = {}
        self.statements: list[Violation] = []
        self.letters: list[DeadLetter] = []
        self.committed: dict[PartitionKey, int] = {}
        # Which worker the group thinks owns a partition; absent: nobody.
        self.owners: dict[PartitionKey, int] = {}

    @property
    def keys(self) -> list[PartitionKey]:
        return list(self.logs)

    def bounds(self, keys: Sequence[PartitionKey]) -> dict[PartitionKey, Bounds]:
        return {key: Bounds(self.logs[key].first, self.logs[key].end) for key in keys}

    def deliver(self, record: Violation) -> None:
        """Take in a violation record: said once more, it must be the same in every byte."""
        value = record.canonical_json()
        before = self.said.setdefault(record.ce_id, value)
        if before != value:
            raise BrokenPromiseError(f"one revision with two contents: {before.decode()} and {value.decode()}")
        self.statements.append(record)
