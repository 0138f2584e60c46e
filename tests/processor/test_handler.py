"""The core on a log: time, checkpoints, restarts, refusals."""

from __future__ import annotations

from dataclasses import replace

import pytest

from processor import metrics as m
from processor.record import PartitionKey
from tests.processor.logs import KEY, Log, LogRecord, Owner, believed
from tests.processor.played import rules, span, trace_id
from topics.otlp import encode_protobuf

pytestmark = pytest.mark.usefixtures("engine")


def test_partition_time_follows_the_records_while_the_log_is_not_read_to_its_end() -> None:
    log = Log(wall_s=100_000)
    log.append(0, span("charge", 1))
    log.append(10, span("charge", 2, of=2))
    owner = log.own()
    owner.read(1)
    owner.idle(100_000)
    assert log.outbox.sent == []
    assert owner.owner.time.now_ns == log.at(0)


def test_the_wall_clock_closes_traces_once_the_whole_log_has_been_read() -> None:
    log = Log()
    log.append(0, span("charge", 1))
    owner = log.own()
    owner.read()
    owner.idle(29)
    assert log.outbox.sent == []
    owner.idle(30)
    assert [record.trace.close_reason for record in log.outbox.sent] == ["idle"]


def test_a_partition_that_was_busy_since_the_last_checkpoint_marks_no_wall_clock() -> None:
    log = Log()
    log.append(0, span("charge", 1))
    owner = log.own()
    owner.read()
    log.wall_s = 1_000
    owner.checkpoint()
    assert log.outbox.sent == []
    owner.checkpoint()
    assert len(log.outbox.sent) == 1


def test_timestamps_far_ahead_of_the_wall_clock_are_moved_back_and_counted() -> None:
    log = Log(wall_s=0)
    log.append(0, span("charge", 1))
    log.append(3_600, span("charge", 2, of=2))
    owner = log.own()
    owner.read()
    assert owner.owner.time.now_ns == log.at(60)
    assert owner.tally.count(m.TIMESTAMPS_CLAMPED) == 1


def test_a_clock_that_is_far_off_closes_nothing_until_it_is_set_right_although_nothing_happens() -> None:
    log = Log(wall_s=3_600)
    log.journal.clock = lambda: log.at(0)
    log.append(0, span("charge", 1))
    owner = log.own()
    owner.read()
    owner.idle(3_700)
    assert log.outbox.sent == []
    log.journal.clock = lambda: log.at(log.wall_s)
    are_off = []
    for second in (3_710, 3_800, 3_801):
        are_off.append(owner.handler.is_clock_off)
        owner.idle(second)
    assert are_off == [True, True, False]
    assert [it.trace.close_reason for it in log.outbox.sent] == ["idle"]


def test_partition_time_never_moves_back() -> None:
    log = Log(wall_s=100)
    for second in (100, 20, 90):
        log.append(second, span("charge", second, of=second))
    owner = log.own()
    owner.read(chunk=1)
    assert owner.owner.time.now_ns == log.at(100)


def test_records_without_timestamps_arrive_at_the_last_mark() -> None:
    log = Log()
    log.append(5, span("charge", 1))
    log.append(None, span("charge", 2, of=2))
    owner = log.own()
    owner.read(chunk=1)
    owner.idle(35)
    assert len(log.outbox.sent) == 2


def test_only_what_was_flushed_lets_an_offset_be_committed() -> None:
    log = Log()
    log.append(0, span("charge", 1))
    owner = log.own()
    owner.read()
    log.outbox.breaks = True
    with pytest.raises(ConnectionError):
        owner.checkpoint()
    assert log.committed is None


def test_the_committed_offset_is_the_first_record_of_the_oldest_remembered_trace() -> None:
    log = Log(wall_s=500)
    log.append(0, span("charge", 1, of=1))
    log.append(1, span("charge", 2, of=2))
    owner = log.own()
    owner.read(1)
    owner.checkpoint()
    assert log.committed is not None
    assert log.committed == 0
    owner.read()
    log.append(361, span("charge", 3, of=3))
    owner.read()
    owner.checkpoint()
    assert log.committed == 1
    log.append(500, span("charge", 4, of=4))
    owner.read()
    owner.checkpoint()
    assert log.committed == 2


def test_with_nothing_remembered_the_position_is_committed() -> None:
    log = Log()
    log.append(0, span("charge", 1))
    owner = log.own()
    owner.read()
    owner.idle(30)
    owner.idle(1_000)
    assert log.committed is not None
    assert log.committed == 1


