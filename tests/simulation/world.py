"""The simulated world: it is moved one step at a time, and the same steps always lead to the same end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from processor.closing import SECOND_NS, ClosingPolicy
from processor.engines import EngineName
from processor.overload import ShedPolicy
from processor.record import PartitionKey
from processor.surroundings import CoreSettings
from tests.simulation.broker import TOPIC, BrokenPromiseError, Broker
from tests.simulation.faults import Fault
from tests.simulation.losses import lose
from tests.simulation.oracle import Evidence
from tests.simulation.programs import SharedRules
from tests.simulation.stores import FailingStore
from tests.simulation.uninterrupted import valid_records
from tests.simulation.worker import Worker
from topics.journal import Checkpoint, read_entry

_ROUND_COUNT_MAX = 60
_ROUND_NS = 7 * SECOND_NS
# So seldom does a worker, which never lags here by what production calls a lag, lower the level that a step has set.
_SHED_INTERVAL_NS = 30 * SECOND_NS
_LAST_ROUNDS_NS = 100 * SECOND_NS


class Step(NamedTuple):
    """One step: what happens, to whom (a worker's place, or a partition), how, and which fault meets it."""

    kind: str
    who: int = 0
    what: tuple[Any, ...] = ()
    fault: Fault | None = None

    def __str__(self) -> str:
        fault = "" if self.fault is None else f"   [{self.fault.answer} at {self.fault.point}, time {self.fault.nth}]"
        return f"{self.kind} {self.who} {self.what or ''}{fault}"


@dataclass(frozen=True, slots=True)
class Setting:
    """What does not change during a run. `is_orderly`: clocks and stamps keep to what is allowed."""

    partition_count: int
    worker_count: int
    policies: tuple[ClosingPolicy, ...]
    engine: EngineName
    tells_append_time: bool
    store_interval_ns: int
    idle_interval_ns: int
    has_store: bool
    is_orderly: bool
    memory_max_bytes: int = 2**63


@dataclass
class World:
    """Some workers, each in its place, and all that is outside them."""

    setting: Setting
    broker: Broker = field(init=False)
    store: FailingStore = field(default_factory=FailingStore)
    rules: SharedRules = field(init=False)
    places: list[Worker | None] = field(init=False)
    workers: list[Worker] = field(default_factory=list)
    trace: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.broker = Broker(self.setting.partition_count, tells_append_time=self.setting.tells_append_time)
        self.rules = SharedRules(self.setting.engine)
        self.places = [None] * self.setting.worker_count

    def do(self, step: Step) -> bool:
        """Do a step; one that is not possible now is left out (False)."""
        done: bool = getattr(self, f"_do_{step.kind}")(step)
        if done:
            self.trace.append(str(step))
        return done

    def free(self, place: int) -> Worker | None:
        """Return the worker at a place if it can be called."""
        worker = self.places[place]
        return worker if worker is not None and worker.is_free else None

    def key(self, partition: int) -> PartitionKey:
        return PartitionKey(TOPIC, partition)

    def to_take(self, worker: Worker) -> set[PartitionKey]:
        """Return the partitions a worker has been given and has not taken, and those it must take anew."""
        given = {key for key, owner in self.broker.owners.items() if owner == worker.number}
        return (given - worker.owned) | worker.retake

    def lost(self, worker: Worker) -> set[PartitionKey]:
        """Return the partitions that a worker believes to own and that the group has given to others."""
        return {key for key in worker.owned if self.broker.owners.get(key) != worker.number}

    # ---- steps outside the workers --------------------------------------------------------------------------------------------------

    def _do_append(self, step: Step) -> bool:
        spans, stamp_ns, gap, key = step.what
        timestamp_ns = None if stamp_ns is None else self.broker.now_ns + stamp_ns
        self.broker.logs[self.key(step.who)].append(spans, timestamp_ns, gap=gap, key=key)
        return True

    def _do_clock(self, step: Step) -> bool:
        self.broker.now_ns += step.what[0]
        self._finish_what_the_dead_have_asked()
        return True

    def _finish_what_the_dead_have_asked(self) -> None:
        """Let the store do what was on its way to it from workers that have died since."""
        for worker in self.workers:
            if not worker.is_alive:
                worker.points.arm(None)
                worker.later.finish()

    def _do_rules(self, step: Step) -> bool:
        if self.rules.number == step.what[0]:
            return False
        self.rules.put_in_force(step.what[0])
        return True

    def _do_store(self, step: Step) -> bool:
        how, count = step.what
        if how == "wipe" and not self.store.is_empty:
            self.store.wipe()
        elif how == "roll back" and not self.store.is_empty:
            self.store.roll_back(count)
        elif how in {"down", "up"} and self.store.is_down != (how == "down"):
            self.store.is_down = how == "down"
        else:
            return False
        return True

    def _do_lose(self, step: Step) -> bool:
        return lose(self, self.key(step.who), *step.what)

    def _do_trim(self, step: Step) -> bool:
        """Retention takes what nobody needs, of journal and input.

        Of the journal that is what stands before all that the last record names. While a worker may still be a zombie, or has left a void
        record behind, nothing is taken: a journal is kept for longer than that.
        """
        key = self.key(step.who)
        log, journal = self.broker.logs[key], self.broker.journal
        records = {one.offset: one.record for one in valid_records(journal.logs[key])}
        if not records or any(worker.is_alive and (worker.standing or key in self.lost(worker)) for worker in self.workers):
            return False
        last = records[max(records)]
        entries = [(offset, read_entry(value)) for offset, value in enumerate(journal.logs[key][last.journal_from :], last.journal_from)]
        if last.journal_from < 0 or any(isinstance(entry, Checkpoint) and offset not in records for offset, entry in entries):
            return False
        journal.remove_before(key, max(journal.first_offset(key), last.journal_from))
        log.first = max(log.first, min(records[last.journal_from].standing.position, last.rebuild_offset))
        return True

    # ---- workers come and go --------------------------------------------------------------------------------------------------------

    def _do_start(self, step: Step) -> bool:
        there = self.places[step.who]
        if there is not None and there.is_alive:
            return False
        policy, clock_offset_ns, is_eager = step.what
        settings = CoreSettings(
            policy=self.setting.policies[policy % len(self.setting.policies)],
            store_interval_ns=self.setting.store_interval_ns,
            idle_interval_ns=self.setting.idle_interval_ns,
            memory_max_bytes=self.setting.memory_max_bytes,
            worker=f"worker {len(self.workers)}",
            shed=ShedPolicy(interval_ns=_SHED_INTERVAL_NS),
        )
        store = self.store if self.setting.has_store else None
        worker = Worker(len(self.workers), self.broker, store, self.rules, settings, is_eager=is_eager)
        worker.clock_offset_ns = clock_offset_ns
        self.workers.append(worker)
        self.places[step.who] = worker
        return True

    def _do_crash(self, step: Step) -> bool:
        worker = self.places[step.who]
        if worker is None or not worker.is_alive:
            return False
        worker.crash()
        return True

    def _do_stop(self, step: Step) -> bool:
        worker = self.free(step.who)
        if worker is None:
            return False
        drains = bool(step.what and step.what[0])

        def body() -> None:
            worker.hand_over(worker.owned, drains=drains)
            worker.is_alive = False

        worker.call(body, step.fault)
        for key in [key for key, owner in self.broker.owners.items() if owner == worker.number]:
            del self.broker.owners[key]
        return True

    def _do_skew(self, step: Step) -> bool:
        worker = self.places[step.who]
        if worker is None or not worker.is_alive:
            return False
        worker.clock_offset_ns = step.what[0]
        return True

    # ---- partitions move ------------------------------------------------------------------------------------------------------------

    def _do_move(self, step: Step) -> bool:
        """Give a partition to a worker; its old owner is told in good order, or goes on."""
        worker = self.places[step.who]
        partition, is_told = step.what
        key = self.key(partition)
        old = self._owner(key)
        if worker is None or not worker.is_alive or old is worker:
            return False
        if is_told and old is not None and old.is_free and key in old.owned:
            giver = old
            giver.call(lambda: giver.hand_over([key]), step.fault)
        self.broker.owners[key] = worker.number
        return True

    def _owner(self, key: PartitionKey) -> Worker | None:
        number = self.broker.owners.get(key)
        return None if number is None else self.workers[number]

    def _do_take(self, step: Step) -> bool:
        return self._call(step, self.to_take, lambda worker, keys: worker.take(keys))

    def _do_learn(self, step: Step) -> bool:
        return self._call(step, self.lost, lambda worker, keys: worker.lose(keys))

    def _call(self, step: Step, keys_of: Callable[[Worker], set[PartitionKey]], act: Callable[[Worker, set[PartitionKey]], None]) -> bool:
        worker = self.free(step.who)
        if worker is None or not (keys := keys_of(worker)):
            return False
        worker.call(lambda: act(worker, keys), step.fault)
        return True

    # ---- work -----------------------------------------------------------------------------------------------------------------------

    def _do_poll(self, step: Step) -> bool:
        worker, key = self.free(step.who), self.key(step.what[0])
        if worker is None or not worker.has_more(key):
            return False
        worker.call(lambda: worker.poll(key, step.what[1]), step.fault)
        return True

    def _do_checkpoint(self, step: Step) -> bool:
        worker = self.free(step.who)
        if worker is None or not worker.owned - worker.retake:
            return False
        worker.call(worker.checkpoint, step.fault)
        return True

    def _do_evict(self, step: Step) -> bool:
        worker, key = self.free(step.who), self.key(step.what[0])
        if worker is None or key not in worker.owned - worker.retake:
            return False
        worker.call(lambda: worker.handler.evict(key, max(0, worker.positions[key] - step.what[1])))
        return True

    def _do_shed(self, step: Step) -> bool:
        worker, key = self.free(step.who), self.key(step.what[0])
        if worker is None or key not in worker.owned - worker.retake:
            return False
        worker.call(lambda: worker.handler.shed(key, step.what[1]))
        return True

    def _do_resume(self, step: Step) -> bool:
        worker = self.places[step.who]
        if worker is None or worker.standing is None:
            return False
        worker.resume(step.fault)
        return True

    # ---- the end --------------------------------------------------------------------------------------------------------------------

    def come_to_rest(self) -> Evidence:
        """Let all faults end, and time go on until there is nothing left to do."""
        self.trace.append("-- faults end")
        self.store.is_down = False
        for worker in self.workers:
            while worker.standing is not None:
                worker.resume()
        self._finish_what_the_dead_have_asked()
        for place, one in enumerate(self.places):
            if one is not None and one.is_alive and one.clock_offset_ns:
                # A wrong clock is set right, or its worker is stopped.
                self.do(Step("skew", place, (0,)) if place % 2 else Step("stop", place))
        if not any(self.free(place) for place in range(len(self.places))):
            self.do(Step("start", 0, (0, 0, True)))
        for round_number in range(_ROUND_COUNT_MAX):
            self._settle(round_number)
            self.broker.now_ns += _ROUND_NS
            if round_number > 2 and self._is_at_rest():
                break
        else:
            raise BrokenPromiseError("it does not come to rest")
        for round_number in range(2):
            self.broker.now_ns = max(self.broker.now_ns, self._latest_mark_ns()) + _LAST_ROUNDS_NS
            self._settle(round_number)
        seen = [one for worker in self.workers for one in worker.seen]
        return Evidence(self.broker, seen, self.setting.is_orderly)

    def _latest_mark_ns(self) -> int:
        """Return the greatest partition time: a wrong clock may have moved one far ahead."""
        times = [one.owner.time.now_ns for worker in self.workers if worker.is_alive for one in worker.handler.owned.values()]
        return max(times, default=0)

    def close(self) -> None:
        """Leave no thread behind."""
        for worker in self.workers:
            worker.crash()

    def _settle(self, round_number: int) -> None:
        """Let the group give every partition to somebody, and everybody read all there is, checkpoint, and look at the clock."""
        living = [worker for worker in self.places if worker is not None and worker.is_alive]
        for key in self.broker.keys:
            owner = self._owner(key)
            if owner is None or not owner.is_alive:
                self.broker.owners[key] = living[(round_number + key.partition) % len(living)].number
        for place, worker in enumerate(self.places):
            if worker is None or not worker.is_alive:
                continue
            self.do(Step("learn", place))
            self.do(Step("take", place))
            for key in self.broker.keys:
                self.do(Step("poll", place, (key.partition, 1_000)))
            self.do(Step("checkpoint", place))
            self.do(Step("checkpoint", place))

    def _is_at_rest(self) -> bool:
        for key, log in self.broker.logs.items():
            owner = self._owner(key)
            if owner is None or key in owner.retake or owner.positions.get(key) != log.end:
                return False
            one = owner.handler.owned.get(key)
            if one is None or one.owner.is_replaying:
                return False
        return not any(worker.is_alive and worker.handler.is_urgent for worker in self.workers)
