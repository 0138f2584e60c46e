"""A write to the store that takes its time: the worker goes on, and nothing of what changes is left out or said to be there."""

from __future__ import annotations

import random
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest

from processor import metrics as m
from processor.record import PartitionKey
from processor.store import Delta, StoreUnavailableError, Written
from tests.doubles.later import Later
from tests.doubles.store import MemoryStore
from tests.processor.held_states import holds_what_there_is
from tests.processor.logs import KEY, Log, Owner
from tests.processor.played import span

pytestmark = pytest.mark.usefixtures("engine")


class AskedStore(MemoryStore):
    """Counts what it is asked to write; `is_down`: it answers nobody."""

    is_down = False

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    def write(self, deltas: Mapping[PartitionKey, Delta]) -> dict[PartitionKey, Written]:
        self.sizes += [sum(map(len, delta.put.values())) for delta in deltas.values()]
        if self.is_down:
            raise StoreUnavailableError("connection refused")
        return super().write(deltas)


def _changes(log: Log, owner: Owner, second: float, *traces: int) -> None:
    """Let some traces get a span, and make a checkpoint."""
    for of in traces:
        log.append(second, span("charge", len(log.records) + 1, of=of))
    owner.read()
    owner.checkpoint()


def _begun(look_count: int) -> tuple[Log, Owner, AskedStore]:
    """Return a log whose calls to the store end at the last of so many looks, and who owns it: one trace is in the store."""
    store = AskedStore()
    log = Log(store=store)
    owner = log.own()
    _changes(log, owner, 0, 1)
    log.aside = Later(look_count)
    return log, log.own(), store


def test_what_changes_while_a_write_is_under_way_goes_with_the_next() -> None:
    log, owner, store = _begun(2)
    _changes(log, owner, 1, 2)
    _changes(log, owner, 2, 1, 3)
    assert store.sizes == [1]
    # The first write ends at this checkpoint, and the next begins.
    _changes(log, owner, 3, 4)
    assert store.sizes == [1, 1]
    for second in range(4, 8):
        _changes(log, owner, second, 4)
    assert store.sizes[:3] == [1, 1, 3]
    owner.handler.checkpoint([KEY], handing_over=True)
    assert holds_what_there_is(log, owner)


@pytest.mark.parametrize("look_count", [0, 1, 5])
def test_who_hands_over_leaves_all_in_the_store(look_count: int) -> None:
    log, owner, _ = _begun(look_count)
    for second in range(1, 4):
        _changes(log, owner, second, second, 9)
    owner.handler.checkpoint([KEY], handing_over=True)
    assert holds_what_there_is(log, owner)
    successor = log.own()
    assert successor.tally.count(m.STATES_RECOVERED, "store") == 1


def test_a_write_in_vain_is_told_when_it_ends_and_made_good_by_the_next() -> None:
    log, owner, store = _begun(1)
    store.is_down = True
    _changes(log, owner, 1, 2, 1)
    told = [owner.handler.store_trouble]
    _changes(log, owner, 2, 3)
    told.append(owner.handler.store_trouble)
    store.is_down = False
    for second in (3, 4, 5):
        _changes(log, owner, second, 3)
    assert [*told, owner.handler.store_trouble] == [None, "connection refused", None]
    assert store.sizes[-1] < 3
    owner.handler.checkpoint([KEY], handing_over=True)
    assert holds_what_there_is(log, owner)


def test_a_state_that_went_missing_is_written_whole_however_late_that_is_told() -> None:
    log, owner, store = _begun(1)
    store.snapshots.clear()
    for second in range(1, 6):
        _changes(log, owner, second, second)
    assert store.sizes == [1, 1, 2, 1, 1]
    owner.handler.checkpoint([KEY], handing_over=True)
    assert holds_what_there_is(log, owner)


def test_what_a_worker_had_on_its_way_when_it_lost_the_partition_disturbs_nobody() -> None:
    log, owner, _ = _begun(3)
    _changes(log, owner, 1, 2)
    late = log.aside
    owner.handler.released([KEY], lost=True)
    log.aside = Later(0)
    successor = log.own()
    successor.read()
    _changes(log, successor, 2, 3)
    assert isinstance(late, Later)
    late.finish()
    for second in (3, 4):
        _changes(log, successor, second, 4)
    assert holds_what_there_is(log, successor)


def test_a_worker_waits_for_a_write_once_twice_as_much_has_changed_as_is_written_at_once() -> None:
    store = AskedStore()
    log = Log(store=store, aside=Later(1_000), stored_at_once_max=3)
    owner = log.own()
    ended: list[int] = []
    for second in range(1, 14):
        _changes(log, owner, second, second)
        ended.append(len(store.sizes))
    assert ended == [0] * 6 + [1] * 6 + [2]
    assert store.sizes == [1, 6]


@pytest.mark.parametrize("seed", range(30))
def test_however_long_writes_take_the_store_holds_what_there_is_once_all_have_ended(seed: int) -> None:
    chance = random.Random(seed)
    log, owner, store = _begun(chance.randrange(4))
    second = 1.0
    for _ in range(60):
        second += chance.choice((0, 0, 1, 5, 31, 70))
        store.is_down = chance.random() < 0.1
        if chance.random() < 0.05:
            store.snapshots.clear()
        _changes(log, owner, second, *(chance.randrange(1, 12) for _ in range(chance.randrange(3))))
        if chance.random() < 0.1:
            owner = log.own()
            owner.read()
    store.is_down = False
    _changes(log, owner, second, 1)
    owner.handler.checkpoint([KEY], handing_over=True)
    owner.handler.checkpoint([KEY], handing_over=True)
    assert holds_what_there_is(log, owner)


def test_a_worker_judges_on_while_its_store_does_not_answer() -> None:
    answers = threading.Event()

    class Standing(AskedStore):
        def write(self, deltas: Mapping[PartitionKey, Delta]) -> dict[PartitionKey, Written]:
            assert answers.wait(30)
            return super().write(deltas)

    standing = Standing()
    with ThreadPoolExecutor(1) as aside:
        log = Log(store=standing, aside=aside.submit)
        owner = log.own()
        for number in range(1, 4):
            log.append(number, span("bypass", number, of=number))
            owner.read()
            owner.checkpoint()
        assert len(log.outbox.sent) == 3
        assert standing.sizes == []
        answers.set()
        owner.handler.checkpoint([KEY], handing_over=True)
    assert holds_what_there_is(log, owner)
