from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, cast

import pytest

from processor.due_times import DueTimes

if TYPE_CHECKING:
    from processor.open_trace import OpenTrace

SECOND_NS = 10**9


@dataclass
class Numbered:
    """As much of a trace as is asked for."""

    number: int
    queued_ns: int | None = None


@pytest.mark.parametrize("span_ns", [50, SECOND_NS // 10, 1_000 * SECOND_NS])
def test_a_trace_is_looked_at_once_when_the_last_time_that_was_said_of_it_comes(span_ns: int) -> None:
    r, due, meant = Random(span_ns), DueTimes(), dict[int, int]()
    traces = [cast("OpenTrace", Numbered(number)) for number in range(40)]
    now_ns = 0
    for _ in range(3_000):
        some = r.randrange(40)
        meant[some] = now_ns + r.randint(-1, span_ns)
        due.add(meant[some], traces[some])
        if r.random() < 0.1:
            traces[r.randrange(40)].queued_ns = None
            meant = {number: at_ns for number, at_ns in meant.items() if traces[number].queued_ns is not None}
        assert (due.first_ns is None) is (len(due) == 0)
        assert due.first_ns is None or due.first_ns <= min(meant.values(), default=now_ns + span_ns)
        now_ns += r.choice((0, 1, span_ns // 50, span_ns // 10))
        passed = sorted(one.number for one in due.passed(now_ns))
        assert passed == sorted(number for number, at_ns in meant.items() if at_ns <= now_ns)
        assert due.first_ns is None or due.first_ns > now_ns
        for number in passed:
            assert traces[number].queued_ns is None
            del meant[number]
    due.clear()
    assert (due.passed(now_ns + 2 * span_ns), due.first_ns, len(due)) == ([], None, 0)
