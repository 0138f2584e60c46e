"""The store with its faults: wiped, rolled back by a fail-over, away for a while, an answer lost. A write is whole or did not happen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from processor.record import PartitionKey
from processor.store import Delta, Snapshot, StoreUnavailableError, Written
from tests.doubles.store import MemoryStore
from tests.simulation.faults import Answer, Points

_HISTORY_MAX = 50


@dataclass
class FailingStore:
    """One store for all workers. `is_down`: nobody reaches it."""

    kept: MemoryStore = field(default_factory=MemoryStore)
    is_down: bool = False
    _before: list[dict[PartitionKey, Snapshot]] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        return not self.kept.snapshots

    def wipe(self) -> None:
        """Lose everything."""
        self.kept.snapshots.clear()
        self._before.clear()

    def roll_back(self, write_count: int) -> None:
        """Stand as before the last writes: a replica that had not heard of them takes over."""
        for _ in range(min(write_count, len(self._before))):
            self.kept.snapshots = self._before.pop()

    def load(self, key: PartitionKey) -> Snapshot | None:
        """Return the state, in an order that nobody promised: the last thing first."""
        self._reach()
        found = self.kept.load(key)
        if found is None:
            return None
        states = {bucket: dict(reversed(list(some.items()))) for bucket, some in reversed(list(found.states.items()))}
        return found._replace(states=states)

    def write(self, key: PartitionKey, delta: Delta) -> Written:
        self._reach()
        before = dict(self.kept.snapshots)
        written = self.kept.write({key: delta})[key]
        if written is Written.DONE:
            self._before = [*self._before[-_HISTORY_MAX:], before]
        return written

    def disown(self, key: PartitionKey) -> None:
        self._reach()
        self.kept.disown(key)

    def _reach(self) -> None:
        if self.is_down:
            raise StoreUnavailableError("down")


@dataclass
class StoreOf:
    """The store as one worker reaches it (processor.store.Store)."""

    store: FailingStore
    points: Points

    def load(self, key: PartitionKey) -> Snapshot | None:
        answer = self.points.at("load.before")
        if answer is not None:
            raise StoreUnavailableError(str(answer))
        found = self.store.load(key)
        self.points.at("load.after")
        return found

    def disown(self, key: PartitionKey) -> None:
        answer = self.points.at("disown.before")
        if answer is not Answer.REFUSED:
            self.store.disown(key)
        if answer is not None:
            raise StoreUnavailableError(str(answer))
        self.points.at("disown.after")

    def write(self, deltas: Mapping[PartitionKey, Delta]) -> dict[PartitionKey, Written]:
        written: dict[PartitionKey, Written] = {}
        lost: Answer | None = None
        for key, delta in deltas.items():
            answer = self.points.at("write.before")
            if answer is Answer.REFUSED:
                raise StoreUnavailableError("refused")
            written[key] = self.store.write(key, delta)
            lost = lost or answer
            self.points.at("write.after")
        if lost is not None:
            raise StoreUnavailableError("no answer")
        return written
