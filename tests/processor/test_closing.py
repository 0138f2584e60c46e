"""When traces close, for which reason, and how long they are remembered."""

from __future__ import annotations

from dataclasses import replace

import pytest

from processor import metrics as m
from processor.closing import ClosingPolicy, finite_policy
from tests.processor.played import NO_BYPASS, Played, rules, span, trace_id
from topics.violation import CloseReason

pytestmark = pytest.mark.usefixtures("engine")
# Retention and skew, in seconds, and a nanosecond.
AFTER_360 = 360.000000001


def test_a_trace_closes_five_seconds_after_its_last_new_span_once_the_root_was_seen() -> None:
    played = Played()
    played.arrive(0, span("charge", 1))
    played.arrive(1, span("checkout", 2, parent=None))
    played.mark(5.9)
    assert played.words == []
    played.mark(6)
    assert played.reasons == {"root_ended": 1}
    assert played.words == ["violated"]


def test_a_redelivered_span_does_not_put_off_the_end_of_a_trace_with_a_root() -> None:
    played = Played()
    played.arrive(0, span("checkout", 1, parent=None))
    played.arrive(4, span("checkout", 1, parent=None))
    played.mark(5)
    assert played.reasons == {"root_ended": 1}


def test_a_trace_without_a_root_closes_after_thirty_seconds_of_silence() -> None:
    played = Played()
    played.arrive(0, span("charge", 1))
    played.arrive(20, span("charge", 2))
    played.mark(49.9)
    assert played.reasons == {}
    played.mark(50)
    assert played.reasons == {"idle": 1}


def test_a_trace_that_never_falls_silent_closes_at_its_greatest_age() -> None:
    played = Played()
    for second in range(0, 620, 20):
        played.arrive(second, span("charge", second + 1))
        played.mark(second)
    assert played.reasons == {"max_age": 1}


@pytest.mark.parametrize(("with_root", "word"), [(True, "violated"), (False, "inconclusive")])
def test_a_trace_closed_by_age_is_complete_only_if_its_root_was_seen(with_root: bool, word: str) -> None:
    played = Played(policy=ClosingPolicy(root_grace_ns=None, idle_timeout_ns=None))
    played.arrive(0, span("charge", 1, parent=None if with_root else 99))
    played.mark(600)
    assert played.words == [word]


def test_the_span_beyond_the_limit_closes_the_trace_as_incomplete_and_is_counted() -> None:
    played = Played(policy=ClosingPolicy(span_count_max=3))
    played.arrive(0, *[span("charge", number) for number in range(1, 4)])
    played.mark(0)
    assert played.words == []
    played.arrive(1, span("check", 4), span("check", 5), span("charge", 1))
    played.mark(1)
    assert played.reasons == {"span_limit": 1}
    assert played.words == ["inconclusive"]
    assert played.tally.count(m.SPANS_OVER_LIMIT) == 2
    assert played.tally.count(m.SPANS_REDELIVERED) == 1
    assert played.said[0].facts.span_count == 3


def test_of_several_limits_passed_at_one_mark_the_earliest_names_the_reason() -> None:
    played = Played()
    played.arrive(0, span("checkout", 1, parent=None))
    played.mark(10_000)
    assert played.reasons == {"root_ended": 1}


def test_a_drained_input_closes_every_open_trace_in_order_of_first_records() -> None:
    played = Played()
    for number in (3, 1, 2):
        played.arrive(0, span("charge", number, of=number))
    played.drain(1)
    assert played.reasons == {"drained": 3}
    assert [said.trace.trace_id for said in played.said] == [trace_id(3), trace_id(1), trace_id(2)]


def test_a_finite_input_closes_nothing_before_its_end() -> None:
    played = Played(policy=finite_policy(10_000))
    played.arrive(0, span("checkout", 1, parent=None))
    played.mark(1_000_000)
    played.arrive(1_000_000, span("charge", 2))
    played.mark(2_000_000)
    assert played.words == []
    played.drain(2_000_000)
    assert played.reasons == {"drained": 1}


