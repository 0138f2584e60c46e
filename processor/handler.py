"""The flow's core: what happens to partitions, records and time, without Kafka, without Redis and without a clock of its own.

The worker, finite inputs and simulations drive this same object (processor/group_handler.py). Its methods are called by one thread, one at
a time. Where one raises, the worker must end: nothing more may be written.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from processor import metrics as m
from processor.checkpoint import write_down
from processor.closing import SECOND_NS
from processor.group_handler import Bounds, Checkpointed, Taking, taken
from processor.overload import Load, next_level
from processor.owned import Owned, Recovering, Whereabouts
from processor.partition_owner import PartitionOwner
from processor.programs import Programs
from processor.records_read import ReadRecords
from processor.store_beside import StoreBeside
from topics.journal import MARKS_MAX, Fence, encode

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping, Sequence

    from processor.journal import Ack, Journal
    from processor.overload import ShedPolicy
    from processor.record import PartitionKey, Record
    from processor.surroundings import CoreSettings, Surroundings

_STUCK_NS = 30 * SECOND_NS
# So much of the traces goes at once, and again at the next checkpoint if that was not enough.
_EVICTED_SHARE = 0.1
# So many times as much as is written at once may have changed before a worker waits for a write that is under way.
_BACKLOG_MAX = 2


class Handler:
    """Judges the partitions it is given."""

    def __init__(self, settings: CoreSettings, around: Surroundings) -> None:
        self.owned: dict[PartitionKey, Owned] = {}
        self.clock_offset_ns = 0
        self._clock_checked_ns = 0
        self._load_seen_ns = 0
        # Partitions to be taken anew: fenced in a checkpoint of their own, and those whose input was made anew.
        self._retake: set[PartitionKey] = set()
        self._taking: dict[PartitionKey, PartitionOwner] = {}
        self._truncated: set[PartitionKey] = set()
        self._settings = settings
        self._around = around
        self._programs = Programs(around.rules)
        self._store = None if around.store is None else StoreBeside(around.store, around.aside, around.metrics)

    # ---- partitions come and go -----------------------------------------------------------------------------------------------------

    def assigned(self, committed: Mapping[PartitionKey, int | None]) -> Mapping[PartitionKey, int]:
        """Take these partitions at once, as `taking` does step by step."""
        return taken(self.taking(committed))

    def taking(self, committed: Mapping[PartitionKey, int | None]) -> Taking:
        """Own these partitions from the last step on (processor.group_handler.GroupHandler)."""
        for key in committed:
            self._release(key)
        if self._around.journal is None:
            for key in committed:
                self._own_for_now(key)
        else:
            yield from self._take(committed, self._around.journal)
        self._around.metrics.set(m.PARTITIONS_OWNED, len(self.owned))
        return {key: self.owned[key].owner.position for key in committed}

    def released(self, keys: Iterable[PartitionKey], *, lost: bool) -> None:
        """Drop the state of these partitions. `lost`: another worker may own them already; nothing is written in either case."""
        del lost
        for key in keys:
            self._release(key)
            m.forget_partition(self._around.metrics, *key)
        self._around.metrics.set(m.PARTITIONS_OWNED, len(self.owned))

    def _own_for_now(self, key: PartitionKey) -> None:
        owner = self._owner(key)
        self.owned[key] = Owned(owner, None)
        owner.begin(0, is_loss=False)

    def _take(self, committed: Mapping[PartitionKey, int | None], journal: Journal) -> Generator[None]:
        keys = sorted(committed)
        fence = encode(Fence(worker=self._settings.worker))
        acks = journal.append([(key, fence) for key in keys])
        self._check_clock(acks)
        bounds = self._around.bounds(keys)
        recovering = Recovering(journal, self._store, self._around.metrics)
        found: dict[PartitionKey, Owned] = {}
        try:
            for key, ack in zip(keys, acks, strict=True):
                yield
                where = Whereabouts(ack.offset, committed[key], bounds.get(key), is_truncated=key in self._truncated)
                owner = self._taking[key] = self._owner(key)
                found[key] = yield from recovering.take(owner, where)
        except BaseException:
            for owner in self._taking.values():
                owner.release()
            raise
        finally:
            self._taking.clear()
        self.owned |= found
        self._truncated -= committed.keys()

    def _owner(self, key: PartitionKey) -> PartitionOwner:
        owners = (*(one.owner for one in self.owned.values()), *self._taking.values())
        numbers = {owner.traces.number for owner in owners}
        number = next(number for number in count() if number not in numbers)
        return PartitionOwner(key, number, self._settings, self._around, self._programs)

    def _release(self, key: PartitionKey) -> None:
        one = self.owned.pop(key, None)
        if one is not None:
            one.owner.release()

    # ---- work -----------------------------------------------------------------------------------------------------------------------

    def chunk(self, key: PartitionKey, records: Sequence[Record], position: int) -> None:
        """Work on records of one partition, in offset order; `position` is the offset after them."""
        one = self.owned.get(key)
        if one is None:
            # Given up, and to be taken anew at the next checkpoint.
            return
        if self._is_input_gone(one.owner, position - len(records)):
            self._retake.add(key)
            self._release(key)
            return
        one.owner.read(ReadRecords.of(records), position, self._timestamp_limit())
        if len(one.owner.marks) >= MARKS_MAX:
            self._retake |= set(self.checkpoint([key]).retake)

    def _is_input_gone(self, owner: PartitionOwner, read_from: int) -> bool:
        """Say whether records that were still to be read are deleted: the client goes on behind them without a word.

        Logs have gaps for other reasons too, so that only where one is met the broker is asked.
        """
        if owner.tail is None or read_from <= owner.position:
            return False
        there = self._around.bounds([owner.key]).get(owner.key)
        return there is not None and there.first > owner.position

    def drain(self) -> None:
        """Close every open trace of every partition: the input has ended."""
        for one in self.owned.values():
            one.owner.mark(0, drain=True)

    def evict(self, key: PartitionKey, offset: int) -> None:
        """Let the partition's next mark close what began before an offset, and keep only times of it."""
        self.owned[key].owner.evict(offset)

    def shed(self, key: PartitionKey, level: int) -> None:
        """Let the partition's next mark bring a shed level into force."""
        self.owned[key].owner.shed(level)

    @property
    def is_urgent(self) -> bool:
        """Whether something waits to be said, or to be closed by the clock, so that the next checkpoint had better come soon."""
        wall_ns = None if self.is_clock_off else self._now_ns()
        return any(one.is_urgent or (wall_ns is not None and one.is_overdue(wall_ns)) for one in self.owned.values())

    def _relieve(self) -> None:
        """Evict the oldest traces of every partition where all of them together take too much memory."""
        if self._programs.memory_bytes <= self._settings.memory_max_bytes:
            return
        for one in self.owned.values():
            offset = one.owner.traces.offset_behind_oldest(_EVICTED_SHARE)
            if offset is not None and not one.owner.is_replaying:
                one.owner.evict(offset)
                one.owner.mark(0)

    def _shed_load(self, owned: Sequence[Owned], known: Mapping[PartitionKey, Bounds]) -> None:
        """Let the shed level of each partition follow its load; the marks say so. `known` are bounds that were asked for just now."""
        policy, now_ns = self._settings.shed, self._now_ns()
        working = [one for one in owned if not one.owner.is_replaying]
        if policy is None:
            levels = {one.owner.key: 0 for one in working if one.owner.shed_level}
        elif now_ns is None or now_ns - self._load_seen_ns < policy.interval_ns:
            return
        else:
            self._load_seen_ns = now_ns
            levels = self._levels(working, known, now_ns, policy)
        for one in working:
            level = levels.get(one.owner.key, one.owner.shed_level)
            if level != one.owner.shed_level:
                one.owner.shed(level)
                one.owner.mark(0)

    def _levels(
        self, owned: Sequence[Owned], known: Mapping[PartitionKey, Bounds], now_ns: int, policy: ShedPolicy
    ) -> dict[PartitionKey, int]:
        """Return the next shed levels of the partitions of which the broker tells the end."""
        unknown = [one.owner.key for one in owned if one.owner.key not in known]
        bounds = {**known, **(self._around.bounds(unknown) if unknown else {})}
        found: dict[PartitionKey, int] = {}
        for one in owned:
            owner, there = one.owner, bounds.get(one.owner.key)
            if there is None:
                continue
            load = self._load(owner, there, now_ns)
            found[owner.key] = next_level(owner.shed_level, one.load, load, policy)
            one.load = load
        return found

    def _load(self, owner: PartitionOwner, there: Bounds, now_ns: int) -> Load:
        """Return how far a partition is behind, and show it; by a clock that is off it is not behind at all."""
        records = max(0, there.end - owner.position)
        load = Load(records, max(0, now_ns - owner.time.now_ns) if records and not self.is_clock_off else 0)
        labels = (owner.key.topic, str(owner.key.partition))
        self._around.metrics.set(m.LAG_RECORDS, load.lag_records, *labels)
        self._around.metrics.set(m.LAG_SECONDS, load.lag_ns / SECOND_NS, *labels)
        return load

    @property
    def shed_levels(self) -> dict[PartitionKey, int]:
        """The shed levels of the partitions that shed any traces now; from any thread."""
        return {key: one.owner.shed_level for key, one in sorted(self.owned.copy().items()) if one.owner.shed_level}

    @property
    def replaying(self) -> list[PartitionKey]:
        """The partitions that are still read again; from any thread."""
        return sorted(key for key, one in self.owned.copy().items() if one.owner.is_replaying)

    # ---- checkpoints ----------------------------------------------------------------------------------------------------------------

    def checkpoint(self, keys: Iterable[PartitionKey], *, handing_over: bool = False, is_amid: bool = False) -> Checkpointed:
        """Let time move where the whole log has been read, then make durable what was decided and said, in the one order there is."""
        owned = [self.owned[key] for key in keys if key in self.owned]
        if not handing_over and not is_amid:
            self._relieve()
            self._shed_load(owned, self._mark_quiet(owned))
        fenced: list[Owned] = []
        if self._around.journal is None:
            self._around.publisher.flush()
        else:
            fenced = write_down(owned, self._around.journal, self._around.publisher, self._around.metrics, self._check_clock)
        self._around.metrics.add(m.PARTITIONS_FENCED, len(fenced))
        retake = {one.owner.key for one in fenced} | self._truncated | self._retake
        self._retake.clear()
        for key in retake:
            self._release(key)
        mine = [one for one in owned if one.owner.key not in retake]
        self._write_states(mine, handing_over=handing_over)
        if not self._taking:
            # What is being taken may bring traces of any program.
            self._programs.keep_only_used(one.owner for one in self.owned.values())
        self._gauge(mine)
        commits = {one.owner.key: one.owner.low_watermark for one in mine if not one.owner.is_replaying}
        return Checkpointed(commits, sorted(retake))

    def _write_states(self, owned: Sequence[Owned], *, handing_over: bool) -> None:
        """Let the store know how partitions stand that are due; of those that are handed over before anybody else takes them."""
        store = self._store
        if store is None:
            return
        if handing_over or self._overfull(owned, _BACKLOG_MAX):
            store.finish()
        due = [] if store.is_writing() else self._to_store(owned, handing_over=handing_over)
        while due:
            store.write(due)
            if handing_over:
                store.finish()
            # What the store turns out not to hold is written whole at once.
            due = [] if store.is_writing() else store.stale

    def _to_store(self, owned: Sequence[Owned], *, handing_over: bool) -> list[Owned]:
        """Return the partitions whose state is to be written now, and remember when."""
        now_ns = self._now_ns()
        behind = [one for one in owned if one.is_behind]
        due = [one for one in behind if handing_over or now_ns is None or self._is_store_due(one, now_ns)] or self._overfull(behind)
        for one in due:
            one.stored_at_ns = now_ns or 0
        return due

    def _overfull(self, owned: Sequence[Owned], times: int = 1) -> list[Owned]:
        """Return the partition of which most has changed, if that gets too much to be written at once. A store in trouble is left alone."""
        most = max(owned, key=lambda one: one.change_count, default=None)
        if most is None or most.change_count < times * self._settings.stored_at_once_max or self.store_trouble is not None:
            return []
        return [most]

    @property
    def store_trouble(self) -> str | None:
        """Why the last write to the store was in vain; from any thread."""
        return None if self._store is None else self._store.trouble

    def _is_store_due(self, one: Owned, now_ns: int) -> bool:
        """Whether the partition's moment of the interval has come; each has its own, so that not all are written at once."""
        interval_ns = self._settings.store_interval_ns
        moment_ns = interval_ns * one.owner.traces.number // len(self.owned)
        return interval_ns == 0 or (now_ns - moment_ns) // interval_ns != (one.stored_at_ns - moment_ns) // interval_ns

    # ---- time -----------------------------------------------------------------------------------------------------------------------

    def _now_ns(self) -> int | None:
        return None if self._around.clock is None else self._around.clock()

    @property
    def is_clock_off(self) -> bool:
        """Whether this machine's clock is further from the broker's than records may be stamped ahead: it decides nothing then."""
        return abs(self.clock_offset_ns) > self._settings.policy.timestamp_skew_max_ns

    def _check_clock(self, acks: Iterable[Ack]) -> None:
        now_ns = self._now_ns()
        told = [ack.appended_ns for ack in acks if ack.appended_ns is not None]
        if now_ns is not None and told:
            self.clock_offset_ns = now_ns - max(told)
            self._clock_checked_ns = now_ns
            self._around.metrics.set(m.CLOCK_OFFSET, self.clock_offset_ns / SECOND_NS)

    def _timestamp_limit(self) -> int | None:
        now_ns = self._now_ns()
        return None if now_ns is None or self.is_clock_off else now_ns + self._settings.policy.timestamp_skew_max_ns

    def _mark_quiet(self, owned: Sequence[Owned]) -> Mapping[PartitionKey, Bounds]:
        """Mark the wall clock where the whole log has been read and something falls due, or other rules came into force.

        Return where the logs of quiet partitions begin and end.

        The clock is read before the ends are asked for: all that was appended until then has been read. A partition that was busy since
        the last checkpoint needs no clock, its records tell the time; besides, the ends a broker tells may lag behind what it delivers.
        """
        wall_ns = self._now_ns()
        quiet = [one for one in owned if one.owner.is_quiet]
        for one in owned:
            one.owner.is_quiet = True
            if one.owner.has_new_rules:
                one.owner.mark(0)
        if wall_ns is None or not quiet:
            return {}
        bounds = self._around.bounds([one.owner.key for one in quiet])
        for one in quiet:
            owner = one.owner
            there = bounds.get(owner.key)
            one.waits_at = owner.position if there is None or owner.position < there.end else -1
            if there is None:
                continue
            self._load(owner, there, wall_ns)
            self._watch_end(one, there, wall_ns)
            if owner.is_replaying:
                continue
            if owner.position >= there.end and not self.is_clock_off and owner.is_due(wall_ns, self._settings.idle_interval_ns):
                owner.mark(wall_ns)
            elif self.is_clock_off and abs(wall_ns - self._clock_checked_ns) >= self._settings.idle_interval_ns:
                # A record that decides nothing: its answer tells whether the clock was set right.
                owner.mark(0)
        return bounds

    def _watch_end(self, one: Owned, bounds: Bounds, wall_ns: int) -> None:
        """Note a partition whose log has ended for some time before the place where it was read to, or has to be: it was made anew."""
        owner = one.owner
        is_short = bounds.end <= owner.position if owner.is_replaying else bounds.end < owner.position
        if not is_short or owner.position != one.moved_to:
            one.moved_to, one.moved_at_ns = owner.position, wall_ns
        elif wall_ns - one.moved_at_ns > _STUCK_NS:
            self._truncated.add(owner.key)

    def _gauge(self, owned: Iterable[Owned]) -> None:
        for one in owned:
            labels = (one.owner.key.topic, str(one.owner.key.partition))
            self._around.metrics.set(m.POSITION, one.owner.position, *labels)
            self._around.metrics.set(m.PARTITION_TIME, one.owner.time.now_ns / SECOND_NS, *labels)
            self._around.metrics.set(m.SHED_LEVEL, one.owner.shed_level, *labels)
        self._around.metrics.set(m.TRACES_REMEMBERED, sum(len(one.owner.traces.traces) for one in self.owned.values()))
