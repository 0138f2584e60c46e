"""What cannot be brought back is said, and nothing is guessed of it."""

from __future__ import annotations

import pytest

from processor import metrics as m
from tests.doubles.store import MemoryStore
from tests.processor.logs import KEY, Log, Owner
from tests.processor.played import NEEDS_CHECK, rules, span
from topics.journal import Checkpoint, read_entry, valid

pytestmark = pytest.mark.usefixtures("engine")


def _inconclusive_and_silent(owner: Owner, log: Log, reason: str, lost: int = 1) -> None:
    """A trace that begins now may have begun earlier; one that begins much later has not."""
    assert owner.tally.by_label(m.PARTITIONS_STATE_LOST) == {reason: 1}
    said = len(log.outbox.sent)
    log.append(1_001, span("charge", 8, of=8))
    log.append(1_500, span("charge", 9, of=9))
    log.append(2_500, span("other", 10, of=10))
    log.wall_s = 2_500
    owner.read(chunk=1)
    owner.checkpoint()
    assert [it.trace.id[-1] for it in log.outbox.sent[said:]] == ["9"]
    assert owner.tally.count(m.TRACES_STATE_LOST) == lost
    assert sum(placed.record.traces_state_lost for placed in valid(enumerate(log.journal.logs[KEY]))) == lost
    assert owner.tally.count(m.VERDICTS, "needs-check", "inconclusive") == lost


def _judged(store: MemoryStore | None = None) -> Log:
    log = Log(store=store, wall_s=1_000)
    log.append(900, span("charge", 1))
    log.append(1_000, span("charge", 2, of=2))
    owner = log.own()
    owner.read()
    owner.checkpoint()
    return log


@pytest.mark.parametrize("has_store", [False, True])
def test_input_that_is_gone_before_it_was_judged_is_said(*, has_store: bool) -> None:
    log = _judged(MemoryStore() if has_store else None)
    # An earlier record of the journal would do, but its input is gone as well.
    log.first = 1
    if has_store:
        log.append(1_000, span("other", 3, of=3))
        log.first = 3
    _inconclusive_and_silent(log.own(), log, "input_gone")


def test_a_journal_that_is_gone_is_said() -> None:
    log = _judged()
    log.journal.logs.clear()
    _inconclusive_and_silent(log.own(), log, "no_journal", lost=3)


@pytest.mark.parametrize("has_store", [False, True])
def test_a_journal_whose_beginning_is_gone_is_said(*, has_store: bool) -> None:
    log = Log(store=MemoryStore() if has_store else None, wall_s=1_000)
    owner = log.own()
    for number, second in enumerate((0, 400, 800, 990, 1_000)):
        log.append(second, span("other", number, of=number))
        owner.read()
        owner.checkpoint()
    # Two records stay; what has to be done again before them is gone.
    last = read_entry(log.journal.logs[KEY][-1])
    assert isinstance(last, Checkpoint)
    assert 0 <= last.journal_from < len(log.journal.logs[KEY]) - 2
    log.journal.remove_before(KEY, len(log.journal.logs[KEY]) - 2)
    _inconclusive_and_silent(log.own(), log, "journal_gone")


def test_a_state_from_before_a_loss_is_not_gone_on_from_behind_it() -> None:
    """Whoever found the loss has written it down, and died before the store heard of it."""
    store = MemoryStore()
    log = _judged(store)
    before = store.snapshots[KEY]
    log.journal.remove_before(KEY, before.label.offset)
    finder = log.own()
    assert finder.tally.by_label(m.PARTITIONS_STATE_LOST) == {"journal_gone": 1}
    finder.checkpoint()
    store.snapshots[KEY] = before
    successor = log.own()
    assert not successor.owner.traces.traces
    assert successor.tally.by_label(m.STATES_RECOVERED) == {"input": 1}