def test_a_restarted_worker_repeats_what_it_still_remembers_with_the_same_ids() -> None:
    log = Log()
    log.append(0, span("charge", 1))
    first = log.own()
    first.read()
    first.idle(30)
    second = log.own()
    second.read()
    second.idle(31)
    said = log.outbox.sent
    assert len(said) == 2
    assert said[0].ce_id == said[1].ce_id
    assert len(believed(said[:1])) == 1
    assert believed(said[:1]) == believed(said)


def _with_a_trace_that_straddles_the_low_watermark() -> tuple[Log, Owner]:
    """Trace 1 is satisfied as a whole, its tail alone is a violation; trace 2 begins between its records and is remembered longer."""
    log = Log(wall_s=800)
    log.append(0, span("check", 1, of=1))
    log.append(1, span("bypass", 9, of=2))
    log.append(2, span("charge", 2, of=1))
    log.append(250, span("bypass", 10, of=2))
    owner = log.own()
    owner.read()
    log.append(400, span("other", 11, of=3))
    owner.read()
    owner.checkpoint()
    assert log.committed is not None
    assert log.committed == 1
    return log, owner


def test_a_restart_invents_no_violation_out_of_the_tail_of_a_trace_that_was_forgotten() -> None:
    log, _ = _with_a_trace_that_straddles_the_low_watermark()
    before = believed(log.outbox.sent)
    second = log.own()
    second.read()
    second.idle(800)
    assert believed(log.outbox.sent) == before
    assert {record.trace.id for record in log.outbox.sent} == {trace_id(2)}


def test_a_replay_is_said_and_counted_only_once() -> None:
    log, first = _with_a_trace_that_straddles_the_low_watermark()
    log.records[2] = replace(log.records[2], value=b"\xff\xff")
    second = log.own()
    second.read(1)
    second.checkpoint()
    assert second.tally.count(m.RECORDS_READ) == 0
    second.read()
    assert second.tally.count(m.RECORDS_READ) == 0
    assert log.outbox.letters == []
    assert first.tally.count(m.RECORDS_READ) == 5


def test_a_worker_killed_during_a_replay_leaves_the_commit_as_it_was() -> None:
    log, _ = _with_a_trace_that_straddles_the_low_watermark()
    committed = log.committed
    second = log.own()
    second.read(2)
    second.checkpoint()
    assert log.committed == committed


def test_a_released_partition_is_dropped_and_no_longer_checkpointed() -> None:
    log = Log()
    log.append(0, span("charge", 1))
    owner = log.own()
    owner.read()
    owner.handler.released([KEY], lost=True)
    assert owner.handler.checkpoint([KEY]).commits == {}
    assert log.outbox.sent == []


def test_nothing_is_shown_of_a_released_partition() -> None:
    log = Log()
    log.append(0, span("charge", 1))
    owner = log.own()
    owner.read()
    owner.handler.checkpoint([KEY])
    shown = (m.POSITION.name, KEY.topic, str(KEY.partition))
    assert owner.tally.gauges[shown] == 1
    owner.handler.released([KEY], lost=True)
    assert [key for key in owner.tally.gauges if key[1:] == shown[1:]] == []


def test_a_released_partition_that_comes_back_stands_as_the_journal_says() -> None:
    log = Log()
    log.append(0, span("charge", 1))
    owner = log.own()
    owner.read()
    owner.handler.checkpoint([KEY], handing_over=True)
    owner.handler.released([KEY], lost=False)
    log.append(1, span("charge", 2))
    owner.position = owner.handler.assigned({KEY: None})[KEY]
    owner.read()
    owner.handler.drain()
    owner.checkpoint()
    assert [(it.input.first_offset, it.trace.span_count) for it in log.outbox.sent] == [(0, 2)]


def test_partitions_of_one_worker_never_share_a_trace_even_after_one_was_released() -> None:
    log, other = Log(), PartitionKey(KEY.topic, 1)
    log.append(0, span("charge", 1))
    owner = log.own()
    owner.handler.assigned({other: None})
    owner.handler.released([KEY], lost=False)
    owner.handler.assigned({KEY: None})
    owner.read()
    owner.handler.chunk(other, [replace(log.records[0], partition=1, value=encode_protobuf([span("charge", 2)]))], 1)
    owner.handler.drain()
    owner.handler.checkpoint([KEY, other])
    assert [(it.input.partition, it.trace.span_count) for it in log.outbox.sent] == [(0, 1), (1, 1)]