def test_a_closed_trace_is_remembered_for_retention_and_skew_after_its_last_record() -> None:
    played = Played()
    played.arrive(0, span("checkout", 1, parent=None))
    played.mark(5)
    played.mark(360)
    assert played.first_offset() == 0
    played.mark(AFTER_360)
    assert played.first_offset() is None
    assert played.partition.next_due_ns is None


def test_a_record_that_is_as_late_as_may_be_still_belongs_to_the_closed_trace() -> None:
    """Partition time is the skew ahead of it, and it is stamped at the last moment of the retention."""
    played = Played()
    played.arrive(0, span("charge", 1))
    played.mark(30)
    played.arrive(360, span("other", 1, of=2))
    played.mark(360)
    played.arrive(300, span("charge", 2))
    played.mark(360)
    assert [(it.revision, it.trace.span_count) for it in played.records] == [(1, 1), (2, 2)]


def test_the_oldest_remembered_trace_holds_the_low_watermark_back() -> None:
    played = Played()
    for number in range(3):
        played.arrive(number * 100, span("charge", 1, of=number + 1))
        played.mark(number * 100)
    assert played.first_offset() == 0
    played.mark(AFTER_360)
    assert played.first_offset() == 1
    played.mark(460.1)
    assert played.first_offset() == 2


def test_a_record_after_the_retention_begins_a_new_trace_of_the_same_id() -> None:
    played = Played()
    played.arrive(0, span("charge", 1))
    played.mark(30)
    played.arrive(300.5, span("charge", 2))
    played.mark(331)
    assert played.words == ["violated", "violated"]
    first, second = played.records
    assert (first.input.first_offset, second.input.first_offset) == (0, 1)
    assert first.id != second.id
    assert second.trace.span_count == 1


def test_a_record_within_the_retention_belongs_to_the_closed_trace() -> None:
    played = Played()
    played.arrive(0, span("charge", 1))
    played.mark(30)
    played.arrive(300, span("charge", 2))
    played.mark(300)
    assert [record.revision for record in played.records] == [1, 2]


def test_an_open_trace_that_a_new_one_displaces_says_its_verdict_first() -> None:
    played = Played()
    played.arrive(0, span("charge", 1))
    played.arrive(400, span("charge", 2))
    assert played.words == ["violated"]
    assert played.reasons == {"idle": 1}


def test_a_trace_is_cut_by_age_although_records_still_come_and_that_is_counted() -> None:
    played = Played(rules(NO_BYPASS))
    for second in range(0, 1000, 20):
        played.arrive(second, span("bypass", second + 1))
        played.mark(second)
    assert played.tally.count(m.TRACES_CUT) == 1
    assert played.tally.count(m.TRACES_OPENED) == 2
    assert {record.input.first_offset for record in played.records if not record.early} == {0}
    played.drain(1000)
    assert {record.input.first_offset for record in played.records} == {0, 46}


def test_no_trace_is_cut_by_age_between_two_marks() -> None:
    played = Played(rules(NO_BYPASS))
    for second in range(0, 1000, 20):
        played.arrive(second, span("bypass", second + 1))
    played.drain(1000)
    assert played.tally.count(m.TRACES_OPENED) == 1
    assert {record.input.first_offset for record in played.records} == {0}


def test_a_trace_scattered_over_partitions_is_judged_as_incomplete() -> None:
    played = Played()
    played.arrive(0, span("charge", 1), scattered=True)
    played.drain(1)
    assert played.words == ["inconclusive"]


@pytest.mark.parametrize("reason", [CloseReason.EVICTED, CloseReason.SHED, CloseReason.SPAN_LIMIT])
def test_an_incomplete_close_leaves_undecided_rules_inconclusive(reason: CloseReason) -> None:
    played = Played()
    played.arrive(0, span("charge", 1, parent=None))
    played.drain(1, reason)
    assert played.words == ["inconclusive"]


def test_due_times_are_not_piled_up_by_busy_traces() -> None:
    played = Played(policy=replace(ClosingPolicy(), max_age_ns=None))
    for second in range(200):
        played.arrive(second, span("charge", second + 1))
        played.mark(second)
    assert len(played.partition._due_times) <= 2
