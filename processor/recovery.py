"""Where a partition stands when it is taken: what its journal says last, what the store still has, and what must be read again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from topics.journal import LOST_SO_FAR_NS, Checkpoint, Fence, Placed, read_entry, record_hash, valid

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from processor.journal import Journal
    from processor.record import PartitionKey
    from processor.store import Label
    from topics.journal import Entry, Mark, Standing

_WINDOWS = (64, 512, 4_096, 32_768)


class History(NamedTuple):
    """The valid records that a recovery needs, in order: from the last one's `journal_from` on. `is_whole`: none of them is gone."""

    records: Sequence[Placed]
    is_whole: bool

    @property
    def last(self) -> Placed:
        """The last valid record."""
        return self.records[-1]


class ReplayedMark(NamedTuple):
    """A mark to be obeyed again; `is_last_record`: it is of the last record, of which nobody knows whether its statements were said."""

    mark: Mark
    is_last_record: bool


@dataclass(frozen=True, slots=True)
class Replay:
    """What is to be read and obeyed again: from `start` on, where the partition stood as `standing` says (None: it was never owned)."""

    start: int
    standing: Standing | None
    marks: Sequence[ReplayedMark]

    @property
    def program_ids(self) -> set[str]:
        """The programs that are in force on the way."""
        found = {one.mark.program for one in self.marks if one.mark.program is not None}
        return found if self.standing is None else found | {self.standing.program}


def read_history(journal: Journal, key: PartitionKey, fence: int) -> History | None:
    """Return what the journal says before this worker's own fence; None where no record before it counts."""
    last = _last_valid(journal, key, fence)
    if last is None:
        return None
    wanted, first = last.record.journal_from, journal.first_offset(key)
    begin = max(wanted, first)
    entries = journal.read(key, begin, last.offset + 1)
    epoch = -1
    if begin == wanted and entries:
        opening = _entry(entries[0][1])
        epoch = opening.epoch if isinstance(opening, Checkpoint) else -1
    records = list(valid(entries, epoch))
    return History(records or [last], is_whole=bool(records) and begin == max(wanted, 0))


def replay_from(history: History, label: Label | None) -> Replay:
    """Return what is to be done again onto a state of the store with this label, or without one onto an empty state."""
    places = {placed.offset: index for index, placed in enumerate(history.records)}
    last = history.last
    if label is not None:
        behind = places[label.offset] + 1
        standing: Standing | None = history.records[behind - 1].record.standing
        assert standing is not None
        start = standing.position
    else:
        behind = places[last.record.journal_from] + 1 if last.record.journal_from >= 0 else 0
        standing = history.records[behind - 1].record.standing if behind else None
        start = last.record.rebuild_offset
    marks = [ReplayedMark(mark, placed is last) for placed in history.records[behind:] for mark in placed.record.marks]
    return Replay(start, standing, marks)


def reaches(history: History, label: Label) -> bool:
    """Say whether a state with this label can be gone on from: it is a record that counts, not older than is needed, nor than a loss."""
    for placed in reversed(history.records):
        if placed.offset == label.offset and placed.hash == label.hash:
            return True
        if any(mark.lost_until_ns == LOST_SO_FAR_NS for mark in placed.record.marks):
            return False
    return False


def _last_valid(journal: Journal, key: PartitionKey, fence: int) -> Placed | None:
    first = journal.first_offset(key)
    for window in (*_WINDOWS, fence):
        begin = max(first, fence - window)
        entries = journal.read(key, begin, fence)
        decided, found = _last_of_window(entries, begin, reaches_start=begin == first)
        if decided:
            return found
    return None


def _last_of_window(entries: Sequence[tuple[int, bytes]], begin: int, *, reaches_start: bool) -> tuple[bool, Placed | None]:
    """Return whether a window tells which record is the last valid one, and that record.

    A record counts iff no fence lies between its epoch and itself. Its writer had found that of the previous record of the same epoch, so
    only what lies behind that one need be looked at.
    """
    read = list(_backwards(entries))
    fences = [offset for offset, _, entry in read if isinstance(entry, Fence)]
    for offset, value, entry in read:
        if isinstance(entry, Fence):
            continue
        since = max(entry.epoch, -1 if entry.previous is None else entry.previous.offset)
        if any(since < fence < offset for fence in fences):
            continue
        is_known = since >= begin - 1
        if not is_known and not reaches_start:
            return False, None
        if not is_known:
            # Whether a fence lay between is gone with the beginning of the journal.
            continue
        return True, Placed(offset, entry, record_hash(value))
    return reaches_start, None


def _backwards(entries: Sequence[tuple[int, bytes]]) -> Iterator[tuple[int, bytes, Entry]]:
    for offset, value in reversed(entries):
        entry = _entry(value)
        if entry is not None:
            yield offset, value, entry


def _entry(value: bytes) -> Entry | None:
    try:
        return read_entry(value)
    except ValueError:
        return None
