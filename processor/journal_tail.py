"""What a worker knows of its own journal partition: its epoch, the record before, and how far back a recovery would have to go."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from topics.journal import Previous, record_hash

if TYPE_CHECKING:
    from collections.abc import Iterable

    from topics.journal import Placed


class _Written(NamedTuple):
    """A valid record, and the position of its last mark."""

    offset: int
    position: int


class JournalTail:
    """The end of a journal partition, as its owner wrote it. `next_offset` is where its next record must come to stand.

    `rebuild_offset` is the low watermark as of the last record: whoever reads the input from there can say what the next record says.
    """

    def __init__(self, epoch: int, records: Iterable[Placed] = ()) -> None:
        self.epoch = epoch
        self.next_offset = epoch + 1
        self.previous: Previous | None = None
        self.rebuild_offset = 0
        self._trail: deque[_Written] = deque()
        for placed in records:
            self._note(placed.offset, placed.record.standing.position, placed.hash)

    def appended(self, offset: int, value: bytes, position: int, low_watermark: int) -> None:
        """Take note of a record of ours that counts."""
        self.next_offset = offset + 1
        self._note(offset, position, record_hash(value))
        self.rebuild_offset = low_watermark

    @property
    def journal_from(self) -> int:
        """The last valid record whose marks all lie at or before the rebuild offset; -1: none."""
        while len(self._trail) > 1 and self._trail[1].position <= self.rebuild_offset:
            self._trail.popleft()
        if self._trail and self._trail[0].position <= self.rebuild_offset:
            return self._trail[0].offset
        return -1

    def _note(self, offset: int, position: int, digest: str) -> None:
        self.previous = Previous(offset=offset, hash=digest)
        self._trail.append(_Written(offset, position))
