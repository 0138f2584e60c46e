"""What a checkpoint makes durable, in the one order there is: first the journal, then what was said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from processor import metrics as m
from topics.dead_letter import DeadLetter
from topics.journal import Fence, encode, read_entry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from processor.journal import Ack, Journal
    from processor.metrics import Metrics
    from processor.owned import Owned
    from processor.partition_owner import Said
    from topics.written_violation import WrittenViolation


class Publisher(Protocol):
    """Where records go."""

    def violation(self, record: WrittenViolation) -> None:
        """Send a violation record; it need not be durable before `flush`."""

    def dead_letter(self, letter: DeadLetter) -> None:
        """Send a dead letter; it need not be durable before `flush`."""

    def flush(self) -> None:
        """Return when everything sent is durable; raise where it cannot be, in bounded time."""


def write_down(
    owned: Sequence[Owned], journal: Journal, publisher: Publisher, metrics: Metrics, hear: Callable[[Sequence[Ack]], None]
) -> list[Owned]:
    """Append what was decided to the journal, then say what was said; return the partitions that somebody else owns.

    `hear` is told the journal's answers when they come.

    What the last record of an earlier owner may have left unsaid is said first: nobody would say it behind the next record. What is raised
    here leaves open what became of the records; the worker must end.
    """
    again = [said for one in owned for said in one.owner.again]
    if again:
        for said in again:
            _publish(said, publisher)
        publisher.flush()
        metrics.add(m.RECORDS_REPEATED, len(again))
        for one in owned:
            one.owner.again.clear()
    news = [one for one in owned if one.owner.has_news]
    values = [encode(one.owner.checkpoint_record()) for one in news]
    acks = journal.append([(one.owner.key, value) for one, value in zip(news, values, strict=True)]) if news else []
    hear(acks)
    metrics.add(m.JOURNAL_RECORDS, len(acks))
    fenced: list[Owned] = []
    for one, value, ack in zip(news, values, acks, strict=True):
        if _is_fenced(one, ack.offset, journal):
            fenced.append(one)
            continue
        for said in one.owner.written_down(ack.offset, value):
            _publish(said, publisher)
    publisher.flush()
    return fenced


def _publish(said: Said, publisher: Publisher) -> None:
    if isinstance(said, DeadLetter):
        publisher.dead_letter(said)
    else:
        publisher.violation(said)


def _is_fenced(one: Owned, offset: int, journal: Journal) -> bool:
    """Say whether another worker took the partition before our record came to stand at this offset."""
    assert one.owner.tail is not None
    expected = one.owner.tail.next_offset
    if offset == expected:
        return False
    between = journal.read(one.owner.key, expected, offset)
    # What retention has taken of the gap may have held a fence.
    return journal.first_offset(one.owner.key) > expected or any(_is_fence(value) for _, value in between)


def _is_fence(value: bytes) -> bool:
    try:
        return isinstance(read_entry(value), Fence)
    except ValueError:
        return False
