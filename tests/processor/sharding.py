"""Records to shard, a publisher that keeps them, and murmur2 as Java has it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from processor.record import Record, RecordFormat
    from processor.sharder import ShardedRecord
    from topics.dead_letter import DeadLetter


@dataclass(frozen=True)
class LogRecord:
    """A record of a log (processor.record.Record)."""

    value: bytes
    key: bytes | None = None
    headers: Sequence[tuple[str, bytes | str | None]] = ()
    format: RecordFormat = "protobuf"
    topic: str = "otlp_spans"
    partition: int = 2
    offset: int = 17
    timestamp_ns: int | None = 1


@dataclass
class Outbox:
    """Keeps what was sent; `durable` is how much of it a flush has confirmed."""

    sent: list[ShardedRecord] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    durable: int = 0
    breaks: bool = False

    def sharded(self, record: ShardedRecord, origin: Record) -> None:
        del origin
        self.sent.append(record)

    def dead_letter(self, letter: DeadLetter) -> None:
        self.letters.append(letter)

    def flush(self) -> None:
        if self.breaks:
            raise ConnectionError("no acknowledgement")
        self.durable = len(self.sent)


def murmur2(key: bytes) -> int:
    """Return Kafka's hash of a key, signed (org.apache.kafka.common.utils.Utils.murmur2)."""
    multiplier, mask = 0x5BD1E995, 0xFFFFFFFF
    found = 0x9747B28C ^ len(key)
    whole = len(key) & ~3
    for start in range(0, whole, 4):
        word = int.from_bytes(key[start : start + 4], "little") * multiplier & mask
        word = (word ^ word >> 24) * multiplier & mask
        found = found * multiplier & mask ^ word
    if whole < len(key):
        found = (found ^ int.from_bytes(key[whole:], "little")) * multiplier & mask
    found = (found ^ found >> 13) * multiplier & mask
    found ^= found >> 15
    return found - 2**32 if found >= 2**31 else found


def java_partition(key: bytes, partition_count: int) -> int:
    """Return the partition that Java's producer gives a key."""
    return (murmur2(key) & 0x7FFFFFFF) % partition_count
