"""Partition time: the only clock that closes traces, and the only reader of the wall clock.

It moves only at marks and never back: to the greatest record timestamp read, or to the wall clock while the whole log has been read. So a
result is a function of the records and the marks.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from processor import metrics as m

if TYPE_CHECKING:
    from processor.metrics import Metrics

# Unix nanoseconds now.
Clock = Callable[[], int]

_TIME_NS_MAX = 2**62


def wall_clock_ns() -> int:
    """Return the wall clock of this machine."""
    return time.time_ns()


class Arrivals(NamedTuple):
    """When records arrived, and whether one of them was stamped beyond the limit."""

    at_ns: list[int]
    is_clamped: bool


class PartitionTime:
    """The time of one partition; `now_ns` is that of the last mark. `is_told`: a record that was read here has told the time."""

    def __init__(self, metrics: Metrics, now_ns: int = 0) -> None:
        self.now_ns = now_ns
        self.is_told = False
        self._metrics = metrics
        self._greatest_ns = 0

    def arrivals(self, timestamps_ns: Sequence[int | None], limit_ns: int | None) -> Arrivals:
        """Return when the records of one chunk arrived: at their timestamps, but not beyond the limit (counted).

        A record without a timestamp arrives at the last mark.
        """
        limit_ns = _TIME_NS_MAX if limit_ns is None else limit_ns
        at_ns = [self.now_ns if stamp_ns is None or stamp_ns < 0 else stamp_ns for stamp_ns in timestamps_ns]
        greatest_ns = max(at_ns, default=0)
        clamped = 0
        if greatest_ns > limit_ns:
            clamped = sum(stamp_ns > limit_ns for stamp_ns in at_ns)
            at_ns = [min(stamp_ns, limit_ns) for stamp_ns in at_ns]
            self._metrics.add(m.TIMESTAMPS_CLAMPED, clamped)
        self._greatest_ns = max(self._greatest_ns, min(greatest_ns, limit_ns))
        self.is_told = self.is_told or any(stamp_ns is not None and stamp_ns >= 0 for stamp_ns in timestamps_ns)
        return Arrivals(at_ns, clamped > 0)

    def next_ns(self, wall_ns: int = 0) -> int:
        """Return the time of the next mark: the greatest timestamp read, or the wall clock where the caller has read the whole log."""
        return max(self.now_ns, self._greatest_ns, wall_ns)
