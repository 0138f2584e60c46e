"""What drives the core and what it answers: one thread, one call at a time. Worker, finite runs and simulations drive it alike."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

from processor.record import PartitionKey

if TYPE_CHECKING:
    from processor.record import Record


class Bounds(NamedTuple):
    """Where a partition's log begins and ends: its first record that is kept, and the offset of the next record to be appended."""

    first: int
    end: int


# Says where the logs of the spans begin and end, of each partition it is asked for and can answer.
LogBounds = Callable[[Sequence[PartitionKey]], Mapping[PartitionKey, Bounds]]


class Checkpointed(NamedTuple):
    """What came of a checkpoint: offsets that may be committed, and partitions another worker has taken, which must be taken anew."""

    commits: Mapping[PartitionKey, int]
    retake: Sequence[PartitionKey]


# A short piece of work at each step; at the end it returns where to start.
Taking = Generator[None, None, Mapping[PartitionKey, int]]


def taken(taking: Taking) -> Mapping[PartitionKey, int]:
    """Go through all steps at once; return where to start."""
    while True:
        try:
            next(taking)
        except StopIteration as end:
            return cast("Mapping[PartitionKey, int]", end.value)


class GroupHandler(Protocol):
    """The core as the group sees it."""

    def taking(self, committed: Mapping[PartitionKey, int | None]) -> Taking:
        """Own these partitions, in steps; `committed` is what was last committed of each. Returns where to start; left out: its beginning.

        Between two steps others may be worked on. Whoever closes it owns none of them. Nothing of the input is read yet: what must be read
        again is, in `chunk`, from the start on.
        """

    def chunk(self, key: PartitionKey, records: Sequence[Record], position: int) -> None:
        """Work on records of one partition, in offset order; `position` is the offset after them."""

    def checkpoint(self, keys: Iterable[PartitionKey], *, handing_over: bool = False, is_amid: bool = False) -> Checkpointed:
        """Make the work done durable, in bounded time. `handing_over`: somebody else takes the partitions next, in good order.

        `is_amid`: records that were fetched with those that were worked on are still to come, so no log is quiet.
        """

    def released(self, keys: Iterable[PartitionKey], *, lost: bool) -> None:
        """Drop state. `lost`: another worker may own it already. Nothing is written in either case."""

    def drain(self) -> None:
        """Close every open trace: the input has ended."""

    @property
    def is_urgent(self) -> bool:
        """Whether something waits to be said, so that the next checkpoint had better come soon."""
