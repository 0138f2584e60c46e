"""Partition time: the only clock that closes traces, and the only reader of the wall clock.

It moves only at marks and never back: to the greatest record timestamp read, or to the wall clock while the whole log has been read. So a
result is a function of the records and the marks.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from processor.metrics import TIMESTAMPS_CLAMPED

if TYPE_CHECKING:
    from processor.metrics import Metrics

# Unix nanoseconds now.
Clock = Callable[[], int]

_TIME_NS_MAX = 2**62


def wall_clock_ns() -> int:
    """Return the wall clock of this machine."""
    return time.time_ns()


class PartitionTime:
    """The time of one partition.

    `now_ns` is the time of the last mark. `lag_max_ns` is the furthest any record's own timestamp lay behind it: nothing on topics with
    LogAppendTime.
    """

    def __init__(self, clock: Clock | None, timestamp_skew_max_ns: int, metrics: Metrics) -> None:
        self.now_ns = 0
        self.lag_max_ns = 0
        self._clock = clock
        self._skew_max_ns = timestamp_skew_max_ns
        self._metrics = metrics
        self._greatest_ns = 0

    def arrivals(self, timestamps_ns: Sequence[int | None]) -> list[int]:
        """Return when the records of one chunk arrived, in partition time.

        That is a record's timestamp, but not before the last mark, where the partition's time already was, and not more than the
        permitted skew ahead of the wall clock (counted). A record without a timestamp arrives at the last mark.
        """
        limit_ns = _TIME_NS_MAX if self._clock is None else self._clock() + self._skew_max_ns
        return [self._arrival(timestamp_ns, limit_ns) for timestamp_ns in timestamps_ns]

    def _arrival(self, timestamp_ns: int | None, limit_ns: int) -> int:
        if timestamp_ns is None or timestamp_ns < 0:
            return self.now_ns
        if timestamp_ns > limit_ns:
            self._metrics.add(TIMESTAMPS_CLAMPED)
            timestamp_ns = limit_ns
        self._greatest_ns = max(self._greatest_ns, timestamp_ns)
        self.lag_max_ns = max(self.lag_max_ns, self.now_ns - timestamp_ns)
        return max(timestamp_ns, self.now_ns)

    def mark(self, wall_ns: int = 0) -> int:
        """Move to the greatest timestamp read, or to the wall clock where the caller has read the whole log; return the time."""
        self.now_ns = max(self.now_ns, self._greatest_ns, wall_ns)
        return self.now_ns
