"""Under lag whole traces are shed before they are decoded: counted, remembered, never judged half."""

from __future__ import annotations

from collections import Counter

import pytest

from processor import metrics as m
from processor.closing import SECOND_NS, ClosingPolicy
from processor.overload import ShedPolicy
from processor.trace_engine import Batch, Taken, TakePolicy
from tests.doubles.store import MemoryStore
from tests.processor.logs import KEY, Log, LogRecord, Owner
from tests.processor.played import span, trace_id
from topics.journal import Checkpoint, read_entry, shed_share, valid

pytestmark = pytest.mark.usefixtures("engine")

SMALL = ClosingPolicy(1 * SECOND_NS, 3 * SECOND_NS, 60 * SECOND_NS, 8 * SECOND_NS, 2 * SECOND_NS)
# By their shares: of the first hundred traces one that is shed soon, and one that is shed late.
FEW = min(range(1, 100), key=lambda number: shed_share(trace_id(number).encode()))
MANY = max(range(1, 100), key=lambda number: shed_share(trace_id(number).encode()))


def shedding(level: int, store: MemoryStore | None = None, wall_s: float = 100) -> tuple[Log, Owner]:
    """Return a log whose owner sheds at this level."""
    log = Log(policy=SMALL, store=store, wall_s=wall_s)
    owner = log.own()
    change(owner, level)
    return log, owner


def change(owner: Owner, level: int) -> None:
    """Let another shed level come into force."""
    owner.owner.shed(level)
    owner.owner.mark(0)


def told(log: Log) -> Counter[str]:
    """Return what all records that count say of shed traces."""
    records = [placed.record for placed in valid(enumerate(log.journal.logs[KEY]))]
    return Counter(traces=sum(it.traces_shed for it in records), records=sum(it.records_shed for it in records))


def violated(log: Log) -> set[str]:
    return {record.trace.id for record in log.outbox.sent if record.verdict == "violated"}


def test_a_trace_below_the_level_is_dropped_before_it_is_decoded_and_one_above_is_judged() -> None:
    log, owner = shedding(128)
    log.append(0, span("bypass", 1, of=FEW), key=trace_id(FEW).encode())
    log.records[0] = LogRecord(0, log.at(0), trace_id(FEW).encode(), b"\xff\xff: no OTLP at all")
    log.append(0, span("bypass", 2, of=MANY))
    log.append(40, span("other", 3, of=MANY))
    owner.read()
    owner.checkpoint()
    assert violated(log) == {trace_id(MANY)}
    assert log.outbox.letters == []
    assert told(log) == Counter(traces=1, records=1)
    assert (owner.tally.count(m.TRACES_SHED), owner.tally.count(m.RECORDS_SHED)) == (1, 1)
    assert owner.tally.count(m.RECORDS_READ) == 3
    assert owner.tally.count(m.VERDICTS, "no-bypass", "violated") == 1


def test_a_trace_that_began_before_the_level_rose_is_judged_whole() -> None:
    log, owner = shedding(0)
    log.append(0, span("charge", 1, of=FEW))
    owner.read()
    change(owner, 256)
    log.append(1, span("check", 2, of=FEW))
    owner.read()
    change(owner, 0)
    log.append(40, span("other", 3, of=MANY))
    owner.read()
    owner.checkpoint()
    assert owner.tally.count(m.VERDICTS, "needs-check", "satisfied") == 1
    assert told(log) == Counter()


def test_a_trace_whose_beginning_was_shed_is_shed_to_its_end() -> None:
    """The level falls, the rest of it comes, late and twice; only when it is forgotten does its id mean another trace."""
    log, owner = shedding(256)
    log.append(0, span("check", 1, of=FEW))
    owner.read()
    change(owner, 0)
    for second in (1, 8, 8, 15):
        log.append(second, span("charge", 2, of=FEW))
        owner.read()
    owner.checkpoint()
    assert (violated(log), told(log)) == (set(), Counter(traces=1, records=5))
    log.append(15 + 8.1, span("charge", 3, of=FEW))
    log.append(60, span("other", 3, of=MANY))
    owner.read()
    owner.checkpoint()
    assert (violated(log), told(log)) == ({trace_id(FEW)}, Counter(traces=1, records=5))


def test_what_an_unkeyed_record_brought_of_a_trace_is_shed_with_it() -> None:
    log, owner = shedding(256)
    log.append(0, span("bypass", 1, of=FEW), key=None)
    log.append(0, span("other", 2, of=FEW))
    log.append(0, span("bypass", 3, of=FEW), span("bypass", 4, of=MANY), key=None)
    log.append(40, span("other", 5, of=MANY), key=None)
    owner.read()
    owner.checkpoint()
    assert (violated(log), told(log)) == ({trace_id(MANY)}, Counter(traces=1, records=1))


@pytest.mark.parametrize("chunk", [1, 100])
def test_spans_under_other_keys_belong_to_what_stood_when_they_came(chunk: int) -> None:
    """A record so late that it begins its trace anew is shed between two that bring spans of the trace, the last stamped earlier."""
    log, owner = shedding(256)
    log.append(0, span("other", 1, of=FEW), key=None)
    log.append(8.5, span("other", 2, of=FEW))
    log.append(3, span("bypass", 3, of=FEW), key=None)
    log.append(4, span("bypass", 4, of=MANY), key=None)
    log.append(60, span("other", 5, of=MANY), key=None)
    owner.read(chunk=chunk)
    owner.checkpoint()
    assert (violated(log), told(log)) == ({trace_id(MANY)}, Counter(traces=1, records=1))


