"""Figures of workers are made as their rows say, from what was seen of them."""

from __future__ import annotations

import json

import pytest

from loadtest.agreement import DisagreementError
from loadtest.collector import metric_of
from loadtest.consumption import NotMeasuredError
from loadtest.expected import Expected, check_verdict_counts, check_violations
from loadtest.half_load import Standing, pace
from loadtest.latency import quantile
from loadtest.loops import Copied, trace_id
from loadtest.recovery_times import Heard, silence_s, stayed
from loadtest.rows import KEYED, OF_COLLECTOR, Row
from loadtest.soak import Look, growth_percent, slope_percent, stuck
from loadtest.violation_log import Believed, Said, said
from loadtest.worker_process import total

S = 10**9
EXPECTED = Expected({0: frozenset({"a", "b"}), 1: frozenset(), 2: frozenset({"b"})}, {}, {("a", "violated"): 1, ("a", "satisfied"): 2})


@pytest.mark.parametrize(("share", "expected"), [(0.0, 1.0), (0.5, 2.0), (0.51, 3.0), (0.99, 4.0), (1.0, 4.0)])
def test_a_quantile_is_the_value_that_so_many_do_not_exceed(share: float, expected: float) -> None:
    assert quantile([4.0, 1.0, 3.0, 2.0], share) == expected


def test_without_violations_there_is_no_latency() -> None:
    with pytest.raises(NotMeasuredError):
        quantile([], 0.99)


def looks(*sizes: float) -> list[Look]:
    return [Look(float(at), size, {}) for at, size in enumerate(sizes)]


def test_memory_that_grows_only_while_it_warms_up_does_not_grow() -> None:
    assert growth_percent(looks(10, 90, 100, 100, 101, 99, 100, 100)) == 0
    assert slope_percent(looks(10, 90, 100, 100, 100, 100, 100, 100)) == 0


def test_memory_that_grows_all_the_time_is_seen_by_both_measures() -> None:
    steady = looks(*(100 + at for at in range(40)))
    assert growth_percent(steady) == pytest.approx(100 * (134.5 / 114.5 - 1))
    assert slope_percent(steady) == pytest.approx(100 * 29 / 124.5)


def test_a_partition_is_stuck_when_it_stands_still_for_too_long() -> None:
    seen = [Look(float(at), 1, {"a": float(at // 4), "b": float(min(at, 3))}) for at in range(12)]
    assert stuck(seen, 5) == ["b"]
    assert stuck(seen, 9) == []


def test_the_pace_of_a_worker_is_that_of_the_second_half_over_all_partitions() -> None:
    seen = [Standing(at_s, {"a": read, "b": 2 * read}) for at_s, read in ((0.0, 0.0), (10.0, 900.0), (20.0, 1_000.0), (30.0, 1_100.0))]
    assert pace(seen) == 30


def test_one_look_tells_no_pace() -> None:
    with pytest.raises(NotMeasuredError, match="too short"):
        pace([Standing(1.0, {"a": 1}), Standing(2.0, {"a": 2})])


def test_silence_counts_from_the_begin_and_to_the_end() -> None:
    assert silence_s([5 * S, 6 * S, 8 * S], 4 * S, 9 * S) == 2
    assert silence_s([], 4 * S, 9 * S) == 5
    assert silence_s([1 * S, 20 * S], 4 * S, 9 * S) == 5


def heard(*violations: tuple[int, int, int]) -> Heard:
    found = Heard()
    for partition, began_ns, read_ns in violations:
        found.take(Said(Copied(began_ns, 0, 0), "a", 1, is_withdrawn=False, is_early=True, partition=partition, read_ns=read_ns))
    return found


def test_a_partition_is_judged_again_when_a_trace_that_began_since_then_is_said() -> None:
    found = heard((0, 1, 10), (0, 5, 11), (1, 7, 9))
    assert found.again_ns(0, 4) == 11
    assert found.again_ns(0, 5) is None
    assert found.longest_s([0, 1], 0, 20) == 11 / S


def test_partitions_that_stay_are_those_with_the_same_owner() -> None:
    assert stayed({0: 1, 1: 1, 2: 0}, {0: 1, 1: 2}) == [0]
    with pytest.raises(NotMeasuredError):
        stayed({0: 1}, {0: 2})


def test_a_reader_believes_the_greatest_revision() -> None:
    believed = Believed()
    for revision, is_withdrawn in ((1, False), (3, True), (2, False)):
        believed.take(Said(Copied(0, 4, 5), "a", revision, is_withdrawn, is_early=False, partition=0, read_ns=0))
    believed.take(Said(Copied(0, 4, 6), "a", 1, is_withdrawn=False, is_early=False, partition=0, read_ns=0))
    assert believed.by_trace() == {(4, 6): frozenset({"a"})}
    assert believed.record_count == 4


def test_a_violation_is_read_by_the_fields_of_its_schema() -> None:
    body = {
        "trace": {"id": trace_id(77, 3, 2).hex()},
        "rule": {"id": "a"},
        "revision": 2,
        "change": "withdrawn",
        "early": False,
        "input": {"partition": 5},
    }
    expected = Said(Copied(77, 3, 2), "a", 2, is_withdrawn=True, is_early=False, partition=5, read_ns=9)
    assert said(json.dumps(body).encode(), 9) == expected


def right() -> dict[tuple[int, int], frozenset[str]]:
    return {(copy, trace): EXPECTED.violated[trace] for copy in range(2) for trace in (0, 2)}


def test_violations_of_every_repetition_are_those_of_the_reference_engine() -> None:
    check_violations("here", right(), EXPECTED, 2)


@pytest.mark.parametrize(
    "wrong",
    [
        {key: rules for key, rules in right().items() if key != (1, 2)},
        right() | {(0, 0): frozenset({"a"})},
        right() | {(0, 1): frozenset({"a"})},
        right() | {(0, 9): frozenset({"a"})},
    ],
)
def test_a_trace_too_few_or_with_other_rules_is_refused(wrong: dict[tuple[int, int], frozenset[str]]) -> None:
    with pytest.raises(DisagreementError):
        check_violations("here", wrong, EXPECTED, 2)


def test_rules_that_do_not_fire_are_refused() -> None:
    with pytest.raises(DisagreementError, match="no rule fires"):
        check_violations("here", {}, Expected({0: frozenset()}, {}, {}), 1)


def test_verdicts_are_counted_by_rule_and_verdict() -> None:
    metrics = {
        'betrace_verdicts_total{rule="a",verdict="violated"}': 3.0,
        'betrace_verdicts_total{rule="a",verdict="satisfied"}': 6.0,
    }
    check_verdict_counts("here", metrics, EXPECTED, 3)
    with pytest.raises(DisagreementError, match="6 times, expected are 8"):
        check_verdict_counts("here", metrics | {'betrace_verdicts_total{rule="a",verdict="violated"}': 4.0}, EXPECTED, 4)


def test_a_metric_is_the_sum_over_its_labels_and_no_other_metric() -> None:
    assert total({"a": 1, 'a{b="c"}': 2, "a_total": 4, "ab": 8}, "a") == 3
    page = '# HELP a x\na_total{x="1"} 2\na_total{x="2"} 3\na{x="1"} 1\nab 4\n'
    assert metric_of(page, "a") == 6


def test_a_row_without_a_figure_is_not_missed_and_says_why() -> None:
    found = Row(5, "it", None, "x", OF_COLLECTOR, 0, "no figure: there is no Collector").as_json()
    assert (found["figure"], found["holds"], found["compared_with"]) == (None, None, "no figure: there is no Collector")
    assert KEYED.holds(None)
