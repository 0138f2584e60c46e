"""The journal of a partition as the core sees it (topics/journal.py): appended to, read back, and searched for what counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from processor.record import PartitionKey


class JournalError(Exception):
    """An append was not answered in time, or refused: what became of it is not known. A worker ends, its successor finds out."""


class Ack(NamedTuple):
    """Where a record stands, and the broker's time of its append in unix nanoseconds; None where the broker keeps the sender's."""

    offset: int
    appended_ns: int | None


class Journal(Protocol):
    """The journal's partitions, each named by the partition of the spans that it stands beside. Every method may raise JournalError."""

    def append(self, entries: Sequence[tuple[PartitionKey, bytes]]) -> list[Ack]:
        """Append and wait until all are acknowledged by all replicas, in bounded time; return where each stands."""

    def read(self, key: PartitionKey, begin: int, end: int) -> list[tuple[int, bytes]]:
        """Return what is there of the offsets from `begin` up to, not including, `end`, as (offset, value), ascending.

        `end` must not lie behind the log's end. Offsets may be missing: removed by age, or never used.
        """

    def first_offset(self, key: PartitionKey) -> int:
        """Return the first offset that is kept, the log's end where nothing is."""
