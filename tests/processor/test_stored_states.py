"""What the store holds of a partition, and what happens when it does not."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import replace

import pytest

from processor import metrics as m
from processor import snapshot
from processor.closing import SECOND_NS
from processor.handler import Handler
from processor.lua_traces import LuaTraceEngine
from processor.metrics import Tally
from processor.record import PartitionKey
from processor.store import OPEN, Delta, Snapshot, StoreUnavailableError, Written
from processor.surroundings import CoreSettings, Surroundings
from tests.doubles.store import MemoryStore
from tests.processor.held_states import holds_what_there_is
from tests.processor.logs import KEY, PROGRAM_ID, Log, LogRecord, Owner
from tests.processor.played import NEEDS_CHECK, rules, span
from topics.otlp import encode_protobuf

pytestmark = pytest.mark.usefixtures("engine")


class BreakingStore(MemoryStore):
    is_down = False
    asked_count = 0

    def load(self, key: PartitionKey) -> Snapshot | None:
        self._answer()
        return super().load(key)

    def write(self, deltas: Mapping[PartitionKey, Delta]) -> dict[PartitionKey, Written]:
        self._answer()
        return super().write(deltas)

    def _answer(self) -> None:
        self.asked_count += 1
        if self.is_down:
            raise StoreUnavailableError("connection refused")


def _moving(monkeypatch: pytest.MonkeyPatch) -> Log:
    """A log of which a store knows three traces; whoever takes it takes them one by one."""
    monkeypatch.setattr(snapshot, "_RESTORED_AT_ONCE", 1)
    log = _on_store(MemoryStore())
    owner = log.own()
    for number in (1, 2, 3):
        log.append(0, span("charge", number, of=number))
    owner.read()
    owner.checkpoint()
    return log


def test_others_are_worked_on_while_a_partition_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    log = _moving(monkeypatch)
    # The program of the traces that come is not the one in force any more: it stays while they come.
    log.put_in_force("00000000000000bb", rules(NEEDS_CHECK))
    owner, other = log.own(), PartitionKey(KEY.topic, 1)
    owner.handler.released([KEY], lost=False)
    owner.handler.assigned({other: None})
    steps = owner.handler.taking({KEY: log.committed})
    seen, made = 0, set[int]()
    for _ in steps:
        seen += 1
        record = LogRecord(seen, log.at(seen), None, encode_protobuf([span("charge", 9, of=10 + seen)]), partition=1)
        owner.handler.chunk(other, [record], seen + 1)
        owner.handler.checkpoint([other])
        assert set(owner.handler.owned) == {other}
        made.add(id(owner.handler._programs.engine(PROGRAM_ID)))
    assert seen == 7
    assert len(made) == 1
    assert set(owner.handler.owned) == {other, KEY}
    log.append(40, span("other", 4, of=4))
    owner.read()
    owner.checkpoint()
    assert sorted(it.trace.id[-1] for it in log.outbox.sent if it.input.partition == 0) == ["1", "2", "3"]


@pytest.mark.parametrize("step_count", range(1, 8))
def test_who_gives_up_amid_the_steps_owns_nothing_and_keeps_nothing(monkeypatch: pytest.MonkeyPatch, step_count: int) -> None:
    log = _moving(monkeypatch)
    owner = log.own()
    engine = owner.owner.traces.judging.engine
    owner.handler.released([KEY], lost=False)
    steps = owner.handler.taking({KEY: log.committed})
    for _ in range(step_count):
        next(steps)
    steps.close()
    assert not owner.handler.owned
    kept = engine.program.memory()[0] if isinstance(engine, LuaTraceEngine) else engine.memory_bytes
    assert kept == 0
    owner.position = owner.handler.assigned({KEY: log.committed})[KEY]
    log.append(40, span("other", 4, of=4))
    owner.read()
    owner.checkpoint()
    assert sorted(it.trace.id[-1] for it in log.outbox.sent) == ["1", "2", "3"]


def test_a_state_that_is_damaged_behind_others_is_found_and_all_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    log = _moving(monkeypatch)
    assert isinstance(log.store, MemoryStore)
    states = {trace_id: state for some in log.store.snapshots[KEY].states.values() for trace_id, state in some.items()}
    last = max(states)
    log.store.snapshots[KEY] = log.store.snapshots[KEY]._replace(states={OPEN: {**states, last: states[last][:-1]}})
    owner = log.own()
    assert owner.tally.by_label(m.STATES_RECOVERED) == {"input": 1}
    log.append(40, span("other", 4, of=4))
    owner.read()
    owner.checkpoint()
    assert sorted(it.trace.id[-1] for it in log.outbox.sent) == ["1", "2", "3"]


class WatchedStore(MemoryStore):
    def __init__(self) -> None:
        super().__init__()
        self.deltas: list[Delta] = []

    def write(self, deltas: Mapping[PartitionKey, Delta]) -> dict[PartitionKey, Written]:
        self.deltas += deltas.values()
        return super().write(deltas)


def _on_store(store: MemoryStore) -> Log:
    return Log(store=store, wall_s=1000)


@pytest.mark.parametrize("fault", ["none", "wiped", "older", "down", "damaged"])
def test_whatever_happens_to_the_store_no_verdict_is_lost(fault: str) -> None:
    store = BreakingStore()
    log = _on_store(store)
    owner = log.own()
    log.append(0, span("charge", 1))
    owner.read()
    owner.checkpoint()
    older = store.snapshots[KEY]
    log.append(1, span("charge", 2, of=2), span("check", 3, of=2))
    owner.read()
    owner.checkpoint()
    if fault == "wiped":
        store.snapshots.clear()
    elif fault == "older":
        store.snapshots[KEY] = older
    elif fault == "damaged":
        states = {bucket: {key: state[:-1] for key, state in some.items()} for bucket, some in store.snapshots[KEY].states.items()}
        store.snapshots[KEY] = store.snapshots[KEY]._replace(states=states)
    store.is_down = fault == "down"
    successor = log.own()
    assert successor.tally.count(m.STATES_RECOVERED, "store") == (fault in {"none", "older"})
    log.append(40, span("other", 4, of=3))
    successor.read()
    successor.checkpoint()
    assert [(it.rule.id, it.trace.id[-1]) for it in log.outbox.sent] == [("needs-check", "1")]
    assert successor.handler.store_trouble == ("connection refused" if fault == "down" else None)


def test_a_store_that_was_wiped_under_a_living_worker_gets_the_whole_state() -> None:
    store = MemoryStore()
    log = _on_store(store)
    owner = log.own()
    log.append(0, span("charge", 1))
    owner.read()
    owner.checkpoint()
    store.snapshots.clear()
    log.append(1, span("charge", 2, of=2))
    owner.read()
    owner.checkpoint()
    assert owner.tally.by_label(m.STORE_WRITES) == {"done": 2, "stale": 1}
    assert sum(map(len, store.snapshots[KEY].states.values())) == 2


def test_after_a_hand_over_in_good_order_nothing_is_read_again() -> None:
    log = _on_store(MemoryStore())
    log.append(0, span("charge", 1))
    owner = log.own()
    owner.read()
    owner.handler.checkpoint([KEY], handing_over=True)
    owner.handler.released([KEY], lost=False)
    assert log.own().position == 1


@pytest.mark.parametrize("is_anew", [True, False])
def test_a_state_of_a_journal_that_is_gone_does_not_keep_the_store_from_the_new_one(*, is_anew: bool) -> None:
    store = MemoryStore()
    log = _on_store(store)
    owner = log.own()
    for number in range(1, 8):
        log.append(number, span("charge", number, of=number))
        owner.read()
        owner.checkpoint()
    log.journal.logs.clear()
    if not is_anew:
        # A journal made anew has records already, but is not as long as the old one was.
        log.own().checkpoint()
    owner = log.own()
    log.append(10, span("charge", 9, of=9))
    owner.read()
    owner.checkpoint()
    assert owner.tally.by_label(m.STORE_WRITES) == {"done": 1}
    assert store.snapshots[KEY].label.offset == len(log.journal.logs[KEY]) - 1


def test_closed_traces_move_to_buckets_and_go_with_them() -> None:
    store = MemoryStore()
    log = _on_store(store)
    owner = log.own()
    log.append(0, span("charge", 1))
    owner.read()
    owner.checkpoint()
    assert list(store.snapshots[KEY].states) == [-1]
    log.append(40, span("charge", 2, of=2))
    owner.read()
    owner.checkpoint()
    bucket = next(number for number in store.snapshots[KEY].states if number >= 0)
    assert bucket == (log.at(0) + 360 * 10**9) // (60 * 10**9)
    log.append(1_000, span("charge", 3, of=3))
    owner.read()
    owner.checkpoint()
    assert bucket not in store.snapshots[KEY].states


def _one_forgotten(store: WatchedStore) -> tuple[Log, Owner]:
    """Return a log of which a store knows four traces; the first has been forgotten since, in its time, and its bucket has not passed."""
    log = _on_store(store)
    owner = log.own()
    for second, number in ((0, 1), (40, 2), (100, 3), (361, 4)):
        if number == 3:
            # Judges what begins behind the third.
            log.put_in_force("00000000000000bb", rules(NEEDS_CHECK))
        log.append(second, span("charge", number, of=number))
        owner.read()
        owner.checkpoint()
    assert _remembered(owner) == {2, 3, 4}
    return log, owner


def _remembered(owner: Owner) -> set[int]:
    return {int(trace_id, 16) for trace_id in owner.owner.traces.traces}


def test_a_trace_that_is_forgotten_in_its_time_goes_with_its_bucket() -> None:
    store = WatchedStore()
    log, _ = _one_forgotten(store)
    assert not store.deltas[-1].gone
    (bucket,) = (bucket for bucket, some in _numbers(store.snapshots[KEY].states).items() if 1 in some)
    successor = log.own()
    assert successor.tally.by_label(m.STATES_RECOVERED) == {"store": 1}
    assert _remembered(successor) == {2, 3, 4}
    log.append(430, span("charge", 5, of=1))
    successor.read()
    successor.checkpoint()
    assert store.deltas[-1].passed == {bucket}
    assert bucket not in store.snapshots[KEY].states
    assert _remembered(log.own()) == {1, 3, 4}


def test_of_a_trace_that_is_forgotten_nobody_needs_the_program() -> None:
    store = WatchedStore()
    log, owner = _one_forgotten(store)
    log.append(401, span("charge", 5, of=5))
    owner.read()
    log.append(461, span("charge", 6, of=6))
    owner.read()
    owner.checkpoint()
    assert _remembered(owner) == {4, 5, 6}
    del log.programs[PROGRAM_ID]
    successor = log.own()
    assert successor.tally.by_label(m.STATES_RECOVERED) == {"store": 1}
    assert _remembered(successor) == {4, 5, 6}


def test_with_other_limits_all_is_written_anew() -> None:
    store = WatchedStore()
    log, _ = _one_forgotten(store)
    log.policy = replace(log.policy, closed_retention_ns=3_000 * SECOND_NS)
    owner = log.own()
    log.append(362, span("charge", 5, of=5))
    owner.read()
    owner.checkpoint()
    assert store.deltas[-1].base is None
    assert _remembered(log.own()) == {2, 3, 4, 5}


def test_a_trace_that_only_closes_is_not_brought_again() -> None:
    store = WatchedStore()
    log = _on_store(store)
    owner = log.own()
    log.append(0, span("charge", 1), span("charge", 2, of=2))
    log.append(1, span("charge", 3, of=3))
    owner.read()
    owner.checkpoint()
    log.append(2, span("check", 4, of=3))
    log.append(40, span("other", 5, of=5))
    owner.read()
    owner.checkpoint()
    delta = store.deltas[-1]
    (minute,) = delta.closed
    assert _numbers(delta.closed) == {minute: {1, 2}}
    assert _numbers(delta.put) == {OPEN: {5}, minute: {3}}
    assert _numbers(delta.gone) == {OPEN: {3}}


def _numbers(by_bucket: Mapping[int, Iterable[bytes]]) -> dict[int, set[int]]:
    return {bucket: {int.from_bytes(trace_id, "big") for trace_id in some} for bucket, some in by_bucket.items()}


@pytest.mark.parametrize("seed", range(40))
def test_whatever_a_partition_goes_through_the_store_holds_what_it_would_be_told_anew(seed: int) -> None:
    chance = random.Random(seed)
    store = WatchedStore()
    log = Log(store=store, wall_s=1000, memory_max_bytes=chance.choice((2**63, 20_000)))
    owner, second = log.own(), 0.0
    for step in range(60):
        second += chance.choice((0, 0, 1, 5, 31, 70))
        log.append(second, span(chance.choice(("charge", "check", "other")), chance.randrange(1, 40), of=chance.randrange(1, 12)))
        owner.read()
        if chance.random() < 0.5:
            owner.checkpoint()
            if chance.random() < 0.1:
                owner = log.own()
                owner.read()
                owner.checkpoint()
            assert holds_what_there_is(log, owner), step
    assert log.memory_max_bytes == 20_000 or any(delta.closed for delta in store.deltas)


_KEYS = [KEY, PartitionKey(KEY.topic, 1)]


def _owning(store: MemoryStore, core: CoreSettings) -> tuple[Log, Handler]:
    """Return a log whose clock a handler of two partitions reads."""
    log = Log(store=store)
    around = Surroundings(log.outbox, log, Tally(), journal=log.journal, store=store, clock=lambda: log.at(log.wall_s))
    handler = Handler(core, around)
    handler.assigned(dict.fromkeys(_KEYS))
    return log, handler


def _reached_by_checkpoint(store: MemoryStore, handler: Handler) -> list[int]:
    """Make a checkpoint; return which partitions reached the store by it."""
    before = {key: snapshot.label for key, snapshot in store.snapshots.items()}
    handler.checkpoint(_KEYS)
    return [key.partition for key in _KEYS if store.snapshots.get(key) and store.snapshots[key].label != before.get(key)]


def test_partitions_go_to_the_store_at_moments_of_their_own() -> None:
    store = MemoryStore()
    log, handler = _owning(store, CoreSettings(store_interval_ns=4 * SECOND_NS))
    written: list[list[int]] = []
    for second in range(1, 13):
        log.wall_s = second
        for key in _KEYS:
            record = LogRecord(second, log.at(second), None, encode_protobuf([span("charge", second, of=second)]))
            handler.chunk(key, [replace(record, partition=key.partition)], second + 1)
        written.append(_reached_by_checkpoint(store, handler))
    first = log.at(0) // SECOND_NS % 4
    assert written[0] == [0, 1]
    moments = {0: 0, 1: 2}
    assert written[1:] == [[number for number, at in moments.items() if (first + second - at) % 4 == 0] for second in range(2, 13)]


def _changing(store: BreakingStore, second_count: int) -> list[list[int]]:
    """Let a trace of one partition and two of another change every second; return which of them reached the store, second by second."""
    log, handler = _owning(store, CoreSettings(store_interval_ns=3600 * SECOND_NS, stored_at_once_max=6))
    written: list[list[int]] = []
    for second in range(1, second_count + 1):
        log.wall_s = second
        for number, key in enumerate(_KEYS):
            spans = [span("charge", second, of=10 * second + one) for one in range(1 + number)]
            made = [LogRecord(0, log.at(second), None, encode_protobuf([one])) for one in spans]
            first = (1 + number) * (second - 1)
            records = [replace(one, partition=key.partition, offset=first + place) for place, one in enumerate(made)]
            handler.chunk(key, records, first + len(records))
        written.append(_reached_by_checkpoint(store, handler))
    return written


def test_a_partition_of_which_much_has_changed_goes_to_the_store_before_its_time() -> None:
    written = _changing(BreakingStore(), 10)
    # The first of all is due; then the one with two changes a second at the third, and the other, which waits for nobody, at its sixth.
    assert written == [[0, 1], [], [], [1], [], [], [0], [1], [], []]


def test_a_store_in_trouble_is_asked_no_sooner_however_much_has_changed() -> None:
    store = BreakingStore()
    store.is_down = True
    assert _changing(store, 10) == [[]] * 10
    assert store.asked_count == 1
