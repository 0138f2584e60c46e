"""When the traces of a partition have to be cut for their age, the earliest first."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from processor.open_trace import OpenTrace

# Entries of traces that were forgotten before they could be cut are thrown out once they are more than those that count.
_SPARE_COUNT = 1_000


class CutTimes:
    """A heap of times and traces; `traces` are those that are remembered, an entry of any other means nothing."""

    def __init__(self, traces: Mapping[str, OpenTrace]) -> None:
        self._traces = traces
        self._heap: list[tuple[int, int, str]] = []

    def __len__(self) -> int:
        """The number of entries, those that mean nothing among them: at most as many as the others, and some."""
        return len(self._heap)

    def add(self, at_ns: int, trace: OpenTrace) -> None:
        """Let a trace be cut at a time."""
        if len(self._heap) > 2 * len(self._traces) + _SPARE_COUNT:
            self._heap = [entry for entry in self._heap if self._is_meant(entry)]
            heapq.heapify(self._heap)
        heapq.heappush(self._heap, (at_ns, trace.number, trace.trace_id))

    @property
    def first_ns(self) -> int | None:
        """The earliest time; None where there is none."""
        while self._heap and not self._is_meant(self._heap[0]):
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def passed(self, now_ns: int) -> Iterator[OpenTrace]:
        """Take out what is to be cut by now, the earliest first, as far as it is asked for."""
        while self._heap and self._heap[0][0] <= now_ns:
            entry = heapq.heappop(self._heap)
            if self._is_meant(entry):
                yield self._traces[entry[2]]

    def clear(self) -> None:
        """Forget all times."""
        self._heap.clear()

    def _is_meant(self, entry: tuple[int, int, str]) -> bool:
        trace = self._traces.get(entry[2])
        return trace is not None and trace.number == entry[1]
