"""Journal records made by hand, and a journal that several writers share by the rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from processor.record import PartitionKey
from tests.doubles.journal import MemoryJournal
from topics.journal import Checkpoint, Fence, Limits, Placed, Previous, Standing, encode, record_hash, valid

KEY = PartitionKey("otlp_spans", 0)
PROGRAM = "0" * 16
LIMITS = Limits(
    root_grace_ns=5,
    idle_timeout_ns=30,
    max_age_ns=600,
    closed_retention_ns=300,
    timestamp_skew_max_ns=60,
    span_count_max=10,
    early_verdicts=False,
)


def standing(position: int = 0, time_ns: int = 0) -> Standing:
    return Standing(position=position, time_ns=time_ns, program=PROGRAM, limits=LIMITS)


def checkpoint(epoch: int, **fields: Any) -> Checkpoint:  # noqa: ANN401 - any field of a record
    """A record of an epoch; what is not given is nothing."""
    given: dict[str, Any] = {
        "marks": (),
        "counts": (),
        "standing": standing(),
        "rebuild_offset": 0,
        "journal_from": -1,
        "first_offset": 0,
        "last_offset": -1,
    }
    return Checkpoint(epoch=epoch, **given | fields)


@dataclass
class Writer:
    """A worker as the journal sees it."""

    epoch: int
    next_offset: int
    previous: Previous | None


def counting(journal: MemoryJournal) -> list[Placed]:
    """The records that count, by the rule for every reader."""
    return list(valid(journal.read(KEY, journal.first_offset(KEY), len(journal.logs[KEY]))))


def take(journal: MemoryJournal) -> Writer:
    """Append a fence."""
    before = counting(journal)
    (ack,) = journal.append([(KEY, encode(Fence(worker="w")))])
    previous = Previous(offset=before[-1].offset, hash=before[-1].hash) if before else None
    return Writer(ack.offset, ack.offset + 1, previous)


def write(journal: MemoryJournal, writer: Writer) -> bool:
    """Append a record; say whether the writer may go on."""
    value = encode(checkpoint(writer.epoch, previous=writer.previous))
    (ack,) = journal.append([(KEY, value)])
    between = journal.read(KEY, writer.next_offset, ack.offset)
    if any(b'"kind":"fence"' in found for _, found in between):
        return False
    writer.next_offset, writer.previous = ack.offset + 1, Previous(offset=ack.offset, hash=record_hash(value))
    return True
