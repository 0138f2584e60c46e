"""How much of its traces a partition sheds: load figures to a level. Pure; what it decides comes into force by a mark.

A level rises only while the lag is beyond the bound and grows, so a worker that was away for an hour and catches up sheds nothing. It
falls once the lag is half the bound; in between it stays, so it does not swing with every look.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from processor.closing import SECOND_NS

# One trace in sixteen is judged however large the lag is.
LEVEL_MAX = 240
_RISE = 32
_FALL = 16


@dataclass(frozen=True, slots=True)
class ShedPolicy:
    """Beyond what lag traces are shed, which is when both bounds are passed, and how often is looked."""

    lag_max_ns: int = 300 * SECOND_NS
    lag_records_max: int = 100_000
    interval_ns: int = 5 * SECOND_NS


class Load(NamedTuple):
    """How far a partition is behind: records not yet read, and partition time behind the clock in nanoseconds."""

    lag_records: int
    lag_ns: int


def next_level(level: int, before: Load | None, now: Load, policy: ShedPolicy) -> int:
    """Return the shed level (0 to 256) for this load; `before` is the load at the last look, None at the first.

    What is above LEVEL_MAX, which nothing here sets, stays until the lag falls.
    """
    if now.lag_records > policy.lag_records_max and now.lag_ns > policy.lag_max_ns:
        is_growing = before is not None and now.lag_records > before.lag_records and now.lag_ns > before.lag_ns
        return max(level, min(LEVEL_MAX, level + _RISE)) if is_growing else level
    if 2 * now.lag_records <= policy.lag_records_max or 2 * now.lag_ns <= policy.lag_max_ns:
        return max(0, level - _FALL)
    return level
