"""The shed level follows the load: it rises while a partition falls further behind, and falls when it catches up."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from processor.closing import SECOND_NS
from processor.overload import LEVEL_MAX, Load, ShedPolicy, next_level

POLICY = ShedPolicy(lag_max_ns=300 * SECOND_NS, lag_records_max=1_000)


def lag(records: int, seconds: float) -> Load:
    return Load(records, round(seconds * SECOND_NS))


def levels(loads: Iterable[Load], level: int = 0) -> list[int]:
    """Return the level after each look."""
    found, before = list[int](), None
    for now in loads:
        level = next_level(level, before, now, POLICY)
        before = now
        found.append(level)
    return found


def test_a_lag_that_grows_beyond_both_bounds_raises_the_level_in_steps_and_never_to_all_traces() -> None:
    found = levels(lag(1_000 + number, 300 + number) for number in range(1, 20))
    assert found[:4] == [0, 32, 64, 96]
    assert found[-1] == LEVEL_MAX < 256


@pytest.mark.parametrize(("records", "seconds"), [(1_000, 10_000), (10**6, 300)])
def test_one_bound_alone_sheds_nothing(records: int, seconds: float) -> None:
    """Old timestamps with a short queue, or a long queue of the last minutes, are no overload."""
    assert levels(lag(min(records, 1_000) if records == 1_000 else records + number, seconds) for number in range(5)) == [0] * 5


def test_a_worker_that_was_away_and_catches_up_sheds_nothing() -> None:
    assert levels(lag(1_000_000 - 50_000 * number, 3_600 - 60 * number) for number in range(10)) == [0] * 10


def test_old_records_that_are_read_faster_than_they_come_shed_nothing() -> None:
    """Partition time may lie years behind the clock, and further with every look, while the queue gets shorter."""
    assert levels(lag(1_000_000 - number, 10**8 + number) for number in range(10)) == [0] * 10


def test_more_records_that_are_read_faster_than_they_come_shed_nothing() -> None:
    """A partition may get further behind in records, for they come more densely, while it catches up in time."""
    assert levels(lag(1_000_000 + number, 3_600 - number) for number in range(10)) == [0] * 10


def test_between_half_the_bound_and_the_bound_the_level_stays() -> None:
    assert levels([lag(900, 200), lag(600, 400), lag(501, 151), lag(999, 299)], 64) == [64] * 4


@pytest.mark.parametrize("now", [lag(500, 400), lag(5_000, 150), lag(0, 0)])
def test_a_lag_of_half_a_bound_lowers_the_level_in_steps_down_to_nothing(now: Load) -> None:
    assert levels([now] * 4, 40) == [24, 8, 0, 0]


def test_a_level_that_somebody_set_higher_is_not_lowered_by_more_load() -> None:
    assert levels([lag(2_000, 400), lag(3_000, 500)], 256) == [256, 256]
