"""One partition while it is owned: chunks go to its traces, then a mark; what is decided and said waits for the next checkpoint."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from typing import TYPE_CHECKING

from processor import metrics as m
from processor.closing import limits_of, policy_of
from processor.judging import Judging
from processor.ledger import Ledger
from processor.metrics import Mutable
from processor.partition import Partition
from processor.partition_time import PartitionTime
from processor.records_read import ReadRecords
from processor.refused_records import bury_refused
from processor.shedding import NONE_SHED, Shed
from topics.dead_letter import DeadLetter
from topics.journal import LOST_SO_FAR_NS, Checkpoint, Mark, Standing
from topics.written_violation import WrittenViolation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from processor.journal_tail import JournalTail
    from processor.judging import SaidVerdict
    from processor.programs import Programs
    from processor.record import PartitionKey
    from processor.recovery import Replay, ReplayedMark
    from processor.routing import Brought
    from processor.surroundings import CoreSettings, Surroundings

# What goes out once the journal has the record that it belongs to.
Said = WrittenViolation | DeadLetter


class PartitionOwner:
    """The state of a partition, and what of it is not yet written down.

    `position`: the offset of the next record to read. `tail`: the end of its journal, None in a run that keeps none. `marks`, `said` and
    `ledger` are what was decided, said (violations and dead letters) and counted since the last journal record; `again` is what the last
    record of another owner may have left unsaid.
    """

    def __init__(self, key: PartitionKey, number: int, settings: CoreSettings, around: Surroundings, programs: Programs) -> None:
        self.key = key
        self.position = 0
        self.is_quiet = False
        self.tail: JournalTail | None = None
        self.marks: list[Mark] = []
        self.said: list[Said] = []
        self.again: list[Said] = []
        self.ledger = Ledger()
        self.first_unwritten = 0
        self._settings = settings
        self._around = around
        self._programs = programs
        self._metrics = Mutable(around.metrics)
        self._judgings: dict[str, Judging] = {}
        self._replay: deque[ReplayedMark] = deque()
        self._evict_before: int | None = None
        self._next_shed_level: int | None = None
        self.time = PartitionTime(self._metrics)
        self.traces = Partition(number, settings.policy, self._required(programs.current.id), self._metrics, self.ledger)

    # ---- taking the partition -------------------------------------------------------------------------------------------------------

    def begin(self, start: int, *, is_loss: bool) -> None:
        """Begin with nothing: on a partition nobody owned before, or, with a loss, where state or input is gone."""
        self.position = self.first_unwritten = start
        if self.tail is not None:
            self.tail.rebuild_offset = start
        self._decide(
            Mark(
                position=start,
                time_ns=self.time.now_ns,
                program=self._programs.current.id,
                limits=limits_of(self._settings.policy),
                lost_until_ns=LOST_SO_FAR_NS if is_loss else None,
                shed_level=0 if is_loss else None,
            )
        )

    def stand(self, standing: Standing) -> None:
        """Stand as a journal record says: its time, its program, its limits."""
        self.position = self.first_unwritten = standing.position
        self.time.now_ns = standing.time_ns
        self.traces.judge_by(self._required(standing.program))
        self.traces.limit_by(policy_of(standing.limits))
        self.traces.lost_until_ns = standing.lost_until_ns
        self.traces.shedding.level = standing.shed_level
        self.traces.shedding.marked = standing.position

    def replay(self, replay: Replay) -> None:
        """Read again from the position on, obeying these marks, in silence but for what the last record said."""
        self.position = self.first_unwritten = replay.start
        self._replay = deque(replay.marks)
        self._metrics.is_muted = True
        self._go_on(ReadRecords.of(()))

    def clear(self) -> None:
        """Stand as at the very first."""
        self.traces.release()
        self.traces.lost_until_ns = -1
        self.time.now_ns = 0

    @property
    def is_replaying(self) -> bool:
        """Whether marks of the journal are still to be obeyed."""
        return self._metrics.is_muted

    def judging(self, program_id: str) -> Judging | None:
        """Return who judges by a program here; None where nobody has the program any more."""
        found = self._judgings.get(program_id)
        if found is None:
            engine = self._programs.engine(program_id)
            if engine is None:
                return None
            found = self._judgings[program_id] = Judging(
                engine, self._say, self._metrics, program_id=program_id, count=self.ledger.add, keyring=self._settings.keyring
            )
        return found

    def keep_only_used(self) -> set[str]:
        """Let go of whoever judges no trace here; return the programs that are needed."""
        used = {judging.program_id for judging in self.traces.judgings} | {self.traces.judging.program_id}
        used |= {one.mark.program for one in self._replay if one.mark.program is not None}
        for program_id in self._judgings.keys() - used:
            del self._judgings[program_id]
        return used

    def _required(self, program_id: str) -> Judging:
        found = self.judging(program_id)
        assert found is not None, f"program {program_id} is gone"
        return found

    # ---- work -----------------------------------------------------------------------------------------------------------------------

    def read(self, records: ReadRecords, position: int, limit_ns: int | None) -> None:
        """Work on a chunk, then mark; `position` is the offset after it, timestamps beyond `limit_ns` are moved back to it."""
        self.is_quiet = False
        if self.tail is not None:
            # A client that was sent to an offset the log does not have begins anew; what was read is not read twice.
            records = records[bisect_left(records.offsets, self.position) :]
        if self.is_replaying:
            records = self._go_on(records, position)
            if self.is_replaying:
                return
        if not records and position <= self.position:
            return
        clamped = self._take(records, limit_ns)
        self.position = max(self.position, position)
        self.mark(0, clamp_ns=limit_ns if clamped else None)

    def mark(self, wall_ns: int, *, clamp_ns: int | None = None, drain: bool = False) -> None:
        """Let partition time move, and do what is decided now; `wall_ns` is 0 unless the whole log has been read."""
        if self.is_replaying:
            return
        time_ns = self.time.next_ns(wall_ns)
        program_id = self._programs.current.id
        limits = None if self.traces.policy == self._settings.policy else limits_of(self._settings.policy)
        lost_until_ns = None
        if self.traces.lost_until_ns == LOST_SO_FAR_NS and (wall_ns or self.time.is_told):
            # The time of the last mark before the loss says nothing: what was lost may have come much later.
            lost_until_ns = time_ns + (self._settings.policy.closed_retention_ns or 0) + self._settings.policy.timestamp_skew_max_ns
        self._decide(
            Mark(
                position=self.position,
                time_ns=time_ns,
                clamp_ns=clamp_ns,
                drain=drain,
                evict_before=self._evict_before,
                cut=tuple(self.traces.overdue(time_ns)),
                program=None if program_id == self.traces.judging.program_id else program_id,
                limits=limits,
                lost_until_ns=lost_until_ns,
                shed_level=None if self._next_shed_level == self.traces.shedding.level else self._next_shed_level,
            )
        )
        self._evict_before = self._next_shed_level = None

    def is_due(self, wall_ns: int, idle_interval_ns: int) -> bool:
        """Whether a mark of the wall clock would do anything, or say that the partition is still judged."""
        due_ns = self.traces.next_due_ns
        return (due_ns is not None and due_ns <= wall_ns) or wall_ns - self.time.now_ns >= idle_interval_ns

    @property
    def has_new_rules(self) -> bool:
        """Whether other rules or limits are in force than those that new traces are judged by here."""
        has_others = self._programs.current.id != self.traces.judging.program_id or self.traces.policy != self._settings.policy
        return not self.is_replaying and has_others

    def evict(self, offset: int) -> None:
        """Let the next mark close what began before an offset, and keep only times of it."""
        self._evict_before = max(offset, self._evict_before or 0)

    def shed(self, level: int) -> None:
        """Let the next mark bring this shed level into force."""
        self._next_shed_level = level

    @property
    def shed_level(self) -> int:
        """The shed level in force, in 256ths of the traces."""
        return self.traces.shedding.level

    def release(self) -> None:
        """Drop all state: the partition is somebody else's."""
        self.traces.release()

    @property
    def low_watermark(self) -> int:
        """The first record of the oldest remembered trace, else the position."""
        first = self.traces.first_offset
        return self.position if first is None else first

    @property
    def standing(self) -> Standing:
        """How the partition stands behind the last mark."""
        return Standing(
            position=self.position,
            time_ns=self.time.now_ns,
            program=self.traces.judging.program_id,
            limits=limits_of(self.traces.policy),
            lost_until_ns=self.traces.lost_until_ns,
            shed_level=self.shed_level,
        )

    # ---- what is written down -------------------------------------------------------------------------------------------------------

    @property
    def has_news(self) -> bool:
        """Whether a record has something to say."""
        return not self.is_replaying and bool(self.marks or self.said or self.ledger)

    def checkpoint_record(self) -> Checkpoint:
        """Return the record of what was decided and counted since the last one."""
        assert self.tail is not None
        record = Checkpoint(
            epoch=self.tail.epoch,
            marks=tuple(self.marks),
            counts=self.ledger.counts(),
            standing=self.standing,
            rebuild_offset=self.tail.rebuild_offset,
            journal_from=self.tail.journal_from,
            first_offset=self.first_unwritten,
            last_offset=self.position - 1,
            traces_evicted=self.ledger.traces_evicted,
            traces_state_lost=self.ledger.traces_state_lost,
            traces_shed=self.ledger.traces_shed,
            records_shed=self.ledger.records_shed,
            previous=self.tail.previous,
        )
        return self._settings.keyring.checkpoint(record)

    def written_down(self, offset: int, value: bytes) -> list[Said]:
        """Take note that the record stands in the journal and counts; return what may be said now."""
        assert self.tail is not None
        self.tail.appended(offset, value, self.standing.position, self.low_watermark)
        said, self.said = self.said, []
        self.marks.clear()
        self.ledger.clear()
        self.first_unwritten = self.position
        return said

    # ---- marks ----------------------------------------------------------------------------------------------------------------------

    def _decide(self, mark: Mark) -> None:
        self._obey(mark)
        if self.tail is not None:
            self.marks.append(mark)

    def _obey(self, mark: Mark) -> None:
        """Do what a mark says, be it made now or read in the journal: nothing else may decide anything."""
        self.time.now_ns = mark.time_ns
        self.traces.obey(mark)
        if mark.program is not None:
            self.traces.judge_by(self._required(mark.program))
        if mark.limits is not None:
            self.traces.limit_by(policy_of(mark.limits))
        if mark.lost_until_ns is not None:
            self.traces.lost_until_ns = mark.lost_until_ns

    def _go_on(self, records: ReadRecords, position: int = 0) -> ReadRecords:
        """Read on in a replay, as far as these records and the marks go; return the records behind it."""
        done = 0
        reached = max(self.position, position)
        while self._replay:
            mark, is_last_record = self._replay[0]
            behind = bisect_left(records.offsets, mark.position, done)
            self._take(records[done:behind], mark.clamp_ns)
            done = behind
            if reached < mark.position:
                self.position = reached
                return records[len(records) :]
            if not is_last_record:
                self._forget_said()
            self.position = max(self.position, mark.position)
            self._obey(mark)
            self._replay.popleft()
            if not is_last_record:
                self._forget_said()
        self._end_replay()
        return records[done:]

    def _forget_said(self) -> None:
        self.said.clear()
        self.ledger.clear()

    def _end_replay(self) -> None:
        """Stand where the last record stood: what it said is said again, what it counted is counted."""
        self._metrics.is_muted = False
        self.again, self.said = self.said, []
        self.ledger.clear()
        self.first_unwritten = self.position
        if self.tail is not None:
            self.tail.rebuild_offset = self.low_watermark

    # ---- records --------------------------------------------------------------------------------------------------------------------

    def _take(self, records: ReadRecords, limit_ns: int | None) -> bool:
        """Take in some records; say whether a timestamp was beyond the limit."""
        if not records:
            return False
        arrivals = self.time.arrivals(records.timestamps_ns, limit_ns)
        if self.traces.shedding:
            self._bring_unless_shed(records, arrivals.at_ns)
        else:
            self._bring(records, arrivals.at_ns)
        return arrivals.is_clamped

    def _bring(self, records: ReadRecords, arrived_ns: Sequence[int], shed: Shed = NONE_SHED) -> None:
        """Let records bring what they hold, and others that lie between them be shed."""
        self._count(records, self.traces.take(records, arrived_ns, shed, is_keyed=self._settings.is_keyed))

    def _bring_unless_shed(self, records: ReadRecords, arrived_ns: Sequence[int]) -> None:
        """Let those records bring what they hold that are not shed.

        A record under a wrong key may touch the trace of one that is shed: what becomes of both depends on which comes first.
        """
        for step in self.traces.shedding.steps(records.keys, arrived_ns, self.traces.traces, self.traces.policy.take_policy):
            self._bring(*step.taken(records, arrived_ns), Shed(records, step.shed))
            if step.shed:
                self.ledger.records_shed += len(step.shed)
                self._metrics.add(m.RECORDS_READ, len(step.shed))
                self._metrics.add(m.RECORDS_SHED, len(step.shed))

    def _count(self, records: ReadRecords, brought: Brought) -> None:
        if records:
            self._metrics.add(m.RECORDS_READ, len(records))
        if brought.apart:
            self._metrics.add(m.RECORDS_UNKEYED, len(brought.apart))
        for index, reasons in brought.refused.items():
            bury_refused(records[index], reasons, self._metrics, self._bury)

    def _bury(self, letter: DeadLetter) -> None:
        if self.tail is None:
            self._around.publisher.dead_letter(letter)
        else:
            self.said.append(letter)

    def _say(self, said: SaidVerdict) -> None:
        if said.record is not None and self.tail is not None:
            self.said.append(said.record)
        if not self.is_replaying:
            self._around.listen(said)
