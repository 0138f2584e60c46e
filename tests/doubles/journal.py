"""A journal in memory (processor.journal.Journal)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from processor.journal import Ack
from processor.record import PartitionKey


@dataclass
class MemoryJournal:
    """All partitions of one journal, which many workers share. `clock` gives the broker's time of each append."""

    clock: Callable[[], int] | None = None
    logs: defaultdict[PartitionKey, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    firsts: dict[PartitionKey, int] = field(default_factory=dict)

    def append(self, entries: Sequence[tuple[PartitionKey, bytes]]) -> list[Ack]:
        """Append in order; every append is acknowledged."""
        acks = []
        for key, value in entries:
            acks.append(Ack(len(self.logs[key]), None if self.clock is None else self.clock()))
            self.logs[key].append(value)
        return acks

    def read(self, key: PartitionKey, begin: int, end: int) -> list[tuple[int, bytes]]:
        """Return what is kept of these offsets."""
        assert end <= len(self.logs[key]), "behind the end"
        first = max(begin, self.first_offset(key))
        return list(enumerate(self.logs[key][first:end], first))

    def first_offset(self, key: PartitionKey) -> int:
        """Return the first offset that `remove_before` left."""
        return self.firsts.get(key, 0)

    def remove_before(self, key: PartitionKey, offset: int) -> None:
        """Let retention take what lies before an offset."""
        self.firsts[key] = offset
