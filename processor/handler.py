"""The flow's core: what happens to partitions, records and time, without Kafka and without a clock of its own.

The worker, finite inputs and simulations drive this same object. Its methods are called by one thread, one at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from processor import metrics as m
from processor.checkpoint import Publisher, checkpoint
from processor.judging import Judging, SaidVerdict, Say
from processor.partition_reader import PartitionReader
from processor.record import PartitionKey, Record
from processor.resume import Commit, read_note
from topics.violation import CloseReason

if TYPE_CHECKING:
    from processor.closing import ClosingPolicy
    from processor.metrics import Metrics
    from processor.partition_time import Clock
    from processor.trace_engine import TraceEngine

# Says where the log ends: the offset of the next record to be appended, of each partition it is asked for and can answer.
LogEnds = Callable[[Sequence[PartitionKey]], Mapping[PartitionKey, int]]

_NS_PER_S = 1_000_000_000


def _no_ends(_keys: Sequence[PartitionKey]) -> dict[PartitionKey, int]:
    return {}


def _nobody(_said: SaidVerdict) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Surroundings:
    """All that the core is given from outside.

    `clock` None: there is no wall clock, partition time follows the records alone. `listen` hears every verdict that a record goes out
    with.
    """

    publisher: Publisher
    metrics: Metrics
    clock: Clock | None = None
    log_ends: LogEnds = _no_ends
    listen: Say = _nobody


class Handler:
    """Judges the partitions it is given; the engine is its own.

    `is_keyed`: records of a trace all come in one partition, keyed by trace id; others are counted and their traces are judged as
    incomplete.
    """

    def __init__(self, engine: TraceEngine, policy: ClosingPolicy, surroundings: Surroundings, *, is_keyed: bool = True) -> None:
        self.readers: dict[PartitionKey, PartitionReader] = {}
        self._policy = policy
        self._around = surroundings
        self._is_keyed = is_keyed
        self._judging = Judging(engine, self._say, surroundings.metrics)

    def assigned(self, committed: Mapping[PartitionKey, Commit | None]) -> dict[PartitionKey, int]:
        """Own these partitions; `committed` is what the last checkpoint of each had committed. Return where to start.

        A partition without a commit is left out of the answer: it starts where its log does.
        """
        starts = {key: commit.offset for key, commit in committed.items() if commit is not None}
        for key, commit in committed.items():
            self._release(key)
            reader = self.readers[key] = self._reader(key)
            if commit is not None:
                reader.start(commit.offset, read_note(commit.note))
        self._around.metrics.set(m.PARTITIONS_OWNED, len(self.readers))
        return starts

    def chunk(self, key: PartitionKey, records: Sequence[Record], position: int) -> None:
        """Work on records of one partition, in offset order; `position` is the offset after them."""
        self.readers[key].read(records, position)

    def checkpoint(self, keys: Iterable[PartitionKey]) -> dict[PartitionKey, Commit]:
        """Let time move where the whole log has been read, make what was said durable, return what may be committed."""
        readers = [self.readers[key] for key in keys if key in self.readers]
        self._mark_wall_clock(readers)
        commits = checkpoint(readers, self._around.publisher)
        self._gauge(readers)
        return commits

    def released(self, keys: Iterable[PartitionKey], *, lost: bool) -> None:
        """Drop the state of these partitions. `lost`: another worker may own them already; nothing is written in either case."""
        del lost
        for key in keys:
            self._release(key)
        self._around.metrics.set(m.PARTITIONS_OWNED, len(self.readers))

    def drain(self, reason: CloseReason = CloseReason.DRAINED) -> None:
        """Close every open trace of every partition: the input has ended."""
        for reader in self.readers.values():
            reader.drain(reason)

    def _release(self, key: PartitionKey) -> None:
        reader = self.readers.pop(key, None)
        if reader is not None:
            reader.release()

    def _mark_wall_clock(self, readers: Sequence[PartitionReader]) -> None:
        """Mark the wall clock on partitions whose position is the end of the log.

        The clock is read before the ends are asked for: all that was appended until then has been read. A partition that was busy since
        the last checkpoint needs no clock, its records tell the time; besides, the ends a broker tells may lag behind what it delivers.
        """
        quiet = [reader for reader in readers if reader.is_quiet and reader.position is not None]
        for reader in readers:
            reader.is_quiet = True
        if self._around.clock is None or not quiet:
            return
        wall_ns = self._around.clock()
        ends = self._around.log_ends([reader.key for reader in quiet])
        for reader in quiet:
            end = ends.get(reader.key)
            if end is not None and reader.position is not None:
                self._around.metrics.set(m.LAG_RECORDS, max(0, end - reader.position), reader.key.topic, str(reader.key.partition))
                reader.mark(wall_ns if reader.position >= end else 0)

    def _gauge(self, readers: Iterable[PartitionReader]) -> None:
        for reader in readers:
            labels = (reader.key.topic, str(reader.key.partition))
            self._around.metrics.set(m.POSITION, reader.position or 0, *labels)
            self._around.metrics.set(m.PARTITION_TIME, reader.time.now_ns / _NS_PER_S, *labels)
        self._around.metrics.set(m.TRACES_REMEMBERED, sum(len(reader.traces.traces) for reader in self.readers.values()))

    def _reader(self, key: PartitionKey) -> PartitionReader:
        around = self._around
        taken = {reader.number for reader in self.readers.values()}
        return PartitionReader(
            key,
            next(number for number in count() if number not in taken),
            self._policy,
            self._judging,
            around.metrics,
            around.publisher.dead_letter,
            clock=around.clock,
            is_keyed=self._is_keyed,
        )

    def _say(self, said: SaidVerdict) -> None:
        if said.record is not None:
            self._around.publisher.violation(said.record)
        self._around.listen(said)
