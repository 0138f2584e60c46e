"""When the traces of a partition have to be looked at: slots of time, in which no order is kept, for whoever asks puts them in order."""

from __future__ import annotations

import heapq
from operator import itemgetter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from processor.open_trace import OpenTrace

# A slot is 17 ms: wide enough to hold many traces under load, and narrow enough to be gone through again while its time passes.
_SLOT_BITS = 24


class DueTimes:
    """Times and traces. A trace is looked at when its `queued_ns` comes; an entry of another time means nothing any more."""

    def __init__(self) -> None:
        self._slots: dict[int, list[tuple[int, OpenTrace]]] = {}
        # A heap of their numbers.
        self._numbers: list[int] = []

    def __len__(self) -> int:
        """The number of entries, those that mean nothing among them."""
        return sum(map(len, self._slots.values()))

    @property
    def first_ns(self) -> int | None:
        """The earliest time; None where there is none."""
        return min(map(itemgetter(0), self._slots[self._numbers[0]])) if self._numbers else None

    def add(self, at_ns: int, trace: OpenTrace) -> None:
        """Let a trace be looked at at a time, and no longer at another one."""
        trace.queued_ns = at_ns
        number = at_ns >> _SLOT_BITS
        slot = self._slots.get(number)
        if slot is None:
            self._slots[number] = [(at_ns, trace)]
            heapq.heappush(self._numbers, number)
        else:
            slot.append((at_ns, trace))

    def passed(self, now_ns: int) -> list[OpenTrace]:
        """Take out what is to be looked at by now."""
        found: list[tuple[int, OpenTrace]] = []
        now = now_ns >> _SLOT_BITS
        while self._numbers and self._numbers[0] < now:
            found += self._slots.pop(heapq.heappop(self._numbers))
        if self._numbers and self._numbers[0] == now:
            slot = self._slots[now]
            later = [entry for entry in slot if entry[0] > now_ns]
            if len(later) < len(slot):
                found += [entry for entry in slot if entry[0] <= now_ns]
                self._slots[now] = later
                if not later:
                    del self._slots[heapq.heappop(self._numbers)]
        passed: list[OpenTrace] = []
        for at_ns, trace in found:
            if trace.queued_ns == at_ns:
                trace.queued_ns = None
                passed.append(trace)
        return passed

    def clear(self) -> None:
        """Forget all times; the traces are to be put in again or forgotten."""
        self._slots.clear()
        self._numbers.clear()
