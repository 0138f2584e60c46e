"""Laws of the flow, on generated logs: order, redelivery, chunks, crashes change nothing of what is believed in the end."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processor.finite import judge_finite
from tests.processor.logs import Log, LogRecord, Owner, believed
from tests.processor.played import NEEDS_CHECK, NO_BYPASS, rules, span
from tests.trace_engines import engine_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from topics.span import Span

pytestmark = pytest.mark.usefixtures("engine")

RULES = rules(NEEDS_CHECK, NO_BYPASS)
NAMES = ("charge", "check", "bypass", "other")
END_S = 5_000
# An engine may be a program that has to be compiled for each log.
of_a_log = settings(deadline=None)

spans = st.lists(
    st.builds(
        lambda name, number, of, is_root: span(name, number, of=of, parent=None if is_root else 99),
        st.sampled_from(NAMES),
        st.integers(1, 40),
        st.integers(1, 4),
        st.booleans(),
    ),
    min_size=1,
    max_size=25,
    unique_by=lambda it: (it.trace_id, it.span_id),
)
gaps = st.lists(st.sampled_from([0.0, 0.1, 1.0, 6.0, 31.0, 70.0]), min_size=60, max_size=60)
seeds = st.integers(0, 2**32)


def _log(arrivals: Sequence[Span], gap_s: Sequence[float]) -> Log:
    """A log of one span a record; time moves on between records."""
    log = Log(RULES)
    second = 0.0
    for number, arrived in enumerate(arrivals):
        second += gap_s[number % len(gap_s)]
        log.append(second, arrived)
    log.wall_s = second
    return log


def _run_to_the_end(owner: Owner, chunk: int) -> None:
    owner.read(chunk=chunk)
    owner.idle(END_S)


def _finite(records: Sequence[LogRecord]) -> dict[tuple[str, str], tuple[str, ...]]:
    outcome = judge_finite(records, engine_for(RULES))
    return {(it.rule.id, it.trace.id): tuple(offender.span_id for offender in it.offenders) for it in outcome.records}


@of_a_log
@given(spans, gaps, st.integers(1, 10))
def test_the_same_log_in_the_same_chunks_says_the_same_bytes(arrivals: list[Span], gap_s: list[float], chunk: int) -> None:
    first, second = _log(arrivals, gap_s), _log(arrivals, gap_s)
    for log in (first, second):
        _run_to_the_end(log.own(), chunk)
    assert [it.canonical_json() for it in first.outbox.sent] == [it.canonical_json() for it in second.outbox.sent]


@of_a_log
@given(spans, gaps, seeds)
def test_a_finite_run_finds_the_same_whatever_the_order_of_arrival(arrivals: list[Span], gap_s: list[float], seed: int) -> None:
    shuffled = list(arrivals)
    random.Random(seed).shuffle(shuffled)
    assert _finite(_log(arrivals, gap_s).records) == _finite(_log(shuffled, gap_s).records)


@of_a_log
@given(spans, gaps, seeds)
def test_a_finite_run_finds_the_same_when_spans_are_redelivered(arrivals: list[Span], gap_s: list[float], seed: int) -> None:
    chance = random.Random(seed)
    twice = list(arrivals)
    for again in chance.sample(arrivals, k=chance.randint(0, len(arrivals))):
        twice.insert(chance.randint(twice.index(again), len(twice)), again)
    assert _finite(_log(arrivals, gap_s).records) == _finite(_log(twice, gap_s).records)


@of_a_log
@given(spans, seeds, st.integers(1, 10))
def test_a_stream_that_stays_within_the_retention_ends_where_a_finite_run_does(arrivals: list[Span], seed: int, chunk: int) -> None:
    chance = random.Random(seed)
    log = _log(arrivals, [chance.choice([0.0, 0.5, 4.0, 20.0]) for _ in range(60)])
    _run_to_the_end(log.own(), chunk)
    believed_ids = believed(log.outbox.sent).keys()
    last = {it.id: it for it in sorted(log.outbox.sent, key=lambda it: it.revision) if it.id in believed_ids}
    found = {(it.rule.id, it.trace.id): tuple(offender.span_id for offender in it.offenders) for it in last.values()}
    assert found == _finite(log.records)


@of_a_log
@given(spans, gaps, seeds)
def test_crashes_and_restarts_lose_nothing_and_invent_nothing(arrivals: list[Span], gap_s: list[float], seed: int) -> None:
    """Ids are compared: a worker that reads on in larger chunks may close a trace in one step where another took two."""
    calm, stormy = _log(arrivals, gap_s), _log(arrivals, gap_s)
    _run_to_the_end(calm.own(), 1)
    chance = random.Random(seed)
    owner = stormy.own()
    for _ in range(2 * len(arrivals)):
        owner.read(1)
        if chance.random() < 0.3:
            owner.checkpoint()
        if chance.random() < 0.15:
            owner = stormy.own()
    _run_to_the_end(owner, 1)
    assert believed(stormy.outbox.sent).keys() == believed(calm.outbox.sent).keys()


@of_a_log
@given(spans, gaps, st.integers(1, 7))
def test_the_low_watermark_never_passes_a_trace_that_is_remembered(arrivals: list[Span], gap_s: list[float], chunk: int) -> None:
    log = _log(arrivals, gap_s)
    owner = log.own()
    while owner.position < len(log.records):
        owner.read(chunk, chunk)
        owner.checkpoint()
        first = [trace.first_offset for trace in owner.owner.traces.traces.values()]
        assert log.committed == min([*first, owner.position])
