"""When traces are cut for their age: in order, only those that are remembered, and what is forgotten takes no memory for long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from processor.cut_times import CutTimes

if TYPE_CHECKING:
    from processor.open_trace import OpenTrace


@dataclass
class Named:
    """As much of a trace as is asked for."""

    trace_id: str
    number: int


def remembered(*traces: tuple[str, int]) -> dict[str, OpenTrace]:
    return {trace_id: cast("OpenTrace", Named(trace_id, number)) for trace_id, number in traces}


def test_traces_are_cut_the_earliest_first_as_far_as_they_are_asked_for() -> None:
    traces = remembered(("a", 1), ("b", 2), ("c", 3))
    times = CutTimes(traces)
    for at_ns, trace_id in ((30, "a"), (10, "b"), (20, "c")):
        times.add(at_ns, traces[trace_id])
    assert times.first_ns == 10
    assert [trace.trace_id for trace in times.passed(20)] == ["b", "c"]
    assert times.first_ns == 30
    assert next(times.passed(30)).trace_id == "a"
    assert times.first_ns is None


def test_a_trace_that_is_forgotten_or_begins_anew_is_not_cut_at_the_time_of_the_old_one() -> None:
    traces = remembered(("a", 1), ("b", 2))
    times = CutTimes(traces)
    times.add(10, traces["a"])
    times.add(20, traces["b"])
    del traces["a"]
    traces["b"] = remembered(("b", 3))["b"]
    assert times.first_ns is None
    times.add(40, traces["b"])
    assert [trace.number for trace in times.passed(40)] == [3]


def test_what_is_forgotten_is_thrown_out_long_before_its_time() -> None:
    traces: dict[str, OpenTrace] = {}
    times = CutTimes(traces)
    for number in range(100_000):
        trace_id = f"{number:032x}"
        traces |= remembered((trace_id, number))
        times.add(number, traces[trace_id])
        traces.pop(f"{number - 100:032x}", None)
    assert len(times) <= 2 * 100 + 1_001
    assert [trace.number for trace in times.passed(100_000)] == list(range(99_900, 100_000))
