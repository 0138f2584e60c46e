"""A partition that a worker owns, beside what the store knows of it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from processor import metrics as m
from processor.journal_tail import JournalTail
from processor.recovery import History, Replay, reaches, read_history, replay_from
from processor.snapshot import StoredTraces, fits, header_of, restore
from processor.store import StoreUnavailableError
from topics.journal import MARKS_MAX

if TYPE_CHECKING:
    from collections.abc import Generator

    from processor.group_handler import Bounds
    from processor.journal import Journal
    from processor.metrics import Metrics
    from processor.overload import Load
    from processor.partition_owner import PartitionOwner
    from processor.store import Snapshot
    from processor.store_beside import StoreBeside


@dataclass(slots=True)
class Owned:
    """A partition, and what is known of the store's copy of it: None where there is no store.

    `stored_at_ns`: when a state was last written; `moved_at_ns`: when a replay last moved, and to where; by the wall clock. `load`: how far
    it was behind at the last look; `waits_at`: where it then stood, if the log went on or nobody told its end, else -1.
    """

    owner: PartitionOwner
    stored: StoredTraces | None
    stored_at_ns: int = 0
    moved_at_ns: int = 0
    moved_to: int = -1
    load: Load | None = None
    waits_at: int = -1

    def clear(self) -> None:
        """Stand as at the very first; what the store holds is of no use any more."""
        self.owner.clear()
        if self.stored is not None:
            self.stored.label = None

    @property
    def is_urgent(self) -> bool:
        """Whether something waits to be said."""
        return bool(self.owner.said or self.owner.again) or len(self.owner.marks) * 2 > MARKS_MAX

    def is_overdue(self, wall_ns: int) -> bool:
        """Whether by the wall clock a trace may close that no record closes; not where it was found that records are still to be read."""
        owner = self.owner
        if owner.is_replaying or not owner.is_quiet or owner.position == self.waits_at:
            return False
        due_ns = owner.traces.next_due_ns
        return due_ns is not None and due_ns <= wall_ns

    @property
    def is_behind(self) -> bool:
        """Whether the store does not hold the state behind the last record."""
        tail = self.owner.tail
        if self.stored is None or tail is None or tail.previous is None or self.owner.is_replaying or self.owner.has_news:
            return False
        return self.stored.label is None or self.stored.label.offset != tail.previous.offset

    @property
    def change_count(self) -> int:
        """How many traces have changed since the store heard of them."""
        return 0 if self.stored is None else self.stored.change_count


_TRUNCATED = "input_truncated"


class Whereabouts(NamedTuple):
    """What is known of a partition that is taken, besides its journal.

    `fence`: where this worker's own fence stands. `is_truncated`: the input was made anew since it was last read.
    """

    fence: int
    committed: int | None
    bounds: Bounds | None
    is_truncated: bool = False

    @property
    def first(self) -> int:
        """Where the input begins, as far as is known."""
        return 0 if self.bounds is None else self.bounds.first


@dataclass(frozen=True, slots=True)
class Recovering:
    """Finds out how partitions stood that are taken, and lets their owners stand so, in steps."""

    journal: Journal
    store: StoreBeside | None
    metrics: Metrics

    def take(self, owner: PartitionOwner, where: Whereabouts) -> Generator[None, None, Owned]:
        """Let the owner go on where the journal says."""
        history = read_history(self.journal, owner.key, where.fence)
        owner.tail = JournalTail(where.fence, () if history is None else history.records)
        one = Owned(owner, None if self.store is None else StoredTraces(owner.traces))
        if history is None:
            is_loss = where.committed is not None or where.first > 0
            self._disown(one)
            self._begin(one, max(where.first, where.committed or 0), "no_journal" if is_loss else None)
        else:
            yield from self._go_on(one, history, where)
        return one

    def _go_on(self, one: Owned, history: History, where: Whereabouts) -> Generator[None]:
        owner, last = one.owner, history.last.record
        snapshot = (yield from self._snapshot(one, history, where)) if history.is_whole else None
        # What to do again cannot be said by a journal whose beginning is gone.
        replay = replay_from(history, None if snapshot is None else snapshot.label) if history.is_whole else None
        loss = self._loss(owner, history, replay, where)
        if replay is None or loss is not None:
            one.clear()
            owner.time.now_ns = last.standing.time_ns
            self._begin(one, where.first if loss == _TRUNCATED else max(where.first, last.standing.position), loss)
            return
        self.metrics.add(m.STATES_RECOVERED, 1, "input" if snapshot is None else "store")
        if snapshot is None and replay.standing is not None:
            owner.stand(replay.standing)
        owner.replay(replay)

    @staticmethod
    def _loss(owner: PartitionOwner, history: History, replay: Replay | None, where: Whereabouts) -> str | None:
        """Return why the partition cannot be brought to where it stood; None where it can."""
        if where.is_truncated or (where.bounds is not None and where.bounds.end < history.last.record.rebuild_offset):
            return _TRUNCATED
        if replay is None:
            return "journal_gone"
        if any(owner.judging(program_id) is None for program_id in replay.program_ids):
            return "program_gone"
        return "input_gone" if where.first > replay.start else None

    def _begin(self, one: Owned, start: int, loss: str | None) -> None:
        if loss is None:
            self.metrics.add(m.STATES_RECOVERED, 1, "fresh")
        else:
            self.metrics.add(m.PARTITIONS_STATE_LOST, 1, loss)
        one.owner.begin(start, is_loss=loss is not None)

    def _disown(self, one: Owned) -> None:
        """A state that is there belongs to another journal, whose offsets may be greater than any of this one."""
        if self.store is not None:
            with suppress(StoreUnavailableError):
                self.store.disown(one.owner.key)

    def _snapshot(self, one: Owned, history: History, where: Whereabouts) -> Generator[None, None, Snapshot | None]:
        """Load what the store holds, if it is of use: not older than is needed, whole, of programs and before input that are there."""
        if self.store is None or one.stored is None:
            return None
        try:
            snapshot = self.store.load(one.owner.key)
        except StoreUnavailableError:
            return None
        if snapshot is not None and snapshot.label.offset >= where.fence:
            self._disown(one)
            return None
        header = None if snapshot is None else header_of(snapshot)
        if snapshot is None or header is None or not reaches(history, snapshot.label) or not fits(header, one.owner.judging):
            return None
        if where.first > header.standing.position:
            return None
        one.owner.stand(header.standing)
        try:
            yield from restore(snapshot, header, one.owner.traces, one.owner.key, one.owner.judging)
        except ValueError:
            one.clear()
            return None
        one.stored.loaded(snapshot)
        return snapshot