@pytest.mark.parametrize("has_unstamped", [False, True])
def test_a_loss_lasts_until_something_behind_it_tells_the_time(*, has_unstamped: bool) -> None:
    """What was lost may have come much later than the last mark before it: a mark that moves no time does not say how late it is now."""
    log = _judged()
    log.append(1_300, span("charge", 3, of=3))
    log.first = 3
    owner = log.own()
    log.put_in_force("00000000000000bb", rules(NEEDS_CHECK))
    owner.checkpoint()
    assert owner.owner.traces.judging.program_id == "00000000000000bb"
    if has_unstamped:
        # It comes at the time of the last mark, for want of a better one.
        log.append(None, span("other", 5, of=5))
    log.append(1_500, span("other", 4, of=3))
    log.append(2_500, span("other", 10, of=10))
    log.wall_s = 2_500
    owner.read(chunk=1)
    owner.checkpoint()
    # The trace of the first record with a stamp began in what was lost.
    assert owner.tally.count(m.TRACES_STATE_LOST) == 1 + has_unstamped
    assert owner.tally.count(m.VERDICTS, "needs-check", "inconclusive") == 1 + has_unstamped


def test_input_that_is_deleted_under_a_worker_that_lags_behind_is_said() -> None:
    """The client goes on behind it without a word, so the worker finds out by the offsets."""
    log = _judged()
    owner = log.own()
    owner.read()
    owner.checkpoint()
    log.append(1_000, span("check", 3))
    log.append(1_000, span("other", 4, of=4))
    log.first = 3
    owner.position = 3
    owner.read()
    owner.checkpoint()
    assert owner.position == 3
    owner.read()
    _inconclusive_and_silent(owner, log, "input_gone", lost=2)


def test_a_gap_in_the_log_is_no_loss() -> None:
    log = _judged()
    owner = log.own()
    owner.read()
    log.append(1_000, span("other", 3, of=3))
    log.append(1_000, span("other", 4, of=4))
    owner.position = 3
    owner.read()
    owner.checkpoint()
    assert owner.owner.position == 4
    assert not owner.tally.by_label(m.PARTITIONS_STATE_LOST)


def test_a_program_that_is_gone_is_said_and_its_state_is_not_gone_on_from() -> None:
    store = MemoryStore()
    log = _judged(store)
    log.programs.clear()
    log.put_in_force("00000000000000bb", rules(NEEDS_CHECK))
    owner = log.own()
    _inconclusive_and_silent(owner, log, "program_gone")
    assert {state[4:5] for some in store.snapshots[KEY].states.values() for state in some.values()} == {b"\x03"}
    assert {trace_id[-1] for some in store.snapshots[KEY].states.values() for trace_id in some} == {10}


def test_a_program_that_is_gone_is_said_though_no_trace_had_begun_under_it() -> None:
    log = _judged(MemoryStore())
    owner = log.own()
    owner.read()
    log.put_in_force("00000000000000bb", rules(NEEDS_CHECK))
    owner.checkpoint()
    owner.checkpoint()
    del log.programs["00000000000000bb"]
    log.put_in_force("00000000000000cc", rules(NEEDS_CHECK))
    _inconclusive_and_silent(log.own(), log, "program_gone")


def test_a_log_that_ends_before_the_rebuild_offset_was_made_anew() -> None:
    log = Log(wall_s=1_000)
    owner = log.own()
    for second in (0, 500, 999, 1_000):
        log.append(second, span("other", second + 1, of=second + 1))
        owner.read()
        owner.checkpoint()
    del log.records[:]
    successor = log.own()
    assert successor.position == 0
    _inconclusive_and_silent(successor, log, "input_truncated")


@pytest.mark.parametrize("is_read", [False, True])
def test_a_log_that_ends_before_where_it_was_read_to_is_taken_anew_after_a_while(*, is_read: bool) -> None:
    log = _judged()
    owner = log.own()
    if is_read:
        owner.read()
    del log.records[:]
    for second in (1_000, 1_001, 1_032, 1_033):
        owner.idle(second)
    assert owner.position == 0
    _inconclusive_and_silent(owner, log, "input_truncated")
