"""Reads one partition: chunks of records to the engine, what they touched to the traces, then a mark; replays in silence."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from processor import metrics as m
from processor.metrics import Silent
from processor.open_trace import Arrival
from processor.partition import Partition
from processor.partition_time import PartitionTime
from processor.refused_records import letter_of
from processor.resume import Commit, Resume
from processor.trace_engine import TakenRecord

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Sequence

    from processor.closing import ClosingPolicy
    from processor.judging import Judging
    from processor.metrics import Metrics
    from processor.partition_time import Clock
    from processor.record import PartitionKey, Record
    from processor.trace_engine import Touch
    from topics.dead_letter import DeadLetter
    from topics.refusal import RefusalReason
    from topics.violation import CloseReason

_TRACE_ID = re.compile(rb"[0-9a-f]{32}")
_SILENT = Silent()


class PartitionReader:
    """One partition while it is owned; `number` tells it from the others of its engine.

    `position` is the offset of the next record to read, None until that is known.
    """

    def __init__(
        self,
        key: PartitionKey,
        number: int,
        policy: ClosingPolicy,
        judging: Judging,
        metrics: Metrics,
        bury: Callable[[DeadLetter], None],
        *,
        clock: Clock | None,
        is_keyed: bool,
    ) -> None:
        self.key = key
        self.number = number
        self.position: int | None = None
        self.is_quiet = False
        self._judging = judging
        self._metrics = metrics
        self._bury = bury
        self._is_keyed = is_keyed
        self._replay_to: Resume | None = None
        self.time = PartitionTime(clock, policy.timestamp_skew_max_ns, metrics)
        self.traces = Partition(number, policy, judging, metrics)

    def start(self, offset: int, resume: Resume | None) -> None:
        """Begin at a committed offset; what lies before the note's position is replayed in silence."""
        self.position = offset
        if resume is not None and resume.position > offset:
            self._replay_to = resume
            self.traces.judging, self.traces.metrics = self._judging.muted(), _SILENT

    def read(self, records: Sequence[Record], position: int) -> None:
        """Work on a chunk, then mark; `position` is the offset after it."""
        self.is_quiet = False
        if self._replay_to is not None:
            before = [record for record in records if record.offset < self._replay_to.position]
            self._replay(before)
            records = records[len(before) :]
            if position >= self._replay_to.position:
                self._end_replay(self._replay_to)
        self._take(records)
        self.position = position
        if self._replay_to is None:
            self.mark(0)

    def mark(self, wall_ns: int) -> None:
        """Let partition time move and say what falls due; `wall_ns` is 0 unless the whole log has been read."""
        if self._replay_to is not None and wall_ns:
            self._metrics.add(m.REPLAYS_CUT_SHORT)
            self._end_replay(self._replay_to)
        if self._replay_to is None:
            self.traces.mark(self.time.mark(wall_ns))

    def drain(self, reason: CloseReason) -> None:
        """Close all traces: the input has ended."""
        if self._replay_to is not None:
            self._end_replay(self._replay_to)
        self.traces.drain(reason, self.time.mark())

    def release(self) -> None:
        """Drop all state: the partition is somebody else's."""
        self.traces.release()

    def commit(self) -> Commit | None:
        """Return what may be committed now: the first record of the oldest remembered trace, else the position."""
        if self.position is None or self._replay_to is not None:
            return None
        first = self.traces.first_offset
        if first is None:
            return Commit(self.position, Resume(self.position, 0, 0).note())
        return Commit(first, Resume(self.position, self.time.now_ns, self.time.lag_max_ns).note())

    def _replay(self, records: Sequence[Record]) -> None:
        """Read again in silence, with a mark before and after each record.

        Where the marks were is not kept. These are at least as many, so every trace closes and is revised here wherever it was then, if
        not more often: what is repeated at the end has a revision that no reader takes for an older one.
        """
        for record in records:
            self.time.arrivals([record.timestamp_ns])
            self.traces.mark(self.time.mark())
            self._take([record])
            self.traces.mark(self.time.mark())

    def _end_replay(self, resume: Resume) -> None:
        self._replay_to = None
        now_ns = self.time.mark(resume.time_ns)
        self.traces.recall(resume.time_ns, max(resume.lag_ns, self.time.lag_max_ns))
        self.traces.mark(now_ns)
        self.traces.judging, self.traces.metrics = self._judging, self._metrics
        self.traces.repeat(now_ns)

    def _take(self, records: Sequence[Record]) -> None:
        if not records:
            return
        arrivals = self.time.arrivals([record.timestamp_ns for record in records])
        taken = self.traces.take(
            [TakenRecord(record.value, record.format, arrived_ns) for record, arrived_ns in zip(records, arrivals, strict=True)]
        )
        touches: dict[int, list[Touch]] = {}
        for touch in taken.touches:
            touches.setdefault(touch.record, []).append(touch)
        for index, (record, arrived_ns) in enumerate(zip(records, arrivals, strict=True)):
            self._record(record, arrived_ns, touches.get(index, ()), taken.refused.get(index))

    def _record(self, record: Record, arrived_ns: int, touches: Sequence[Touch], refused: Counter[RefusalReason] | None) -> None:
        scattered = self._is_keyed and not _is_keyed_by_trace(record, touches)
        if self._replay_to is None:
            self._count(record, refused, scattered=scattered)
        timed = record.timestamp_ns is not None
        self.traces.arrive(Arrival(record.topic, record.partition, record.offset, arrived_ns, timed, scattered), touches)

    def _count(self, record: Record, refused: Counter[RefusalReason] | None, *, scattered: bool) -> None:
        self._metrics.add(m.RECORDS_READ)
        if scattered:
            self._metrics.add(m.RECORDS_UNKEYED)
        if refused:
            for reason, count in sorted(refused.items()):
                self._metrics.add(m.ITEMS_REFUSED, count, reason)
                self._metrics.add(m.RECORDS_REFUSED, 1, reason)
            self._bury(letter_of(record, refused))


def _is_keyed_by_trace(record: Record, touches: Sequence[Touch]) -> bool:
    if not touches:
        return True
    if record.key is None or not _TRACE_ID.fullmatch(record.key):
        return False
    key = record.key.decode("ascii")
    return all(touch.trace_id == key for touch in touches)
