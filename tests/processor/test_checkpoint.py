"""The order of a checkpoint, and what is left when a worker dies between any two of its steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from processor import metrics as m
from processor.journal import Ack
from processor.record import PartitionKey
from processor.store import Delta, Written
from tests.doubles.journal import MemoryJournal
from tests.doubles.reading import reread
from tests.doubles.store import MemoryStore
from tests.processor.logs import KEY, Log, LogRecord, Outbox, believed
from tests.processor.played import span
from topics.journal import Checkpoint, RuleCounts, encode, read_entry, valid

if TYPE_CHECKING:
    from topics.dead_letter import DeadLetter
    from topics.violation import Violation
    from topics.written_violation import WrittenViolation

pytestmark = pytest.mark.usefixtures("engine")


class Died(BaseException):
    """The worker is gone at this point."""


@dataclass
class Steps:
    """What was done, in order; dies at the step with a number."""

    done: list[str] = field(default_factory=list)
    dies_at: int | None = None

    def step(self, name: str, effect: Callable[[], object] = lambda: None) -> None:
        """Die before the effect, behind it, or never."""
        if self.dies_at == 2 * len(self.done):
            raise Died(f"before {name}")
        effect()
        self.done.append(name)
        if self.dies_at == 2 * len(self.done) - 1:
            raise Died(f"behind {name}")


class SteppedJournal(MemoryJournal):
    steps = Steps()

    def append(self, entries: Sequence[tuple[PartitionKey, bytes]]) -> list[Ack]:
        acks: list[Ack] = []
        self.steps.step("journal", lambda: acks.extend(super(SteppedJournal, self).append(entries)))
        return acks


class SteppedStore(MemoryStore):
    steps = Steps()

    def write(self, deltas: Mapping[PartitionKey, Delta]) -> dict[PartitionKey, Written]:
        outcome: dict[PartitionKey, Written] = {}
        self.steps.step("store", lambda: outcome.update(super(SteppedStore, self).write(deltas)))
        return outcome


@dataclass
class SteppedOutbox(Outbox):
    steps: Steps = field(default_factory=Steps)
    waiting: list[Violation] = field(default_factory=list)
    waiting_letters: list[DeadLetter] = field(default_factory=list)

    def violation(self, record: WrittenViolation) -> None:
        self.waiting.append(reread(record))

    def dead_letter(self, letter: DeadLetter) -> None:
        self.waiting_letters.append(letter)

    def flush(self) -> None:
        def go_out() -> None:
            self.sent += self.waiting
            self.letters += self.waiting_letters
            self.lose()

        if self.waiting or self.waiting_letters:
            self.steps.step("say", go_out)

    def lose(self) -> None:
        self.waiting.clear()
        self.waiting_letters.clear()


def _stepped(**fields: object) -> tuple[Log, Steps]:
    outbox, journal, store = SteppedOutbox(), SteppedJournal(), SteppedStore()
    log = Log(outbox=outbox, journal=journal, store=store, **fields)  # type: ignore[arg-type]
    steps = outbox.steps
    journal.steps = store.steps = steps
    return log, steps


def _story(log: Log, steps: Steps) -> None:
    """Own the partition until a violation was said and the state went to the store."""
    _append(log)
    owner = log.own()
    owner.read()
    owner.checkpoint()
    steps.step("commit")


def _append(log: Log) -> None:
    log.append(0, span("charge", 1))
    log.records.append(LogRecord(1, log.at(1), b"k", b"\xff\xff\xff"))
    log.append(40, span("charge", 2, of=2))


def test_the_journal_comes_first_then_what_was_said_then_the_store_then_the_commit() -> None:
    log, steps = _stepped()
    _story(log, steps)
    assert steps.done == ["journal", "journal", "say", "store", "commit"]


@pytest.mark.parametrize("dies_at", range(10))
def test_a_worker_that_dies_anywhere_loses_nothing_and_says_nothing_else(dies_at: int) -> None:
    calm, calm_steps = _stepped()
    _story(calm, calm_steps)
    log, steps = _stepped()
    steps.dies_at = dies_at
    with pytest.raises(Died):
        _story(log, steps)
    steps.dies_at = None
    outbox = log.outbox
    assert isinstance(outbox, SteppedOutbox)
    outbox.lose()
    if not log.records:
        _append(log)
    successor = log.own()
    successor.read()
    successor.checkpoint()
    assert believed(log.outbox.sent) == believed(calm.outbox.sent)
    assert {(letter.offset, letter.value) for letter in log.outbox.letters} == {(1, b"\xff\xff\xff")}
    contents: dict[str, set[bytes]] = {}
    for record in log.outbox.sent:
        contents.setdefault(record.ce_id, set()).add(record.canonical_json())
    assert all(len(some) == 1 for some in contents.values())
    assert _total(log) == _total(calm)


def _total(log: Log) -> dict[tuple[str, str], int]:
    """The denominators, as a reader of the journal adds them up."""
    total: dict[tuple[str, str], int] = {}
    for placed in valid(enumerate(log.journal.logs[KEY])):
        for counts in placed.record.counts:
            for verdict in ("satisfied", "violated", "excused", "inconclusive", "not_applicable"):
                key = (counts.rule, verdict)
                total[key] = total.get(key, 0) + getattr(counts, verdict)
    return {key: count for key, count in total.items() if count}


def test_a_late_span_moves_a_trace_from_one_count_to_another() -> None:
    log = Log()
    log.append(0, span("charge", 1))
    owner = log.own()
    owner.read()
    owner.idle(30)
    owner.idle(31)
    assert _total(log) == {("needs-check", "violated"): 1, ("no-bypass", "satisfied"): 1}
    log.append(32, span("check", 2))
    owner.read()
    owner.checkpoint()
    assert _total(log) == {("needs-check", "satisfied"): 1, ("no-bypass", "satisfied"): 1}
    last = read_entry(log.journal.logs[KEY][-1])
    assert isinstance(last, Checkpoint)
    assert RuleCounts(rule="needs-check", version=last.counts[0].version, violated=-1, satisfied=1) in last.counts


def test_a_worker_that_lost_its_partition_unawares_says_nothing_and_takes_it_anew() -> None:
    log = Log()
    log.append(0, span("charge", 1))
    log.append(40, span("other", 2, of=2))
    zombie = log.own()
    zombie.read()
    owner = log.own()
    outcome = zombie.handler.checkpoint([KEY])
    assert (list(outcome.retake), outcome.commits) == ([KEY], {})
    assert log.outbox.sent == []
    assert zombie.tally.count(m.PARTITIONS_FENCED) == 1
    owner.read()
    owner.checkpoint()
    assert len(log.outbox.sent) == 1
    assert sum(placed.record.epoch == 0 for placed in valid(enumerate(log.journal.logs[KEY]))) == 0


def test_a_zombie_whose_gap_retention_has_taken_says_nothing() -> None:
    log = Log()
    log.append(0, span("charge", 1))
    log.append(40, span("other", 2, of=2))
    zombie = log.own()
    zombie.read()
    log.own()
    log.journal.remove_before(KEY, 2)
    assert list(zombie.handler.checkpoint([KEY]).retake) == [KEY]
    assert log.outbox.sent == []


def test_a_zombie_that_has_to_checkpoint_in_the_middle_of_a_chunk_takes_its_partition_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("processor.handler.MARKS_MAX", 3)
    log = Log()
    for second in range(6):
        log.append(second, span("other", second + 1))
    zombie = log.own()
    zombie.read(1)
    log.own()
    zombie.read(5, chunk=1)
    assert zombie.handler.owned == {}
    zombie.checkpoint()
    assert zombie.handler.owned.keys() == {KEY}
    assert zombie.position == 0


def test_what_a_zombie_wrote_in_between_does_not_stop_the_owner() -> None:
    log = Log()
    log.append(0, span("charge", 1))
    zombie = log.own()
    zombie.read()
    owner = log.own()
    zombie.handler.checkpoint([KEY])
    owner.read()
    owner.checkpoint()
    assert owner.handler.owned.keys() == {KEY}
    assert [placed.record.epoch for placed in valid(enumerate(log.journal.logs[KEY]))] == [1]


def test_the_records_form_a_chain() -> None:
    log = Log()
    for turn in range(3):
        owner = log.own()
        log.append(turn, span("charge", turn + 1))
        owner.read()
        owner.checkpoint()
    placed = list(valid(enumerate(log.journal.logs[KEY])))
    assert [it.record.previous for it in placed[:1]] == [None]
    for before, after in pairwise(placed):
        assert after.record.previous is not None
        assert (after.record.previous.offset, after.record.previous.hash) == (before.offset, before.hash)


def test_where_traces_take_too_much_memory_the_oldest_are_closed_and_of_closed_ones_only_times_are_kept() -> None:
    log = Log(wall_s=50)
    owner = log.own()
    for number in range(1, 41):
        log.append(number, span("bypass", number, of=number))
    owner.read()
    log.memory_max_bytes = 1
    tight = log.own()
    tight.read()
    tight.checkpoint()
    kept = [trace for trace in tight.owner.traces.traces.values() if trace.handle >= 0]
    assert [trace.trace_id[-2:] for trace in kept] == [f"{number:02x}" for number in range(5, 41)]
    assert tight.tally.count(m.TRACES_EVICTED) == 4
    for _ in range(40):
        tight.checkpoint()
    evicted = {it.trace.id[-2:]: it.trace.complete for it in log.outbox.sent if it.trace.close_reason == "evicted"}
    assert evicted == {f"{number:02x}": False for number in range(21, 41)}
    assert sum(placed.record.traces_evicted for placed in valid(enumerate(log.journal.logs[KEY]))) == 40
    assert all(trace.handle < 0 for trace in tight.owner.traces.traces.values())
    assert {it.trace.id for it in log.outbox.sent if it.verdict == "violated"} == {f"{number:032x}" for number in range(1, 41)}
    log.append(50, span("charge", 99, of=40))
    tight.read()
    tight.checkpoint()
    assert len(tight.owner.traces.traces) == 40
    assert tight.tally.count(m.TRACES_OPENED) == 40


def test_what_is_written_is_what_the_entries_say() -> None:
    log = Log()
    log.append(0, span("charge", 1))
    owner = log.own()
    owner.read()
    owner.checkpoint()
    fence, record = (read_entry(value) for value in log.journal.logs[KEY])
    assert fence.kind == "fence"
    assert isinstance(record, Checkpoint)
    assert (record.epoch, record.first_offset, record.last_offset, record.rebuild_offset, record.journal_from) == (0, 0, 0, 0, -1)
    assert encode(record) == log.journal.logs[KEY][1]
