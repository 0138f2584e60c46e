"""The partitions that a group has given to a worker and that it has not taken yet, and how far it is with them."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from processor.group_handler import Taking
    from processor.record import PartitionKey

_ASK_AGAIN_S = 1.0


class Takeover:
    """Which partitions wait, and the steps in which those that did at the beginning are taken (processor.group_handler.GroupHandler)."""

    def __init__(self) -> None:
        # Replaced, never changed: other threads read it.
        self.waiting: frozenset[PartitionKey] = frozenset()
        self._taken: Sequence[PartitionKey] = ()
        self._taking: Taking | None = None
        self._refused = -math.inf

    def add(self, keys: Iterable[PartitionKey]) -> None:
        """Let partitions wait."""
        self.waiting |= frozenset(keys)

    def remove(self, keys: Iterable[PartitionKey]) -> None:
        """Let partitions go that are somebody else's now; the others that were being taken with one of them begin anew."""
        self.waiting -= frozenset(keys)
        if self._taking is not None and not self.waiting.issuperset(self._taken):
            self._taking.close()
            self._taking = None

    @property
    def is_pressing(self) -> bool:
        """Whether there is something to do now."""
        return bool(self.waiting) and time.monotonic() >= self._refused + _ASK_AGAIN_S

    @property
    def has_begun(self) -> bool:
        """Whether some are being taken."""
        return self._taking is not None

    def refused(self) -> None:
        """Take note that the group says that they are not ours, or says nothing: it is asked again in a second."""
        self._refused = time.monotonic()

    def begin(self, keys: Sequence[PartitionKey], taking: Taking) -> None:
        """Begin to take some that wait."""
        self._taken, self._taking = keys, taking

    def go_on(self, seconds: float) -> Mapping[PartitionKey, int | None] | None:
        """Go on for so long; return where to start once all are taken: None, where the log begins. They wait no longer then."""
        until = time.monotonic() + seconds
        while self._taking is not None and time.monotonic() < until:
            try:
                next(self._taking)
            except StopIteration as end:
                keys, self._taken, self._taking = self._taken, (), None
                self.waiting -= frozenset(keys)
                return {key: end.value.get(key) for key in keys}
        return None
