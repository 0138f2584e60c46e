"""The store beside the work: a state is written while the worker goes on, and what changes meanwhile goes with the next one.

One call is made at a time, in order. Losing one that is under way loses nothing: the store holds what it held, or a state behind an older
record than the worker has come to, as it always may.
"""

from __future__ import annotations

from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

from processor import metrics as m
from processor.store import Label, StoreUnavailableError, Written

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from processor.metrics import Metrics
    from processor.owned import Owned
    from processor.record import PartitionKey
    from processor.store import Delta, Snapshot, Store

Answer = TypeVar("Answer")


class Aside(Protocol):
    """Makes calls beside the work, one after the other."""

    def __call__(self, call: Callable[[], Answer], /) -> Future[Answer]:
        """Return what will come of a call."""


def at_once(call: Callable[[], Answer]) -> Future[Answer]:
    """Make a call now."""
    future: Future[Answer] = Future()
    try:
        future.set_result(call())
    except BaseException as error:  # noqa: BLE001 - whoever asks for the answer gets it
        future.set_exception(error)
    return future


class _UnderWay(NamedTuple):
    """A write, and whose states it brings."""

    owned: Mapping[PartitionKey, Owned]
    deltas: Mapping[PartitionKey, Delta]
    answer: Future[Mapping[PartitionKey, Written]]


class StoreBeside:
    """A store whose calls are made by `aside`.

    `trouble`: why the last write was in vain, if it was; the worker goes on without a store. `stale`: the partitions of that write of which
    the store holds nothing, or something else than was thought; their next state is a whole one.
    """

    def __init__(self, store: Store, aside: Aside, metrics: Metrics) -> None:
        self.trouble: str | None = None
        self.stale: list[Owned] = []
        self._store = store
        self._aside = aside
        self._metrics = metrics
        self._under_way: _UnderWay | None = None

    def load(self, key: PartitionKey) -> Snapshot | None:
        """Return the state of a partition (processor.store.Store), behind all that is under way."""
        return self._aside(partial(self._store.load, key)).result()

    def disown(self, key: PartitionKey) -> None:
        """Let the state of a partition count no more (processor.store.Store)."""
        self._aside(partial(self._store.disown, key)).result()

    def write(self, owned: Sequence[Owned]) -> None:
        """Begin to write how these partitions stand behind their last records. Nothing may be under way, nor have they any news."""
        assert self._under_way is None
        deltas = {one.owner.key: _delta(one) for one in owned}
        for one in owned:
            assert one.stored is not None
            one.stored.sent()
        self._under_way = _UnderWay({one.owner.key: one for one in owned}, deltas, self._aside(partial(self._store.write, deltas)))

    def is_writing(self) -> bool:
        """Say whether a write is under way still; of one that has ended, take note of what became of it."""
        if self._under_way is not None and self._under_way.answer.done():
            self.finish()
        return self._under_way is not None

    def finish(self) -> None:
        """Wait for the write that is under way, and take note of what became of it."""
        if self._under_way is None:
            return
        self.stale = []
        (owned, deltas, answer), self._under_way = self._under_way, None
        try:
            written, self.trouble = answer.result(), None
        except StoreUnavailableError as error:
            self._metrics.add(m.STORE_WRITES, len(deltas), "unavailable")
            written, self.trouble = {}, str(error) or "the store does not answer"
        for key, one in owned.items():
            assert one.stored is not None
            found = written.get(key)
            if found is not None:
                self._metrics.add(m.STORE_WRITES, 1, str(found))
            if found is Written.DONE:
                one.stored.written(deltas[key])
                continue
            one.stored.unwritten()
            if found is Written.STALE:
                one.stored.label = None
                one.stored_at_ns = 0
                self.stale.append(one)


def _delta(one: Owned) -> Delta:
    assert one.owner.tail is not None
    previous = one.owner.tail.previous
    assert previous is not None
    assert one.stored is not None
    return one.stored.delta(Label(previous.offset, previous.hash), one.owner.standing)
