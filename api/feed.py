"""What is known of the feed: how the view stands to the topic it is read from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Feed:
    """A moment of the feed.

    `problem` says why the topic is not read now, empty while it is. `lag_records`: per partition the records not yet in the view.
    `is_caught_up`: the end of every partition was reached since reading began. `is_running`: somebody reads, or tries to.
    """

    topic: str
    problem: str = "reading has not begun"
    lag_records: Mapping[int, int] = field(default_factory=dict)
    is_caught_up: bool = False
    is_running: bool = True

    @property
    def lag_total(self) -> int:
        """Unread records over all partitions."""
        return sum(self.lag_records.values())


class FeedSource(Protocol):
    """Whoever reads the topic."""

    def feed(self) -> Feed:
        """Return how the view stands to the topic now."""
