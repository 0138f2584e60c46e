"""What a worker finds in the journal when it takes a partition."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processor import recovery
from processor.recovery import reaches, read_history, replay_from
from processor.store import Label
from tests.doubles.journal import MemoryJournal
from tests.journals import KEY, Writer, checkpoint, counting, standing, take, write
from topics.journal import Entry, Fence, Mark, Previous, encode


def _storm(seed: int, steps: int) -> tuple[MemoryJournal, int]:
    """A journal that some workers wrote, zombies among them; and the fence of the one that reads it."""
    chance, journal = random.Random(seed), MemoryJournal()
    writers: list[Writer] = []
    for _ in range(steps):
        if not writers or chance.random() < 0.2:
            writers.append(take(journal))
        elif chance.random() < 0.1:
            journal.append([(KEY, b"noise")])
        else:
            writer = chance.choice(writers)
            if not write(journal, writer):
                writers.remove(writer)
    (ack,) = journal.append([(KEY, encode(Fence(worker="reader")))])
    return journal, ack.offset


@settings(max_examples=400)
@given(st.integers(0, 2**32), st.integers(0, 40), st.sampled_from([1, 2, 3, 8]))
def test_the_last_record_found_is_the_last_that_counts_for_every_reader(seed: int, steps: int, window: int) -> None:
    journal, fence = _storm(seed, steps)
    expected = counting(journal)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recovery, "_WINDOWS", (window, 2 * window))
        history = read_history(journal, KEY, fence)
    assert (history.records if history else []) == expected
    assert history is None or history.is_whole


def test_only_records_from_journal_from_on_are_given() -> None:
    journal = MemoryJournal()
    values: list[Entry] = [
        Fence(worker="w"),
        *(checkpoint(0, standing=standing(at)) for at in (5, 9)),
        checkpoint(0, journal_from=2, standing=standing(12)),
    ]
    journal.append([(KEY, encode(value)) for value in values])
    history = read_history(journal, KEY, 4)
    assert history is not None
    assert [placed.offset for placed in history.records] == [2, 3]


def test_records_that_retention_took_are_missed() -> None:
    journal = MemoryJournal()
    values: list[Entry] = [
        Fence(worker="w"),
        checkpoint(0),
        checkpoint(0),
        checkpoint(0, journal_from=1, previous=Previous(offset=2, hash="0" * 32)),
    ]
    journal.append([(KEY, encode(value)) for value in values])
    journal.remove_before(KEY, 2)
    history = read_history(journal, KEY, 4)
    assert history is not None
    assert not history.is_whole


def test_of_a_record_whose_fence_retention_took_nobody_knows_whether_it_counts() -> None:
    journal = MemoryJournal()
    values: list[Entry] = [Fence(worker="zombie"), Fence(worker="owner"), checkpoint(0)]
    journal.append([(KEY, encode(value)) for value in values])
    journal.remove_before(KEY, 2)
    assert read_history(journal, KEY, 3) is None


def test_a_record_counts_whose_fence_is_the_last_thing_that_retention_took() -> None:
    journal = MemoryJournal()
    journal.append([(KEY, encode(value)) for value in (Fence(worker="owner"), checkpoint(0))])
    journal.remove_before(KEY, 1)
    history = read_history(journal, KEY, 2)
    assert history is not None
    assert history.last.offset == 1


def _history() -> recovery.History:
    journal = MemoryJournal()
    marks = [Mark(position=at, time_ns=at) for at in range(10)]
    values: list[Entry] = [
        Fence(worker="w"),
        checkpoint(0, marks=(marks[1], marks[2]), standing=standing(2, 2)),
        checkpoint(0, marks=(marks[3],), standing=standing(3, 3)),
        checkpoint(0, marks=(marks[5], marks[7]), standing=standing(7, 7), rebuild_offset=2, journal_from=1),
    ]
    journal.append([(KEY, encode(value)) for value in values])
    history = read_history(journal, KEY, 4)
    assert history is not None
    return history


def test_without_a_state_the_replay_begins_at_the_rebuild_offset_as_the_record_before_it_stood() -> None:
    replay = replay_from(_history(), None)
    assert (replay.start, replay.standing) == (2, standing(2, 2))
    assert [(one.mark.position, one.is_last_record) for one in replay.marks] == [(3, False), (5, True), (7, True)]


def test_onto_a_state_the_marks_behind_its_label_are_obeyed() -> None:
    history = _history()
    replay = replay_from(history, Label(2, history.records[1].hash))
    assert (replay.start, replay.standing) == (3, standing(3, 3))
    assert [one.mark.position for one in replay.marks] == [5, 7]


def test_onto_the_last_state_nothing_is_replayed() -> None:
    history = _history()
    assert replay_from(history, Label(3, history.last.hash)).marks == []


@pytest.mark.parametrize(("offset", "is_used"), [(0, False), (1, True), (2, True), (3, True), (4, False)])
def test_a_state_is_used_if_its_label_counts_and_reaches_the_rebuild_offset(offset: int, *, is_used: bool) -> None:
    history = _history()
    digests = {placed.offset: placed.hash for placed in history.records}
    assert reaches(history, Label(offset, digests.get(offset, "0" * 32))) is is_used
    assert not reaches(history, Label(offset, "f" * 32))
