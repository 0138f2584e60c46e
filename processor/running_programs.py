"""Which program each partition's worker runs, as the journal tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from processor.journal import JournalError
from processor.record import PartitionKey
from processor.recovery import read_history

if TYPE_CHECKING:
    from collections.abc import Sequence

    from processor.journal import Ack
    from topics.log_reader import LogReader


class RunningProgram(NamedTuple):
    """What a partition's last journal record says.

    `program` judges the traces that begin now, since partition time `since_ns`; None: for longer than any trace is remembered. `needed`:
    the programs that a worker which takes the partition would replay. All is empty where nobody has judged the partition yet.
    """

    partition: int
    program: str | None = None
    since_ns: int | None = None
    as_of_ns: int | None = None
    needed: frozenset[str] = frozenset()


def running_programs(reader: LogReader) -> list[RunningProgram]:
    """Return what every partition of a journal says; raises LogError."""
    journal = _JournalReader(reader)
    return [_running(journal, PartitionKey(reader.topic, number), reader.end(number)) for number in range(reader.partition_count())]


def _running(journal: _JournalReader, key: PartitionKey, end: int) -> RunningProgram:
    history = read_history(journal, key, end)
    if history is None:
        return RunningProgram(key.partition)
    standings = [placed.record.standing for placed in history.records]
    marks = [mark for placed in history.records for mark in placed.record.marks]
    program = standings[-1].program
    brought = next((mark for mark in reversed(marks) if mark.program is not None), None)
    needed = {standing.program for standing in standings} | {mark.program for mark in marks if mark.program is not None}
    since_ns = None if brought is None else brought.time_ns
    return RunningProgram(key.partition, program, since_ns, standings[-1].time_ns, frozenset(needed))


class _JournalReader:
    """A journal (processor.journal.Journal) of which nothing is owned."""

    def __init__(self, reader: LogReader) -> None:
        self._reader = reader

    def append(self, entries: Sequence[tuple[PartitionKey, bytes]]) -> list[Ack]:
        """Refuse: who only reads a journal has no fence in it."""
        raise JournalError(f"{len(entries)} entries cannot be appended: this journal is only read")

    def read(self, key: PartitionKey, begin: int, end: int) -> list[tuple[int, bytes]]:
        """Return what is there of these offsets."""
        return [(record.offset, record.value or b"") for record in self._reader.read(key.partition, begin, end)]

    def first_offset(self, key: PartitionKey) -> int:
        """Return the first offset that is kept."""
        return self._reader.first_offset(key.partition)
