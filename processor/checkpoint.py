"""The one place that orders a checkpoint: journal, then what was said, then the store, then the offsets that let input be forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from processor import metrics as m
from processor.store import Label, StoreUnavailableError, Written
from topics.dead_letter import DeadLetter
from topics.journal import Fence, encode, read_entry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from processor.journal import Ack, Journal
    from processor.metrics import Metrics
    from processor.owned import Owned
    from processor.partition_owner import Said
    from processor.record import PartitionKey
    from processor.store import Delta, Store
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


def store_states(owned: Sequence[Owned], store: Store, metrics: Metrics) -> str | None:
    """Let the store know how these partitions stand behind their last records; return why it could not.

    A partition whose base is gone, or another one, is written whole at once. The worker goes on without a store.
    """
    deltas = {one.owner.key: _delta(one, whole=False) for one in owned}
    by_key = {one.owner.key: one for one in owned}
    try:
        stale = _write(by_key, deltas, store, metrics)
        if stale:
            _write(by_key, {key: _delta(by_key[key], whole=True) for key in stale}, store, metrics)
    except StoreUnavailableError as error:
        metrics.add(m.STORE_WRITES, len(deltas), "unavailable")
        return str(error) or "the store does not answer"
    return None


def _write(
    by_key: Mapping[PartitionKey, Owned], deltas: Mapping[PartitionKey, Delta], store: Store, metrics: Metrics
) -> list[PartitionKey]:
    stale: list[PartitionKey] = []
    for key, written in store.write(deltas).items():
        metrics.add(m.STORE_WRITES, 1, str(written))
        stored = by_key[key].stored
        if written is Written.DONE and stored is not None:
            stored.written(deltas[key])
        elif written is Written.STALE:
            stale.append(key)
    return stale


def _delta(one: Owned, *, whole: bool) -> Delta:
    assert one.owner.tail is not None
    previous = one.owner.tail.previous
    assert previous is not None
    assert one.stored is not None
    return one.stored.delta(Label(previous.offset, previous.hash), one.owner.standing, whole=whole)
