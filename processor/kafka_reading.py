"""How reading the owned partitions gets on, and which offsets the client passed over on the way."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from processor.record import PartitionKey

# Markers of transactions take offsets of their own, a few in a row where several producers commit.
_GAP_MAX = 16


class Progress(NamedTuple):
    """How reading a partition gets on: the next offset to read, the log's end as last seen, and when the position moved (monotonic).

    `asked`: where the last gap begins that was read again.
    """

    position: int | None
    end: int | None
    moved: float
    asked: int | None = None

    @property
    def is_caught_up(self) -> bool:
        """Whether all that is known to be there has been read."""
        return self.position is not None and self.end is not None and self.position >= self.end


class Gap(NamedTuple):
    """Offsets of which nothing came: how many of the records that came lie before them, and the first of them."""

    behind: int
    offset: int


class Reading:
    """Of each partition that is read, its progress. Changed by one thread."""

    def __init__(self) -> None:
        self._progress: dict[PartitionKey, Progress] = {}

    def progress(self) -> dict[PartitionKey, Progress]:
        """Return how reading each partition gets on; from any thread."""
        return self._progress.copy()

    def begin(self, starts: Mapping[PartitionKey, int | None]) -> None:
        """Read these partitions from where they start; None: where the log begins, wherever that is."""
        now = time.monotonic()
        self._progress |= {key: Progress(start, None, now) for key, start in starts.items()}

    def stop(self, keys: Iterable[PartitionKey]) -> None:
        """Read these partitions no longer."""
        for key in keys:
            self._progress.pop(key, None)

    def note(self, key: PartitionKey, position: int | None = None, end: int | None = None) -> None:
        """Take note of what is known anew of a partition that is read."""
        was = self._progress.get(key)
        if was is None:
            return
        if position is not None and position != was.position:
            was = was._replace(position=position, moved=time.monotonic())
        self._progress[key] = was if end is None else was._replace(end=end)

    def end(self, key: PartitionKey, told: int) -> int:
        """Return where a log ends, which a broker told, and take note of it.

        It may tell an end that its reader has passed: the embedded broker tells the one behind the first record of the last batch.
        """
        was = self._progress.get(key)
        end = told if was is None else max(told, was.position or 0)
        self.note(key, end=end)
        return end

    def gap(self, key: PartitionKey, offsets: Sequence[int], position: int) -> Gap | None:
        """Return the first gap to be read again before anybody believes in it; None where there is none. `offsets` came, up to `position`.

        Logs have gaps, and the client passes them over without a word. Yet it has passed over records as well: an answer that was on its
        way when a partition was assigned anew can move it (librdkafka 5345). A gap that is met again where it was asked for is one.
        """
        was = self._progress.get(key)
        if was is None or was.position is None:
            return None
        reached = min(was.position, offsets[0]) if offsets else was.position
        if position - reached - len(offsets) <= _GAP_MAX:
            return None
        for behind, offset in enumerate((*offsets, position)):
            if offset - reached > _GAP_MAX and reached != was.asked:
                self._progress[key] = was._replace(asked=reached)
                return Gap(behind, reached)
            reached = offset + 1
        return None