def test_records_between_which_others_are_shed_are_taken_in_together(monkeypatch: pytest.MonkeyPatch) -> None:
    log, owner = shedding(128)
    for number in range(1, 100):
        log.append(0, span("charge", number, of=number))
    engine, counts = owner.owner.traces.judging.engine, list[int]()
    take = engine.take

    def counted(partition: int, batch: Batch, policy: TakePolicy) -> Taken:
        counts.append(len(batch.values))
        return take(partition, batch, policy)

    monkeypatch.setattr(engine, "take", counted)
    owner.read()
    owner.checkpoint()
    assert counts == [99 - told(log)["records"]]
    assert 30 < counts[0] < 70
    # They stand in order of their first records, those that are shed among the others.
    assert [one.first_offset for one in owner.owner.traces.traces.values()] == list(range(99))


@pytest.mark.parametrize("chunk", [1, 2, 100])
def test_how_records_come_in_chunks_changes_nothing_that_is_shed_in_a_replay(chunk: int) -> None:
    log, owner = shedding(150)
    for number in range(1, 30):
        for second in (0, 9, 4, 18):
            log.append(number + second, span("bypass", number, of=number), key=None if (number + second) % 5 == 0 else b"")
    owner.read()
    owner.checkpoint()
    counted, said = told(log), [it.canonical_json() for it in log.outbox.sent]
    assert 3 < counted["traces"] < 60
    successor = log.own()
    successor.read(chunk=chunk)
    successor.checkpoint()
    assert [it.canonical_json() for it in log.outbox.sent] == said + said
    assert told(log) == counted
    assert successor.tally.count(m.TRACES_SHED) == 0
    assert successor.owner.traces.shedding.trace_ids == owner.owner.traces.shedding.trace_ids != set()


def test_who_goes_on_from_the_store_sheds_what_was_shed_and_at_the_level_that_was_in_force() -> None:
    log, owner = shedding(256, MemoryStore())
    log.append(0, span("bypass", 1, of=FEW))
    owner.read()
    change(owner, 60)
    owner.checkpoint()
    successor = log.own()
    assert 0 < successor.owner.shed_level == owner.owner.shed_level
    log.append(1, span("bypass", 2, of=FEW))
    log.append(40, span("other", 3, of=MANY))
    successor.read()
    successor.checkpoint()
    assert (violated(log), told(log)) == (set(), Counter(traces=1, records=2))


def test_what_is_shed_holds_the_low_watermark_until_it_is_forgotten() -> None:
    log, owner = shedding(256, wall_s=9)
    log.append(0, span("bypass", 1, of=FEW))
    log.append(9.9, span("bypass", 2, of=MANY))
    owner.read()
    assert owner.owner.low_watermark == 0
    owner.idle(10.1)
    assert owner.owner.low_watermark == 1
    owner.idle(20)
    assert owner.owner.traces.traces == {}
    assert not owner.owner.traces.shedding.trace_ids


def lagging(policy: ShedPolicy | None) -> Log:
    """Return a log of which a worker will have read little, a long time ago."""
    log = Log(policy=SMALL, shed=policy, wall_s=1_000)
    for number in range(1, 101):
        log.append(number, span("bypass", number, of=number))
    return log


def test_the_level_rises_with_the_lag_and_falls_when_it_is_gone() -> None:
    log = lagging(ShedPolicy(lag_max_ns=100 * SECOND_NS, lag_records_max=20))
    owner = log.own()
    owner.read(10)
    found = list[int]()
    for _ in range(4):
        log.wall_s += 5
        log.append(100, span("bypass", 1, of=1))
        owner.checkpoint()
        owner.checkpoint()
        found.append(owner.owner.shed_level)
    assert found == [0, 32, 64, 96]
    assert owner.handler.shed_levels == {KEY: 96}
    owner.read()
    for _ in range(6):
        log.wall_s += 5
        owner.checkpoint()
        found.append(owner.owner.shed_level)
    assert found[4:] == [80, 64, 48, 32, 16, 0]
    marks = [mark for value in log.journal.logs[KEY] if isinstance(entry := read_entry(value), Checkpoint) for mark in entry.marks]
    assert [mark.shed_level for mark in marks if mark.shed_level is not None] == [32, 64, 96, 80, 64, 48, 32, 16, 0]
    assert owner.tally.gauges[m.SHED_LEVEL.name, "otlp_spans", "0"] == 0
    assert owner.tally.gauges[m.LAG_SECONDS.name, "otlp_spans", "0"] == 0
    assert 0 < owner.tally.count(m.TRACES_SHED) < 90


def test_who_is_set_to_shed_nothing_takes_back_the_level_of_its_predecessor() -> None:
    log = lagging(ShedPolicy())
    owner = log.own()
    change(owner, 200)
    owner.checkpoint()  # lowers it by a step: there is no lag
    log.shed = None
    successor = log.own()
    successor.read(1)
    assert successor.owner.shed_level == 184
    successor.checkpoint()
    assert successor.owner.shed_level == 0


def test_a_clock_that_is_off_is_no_lag() -> None:
    log = lagging(ShedPolicy(lag_max_ns=100 * SECOND_NS, lag_records_max=20))
    owner = log.own()
    owner.read(10)
    change(owner, 64)
    owner.handler.clock_offset_ns = 3_600 * SECOND_NS
    log.wall_s += 5
    owner.checkpoint()
    assert owner.owner.shed_level == 48


def test_where_state_is_lost_the_level_is_taken_back_and_the_mark_says_so() -> None:
    log, owner = shedding(200)
    owner.checkpoint()
    log.programs.clear()
    log.put_in_force("00000000000000bb", log.rule_set)
    successor = log.own()
    assert successor.owner.shed_level == 0
    assert successor.owner.marks[0].shed_level == 0
