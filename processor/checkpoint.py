"""The one place that orders a checkpoint: first what was said is durable, then the offsets that would let it be forgotten go out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

    from processor.partition_reader import PartitionReader
    from processor.record import PartitionKey
    from processor.resume import Commit
    from topics.dead_letter import DeadLetter
    from topics.violation import Violation


class Publisher(Protocol):
    """Where records go."""

    def violation(self, record: Violation) -> None:
        """Send a violation record; it need not be durable before `flush`."""

    def dead_letter(self, letter: DeadLetter) -> None:
        """Send a dead letter; it need not be durable before `flush`."""

    def flush(self) -> None:
        """Return when everything sent is durable; raise where it cannot be, in bounded time."""


def checkpoint(readers: Iterable[PartitionReader], publisher: Publisher) -> dict[PartitionKey, Commit]:
    """Make what was said durable; return what may be committed now."""
    commits = {reader.key: reader.commit() for reader in readers}
    publisher.flush()
    return {key: commit for key, commit in commits.items() if commit is not None}