def test_a_record_that_cannot_be_read_becomes_a_dead_letter_and_is_counted_by_reason() -> None:
    log = Log()
    log.records.append(LogRecord(0, log.at(0), b"k", b"\xff\xff\xff"))
    log.append(1, span("charge", 1))
    owner = log.own()
    owner.read()
    assert log.outbox.letters == []
    owner.checkpoint()
    (letter,) = log.outbox.letters
    assert (letter.topic, letter.partition, letter.offset, letter.key, letter.value) == ("otlp_spans", 0, 0, b"k", b"\xff\xff\xff")
    assert letter.headers == (("from", b"test"),)
    assert owner.tally.count(m.RECORDS_REFUSED, letter.reason) == 1
    assert owner.tally.count(m.SPANS_READ) == 1


@pytest.mark.parametrize("key", [None, b"order-17", trace_id(7).encode()])
def test_a_record_not_keyed_by_its_trace_is_counted_and_its_trace_judged_as_incomplete(key: bytes | None) -> None:
    log = Log()
    log.append(0, span("charge", 1), span("bypass", 2, of=2), key=key)
    owner = log.own()
    owner.read()
    owner.idle(31)
    assert owner.tally.count(m.RECORDS_UNKEYED) == 1
    said = [(record.rule.id, record.early, record.trace.complete) for record in log.outbox.sent]
    assert said == [("no-bypass", True, False), ("no-bypass", False, False)]


def _with_a_violation_whose_trace_turns_out_to_be_scattered() -> Log:
    """The record that says so brings a span that had come before."""
    log = Log()
    log.append(0, span("charge", 1))
    log.append(40, span("other", 2, of=2))
    log.append(41, span("charge", 1), span("other", 3, of=2), key=None)
    owner = log.own()
    owner.read(chunk=1)
    owner.checkpoint()
    return log


def test_a_trace_that_turns_out_to_be_scattered_is_judged_again_although_no_span_is_new() -> None:
    sent = _with_a_violation_whose_trace_turns_out_to_be_scattered().outbox.sent
    assert [(it.change, it.verdict, it.trace.complete) for it in sent] == [
        ("raised", "violated", True),
        ("withdrawn", "inconclusive", False),
    ]


def test_a_worker_that_starts_again_repeats_what_it_withdrew_of_a_scattered_trace() -> None:
    log = _with_a_violation_whose_trace_turns_out_to_be_scattered()
    owner = log.own()
    owner.read()
    assert log.outbox.sent[-1].change == "withdrawn"
    assert believed(log.outbox.sent) == {}


def test_a_record_fits_its_topic_whatever_a_span_holds() -> None:
    rule_set = rules('rules: [{id: huge, evidence: [list, text], rule: "never { charge }"}]')
    huge = span("n" * 100_000, 2, parent=1)
    nested = tuple(("x" * 1000,) * 100 for _ in range(100))
    charge = replace(span("charge", 1), attributes={"list": nested, "text": "y" * 10**6})
    log = Log(rule_set)
    log.append(0, charge, huge)
    owner = log.own()
    owner.read()
    owner.idle(5_000)
    assert [record.early for record in log.outbox.sent] == [True, False]
    assert all(len(record.canonical_json()) < 100_000 for record in log.outbox.sent)


def test_a_trace_that_falls_due_by_the_clock_alone_makes_a_checkpoint_urgent_once_the_log_is_quiet() -> None:
    log = Log(wall_s=1)
    log.append(0, span("charge", 1))
    owner = log.own()
    owner.read()
    log.wall_s = 30
    urgent = [owner.handler.is_urgent]
    log.wall_s = 1
    owner.checkpoint()
    for log.wall_s in (29, 30):
        urgent.append(owner.handler.is_urgent)
    assert urgent == [False, False, True]
    owner.checkpoint()
    assert [it.rule.id for it in log.outbox.sent] == ["needs-check"]
    assert not owner.handler.is_urgent


def test_a_due_trace_is_not_urgent_while_records_are_still_to_be_read() -> None:
    log = Log(wall_s=1)
    log.append(0, span("charge", 1))
    owner = log.own()
    owner.read()
    owner.checkpoint()
    log.append(2, span("check", 2))
    log.wall_s = 60
    assert owner.handler.is_urgent
    owner.checkpoint()
    assert log.outbox.sent == []
    assert not owner.handler.is_urgent


def test_no_log_is_quiet_amid_a_round() -> None:
    log = Log(wall_s=60)
    log.append(0, span("charge", 1))
    owner = log.own()
    owner.read()
    said = []
    for is_amid in (True, False, True, False):
        owner.handler.checkpoint([KEY], is_amid=is_amid)
        said.append(len(log.outbox.sent))
    # The first checkpoint behind a round finds that records came since the one before; the next one, that none did.
    assert said == [0, 0, 0, 1]
