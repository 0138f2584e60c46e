"""What may happen: profiles that make some things common, and the drawing of the next step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from random import Random
from types import MappingProxyType

from processor.closing import SECOND_NS, ClosingPolicy
from processor.engines import EngineName
from processor.record import PartitionKey
from tests.simulation.broker import DIFFERING
from tests.simulation.faults import ANSWERED, POINTS, Answer, Fault
from tests.simulation.programs import PROGRAM_COUNT
from tests.simulation.worker import Worker
from tests.simulation.world import Setting, Step, World

# Small numbers, so that traces close, are forgotten, are cut, and come again under the same id all the time.
POLICY = ClosingPolicy(SECOND_NS, 3 * SECOND_NS, 12 * SECOND_NS, 8 * SECOND_NS, 2 * SECOND_NS, 6, early_verdicts=True)
# Stamps may be late, and clocks wrong, by so much each: together they stay within the skew that the policy allows.
_DISORDER_NS = 900_000_000
_HOUR_NS = 3_600 * SECOND_NS
# By the reference engine's estimate: a dozen spans of all partitions of a worker.
MEMORY_MAX_BYTES = 12_000
# Most effects are a checkpoint's, most calls are polls.
_FAULT_FACTOR = {"take": 2.5, "poll": 0.2, "checkpoint": 2.5}
_WEIGHTS = MappingProxyType(
    {
        "append": 30,
        "clock": 10,
        "poll": 30,
        "checkpoint": 18,
        "take": 40,
        "move": 3,
        "move_orphan": 20,
        "learn": 4,
        "start": 12,
        "stop": 1,
        "crash": 2,
        "resume": 6,
        "wipe": 0.4,
        "roll back": 0.6,
        "down": 0.4,
        "up": 3,
        "trim": 0.5,
        "lose": 0,
        "rules": 0,
        "evict": 0,
        "shed": 0,
        "skew": 0,
    }
)


@dataclass(frozen=True, slots=True)
class Profile:
    """How a run is made: `weights` change how often a kind of step comes, `clock_s` how far time goes at once.

    `fault` is the chance of one in a call; `late` that a record is stamped late, `again` that it repeats a span, `poison` that nobody can
    read it, `unkeyed` that it has no key, `lying` that its key names another trace than it holds, `unstamped` that it has no
    timestamp; `drains` is that of a stop to close what is open.
    """

    weights: Mapping[str, float] = field(default_factory=dict)
    clock_s: tuple[float, ...] = (0.3, 1, 1, 2, 4, 9)
    trace_count: int = 4
    steps: int = 110
    fault: float = 0.12
    late: float = 0.2
    again: float = 0.1
    poison: float = 0.02
    unkeyed: float = 0.0
    lying: float = 0.0
    unstamped: float = 0.0
    policies: int = 1
    store_interval_s: tuple[int, ...] = (0, 0, 2, 5)
    is_orderly: bool = True
    drains: float = 0.0
    memory_max_bytes: int = 2**63


PROFILES: Mapping[str, Profile] = MappingProxyType(
    {
        "plain": Profile(),
        "late": Profile(late=0.6, clock_s=(0.3, 0.3, 1, 1, 3, 4)),
        "forget": Profile(late=0.4, clock_s=(1, 3, 5, 9, 10, 11, 70), trace_count=2),
        "cut": Profile(
            clock_s=(0.5, 1, 2, 2, 3), trace_count=2, weights={"append": 45, "wipe": 4, "crash": 5}, steps=140, store_interval_s=(0, 5)
        ),
        "evict": Profile(weights={"evict": 6}, clock_s=(0.3, 1, 2, 4, 9)),
        "rules": Profile(weights={"rules": 4}),
        "redeliver": Profile(again=0.5, trace_count=3),
        "store": Profile(weights={"wipe": 3, "roll back": 5, "down": 2}, clock_s=(0.3, 1, 4, 6, 9, 65)),
        "fail-over": Profile(
            weights={"checkpoint": 40, "roll back": 8, "wipe": 0, "down": 0, "move": 1}, fault=0.05, trace_count=6, store_interval_s=(0,)
        ),
        "zombie": Profile(weights={"move": 12, "resume": 3, "learn": 3}, fault=0.25),
        "skew": Profile(weights={"skew": 3}, is_orderly=False, unstamped=0.03),
        "policy": Profile(policies=3, weights={"crash": 4}, is_orderly=False),
        "loss": Profile(
            weights={"lose": 5, "rules": 1, "crash": 6, "wipe": 4},
            trace_count=3,
            clock_s=(0.3, 1, 2, 4),
            fault=0.05,
            store_interval_s=(0, 5),
        ),
        "drain": Profile(weights={"stop": 8}, drains=0.8),
        "memory": Profile(weights={"crash": 4}, memory_max_bytes=MEMORY_MAX_BYTES, trace_count=6),
        "unkeyed": Profile(unkeyed=0.3, weights={"rules": 1, "evict": 1}),
        "shed": Profile(weights={"shed": 10}, late=0.4, clock_s=(0.3, 0.3, 1, 2, 4, 8, 9), trace_count=5),
        "shed-unkeyed": Profile(
            weights={"shed": 10, "evict": 1}, late=0.4, clock_s=(0.3, 1, 4, 8, 8, 9), trace_count=3, unkeyed=0.2, lying=0.15
        ),
        "mixed": Profile(
            weights={"rules": 1.5, "evict": 1.5, "shed": 1.5, "wipe": 1, "roll back": 2, "move": 6},
            late=0.4,
            clock_s=(0.3, 1, 2, 4, 9, 11, 70),
            fault=0.2,
            policies=2,
            unkeyed=0.05,
            is_orderly=False,
        ),
    }
)


def profile_of(seed: int, name: str | None) -> str:
    """Return the profile of a seed: the one named, else each in turn."""
    return name or list(PROFILES)[seed % len(PROFILES)]


class Scenario:
    """Draws a run from a seed."""

    def __init__(self, seed: int, profile: str, engine: EngineName) -> None:
        self.random = Random(f"{profile} {seed}")  # text, so that neighbouring seeds have nothing in common
        self.profile = PROFILES[profile]
        self._engine = engine
        self._weights = {**_WEIGHTS, **self.profile.weights}

    def setting(self) -> Setting:
        """Draw what does not change."""
        draw = self.random
        others = (
            replace(POLICY, idle_timeout_ns=5 * SECOND_NS, closed_retention_ns=5 * SECOND_NS, early_verdicts=False),
            replace(POLICY, max_age_ns=6 * SECOND_NS, root_grace_ns=None, span_count_max=4),
        )
        return Setting(
            partition_count=draw.choice((1, 1, 2, 3)),
            worker_count=draw.choice((2, 2, 3)),
            policies=(POLICY, *others)[: self.profile.policies],
            engine=self._engine,
            tells_append_time=draw.random() < 0.8,
            store_interval_ns=draw.choice(self.profile.store_interval_s) * SECOND_NS,
            idle_interval_ns=draw.choice((20, 60)) * SECOND_NS,
            has_store=draw.random() < 0.9,
            is_orderly=self.profile.is_orderly,
            memory_max_bytes=self.profile.memory_max_bytes,
        )

    def next(self, world: World) -> Step:
        """Draw the next step: of a kind that is possible now, more or less."""
        kinds = self._possible(world)
        kind = self.random.choices(list(kinds), list(kinds.values()))[0]
        step: Step = getattr(self, f"_{kind.replace(' ', '_')}")(world)
        return step

    def _possible(self, world: World) -> dict[str, float]:
        places = range(len(world.places))
        free = [worker for place in places if (worker := world.free(place)) is not None]
        alive = [worker for worker in world.places if worker is not None and worker.is_alive]
        owners = {worker.number for worker in alive}
        is_down = world.store.is_down
        chances = {
            "take": any(world.to_take(worker) for worker in free),
            "poll": any(worker.has_more(key) for worker in free for key in worker.owned),
            "checkpoint": any(worker.owned for worker in free),
            "learn": any(world.lost(worker) for worker in free),
            "move_orphan": bool(alive) and any(world.broker.owners.get(key) not in owners for key in world.broker.keys),
            "move": len(alive) > 1,
            "start": len(alive) < len(world.places),
            "stop": bool(free),
            "crash": bool(alive),
            "resume": len(alive) > len(free),
            "skew": bool(alive),
            "evict": any(worker.owned - worker.retake for worker in free),
            "shed": any(worker.owned - worker.retake for worker in free),
            "wipe": not world.store.is_empty,
            "roll back": not world.store.is_empty,
            "down": not is_down,
            "up": is_down,
        }
        return {kind: weight for kind, weight in self._weights.items() if weight and chances.get(kind, True)}

    # ---- the kinds of step ----------------------------------------------------------------------------------------------------------

    def _append(self, world: World) -> Step:
        draw, profile = self.random, self.profile
        partition = draw.randrange(len(world.broker.keys))
        trace = draw.randrange(profile.trace_count)
        spans = tuple((trace, self._number()) for _ in range(draw.choice((1, 1, 2, 3))))
        is_keyed = draw.random() >= profile.unkeyed
        if not is_keyed and draw.random() < 0.5:
            spans += ((draw.randrange(profile.trace_count), self._number()),)
        key = trace if is_keyed else None
        if draw.random() < profile.poison:
            spans, key = (), None
        if spans and profile.lying and draw.random() < profile.lying:
            key = draw.randrange(profile.trace_count)
        stamp_ns = None if draw.random() < profile.unstamped else self._stamp_ns()
        return Step("append", partition, (spans, stamp_ns, draw.choice((0, 0, 0, 0, 1, 3)), key))

    def _number(self) -> int:
        draw = self.random
        number = draw.choice((0, 1, 1, 1)) if draw.random() < self.profile.again else draw.randrange(8)
        return number + DIFFERING if draw.random() < self.profile.again / 3 else number

    def _stamp_ns(self) -> int:
        draw = self.random
        if not self.profile.is_orderly and draw.random() < 0.1:
            return draw.choice((-5, -1, 1, 3, 30)) * SECOND_NS
        return -draw.randrange(_DISORDER_NS) if draw.random() < self.profile.late else 0

    def _clock(self, _world: World) -> Step:
        seconds = self.random.choice(self.profile.clock_s)
        return Step("clock", 0, (round(seconds * SECOND_NS) + self.random.randrange(1_000),))

    def _start(self, world: World) -> Step:
        draw = self.random
        dead = [place for place, worker in enumerate(world.places) if worker is None or not worker.is_alive]
        offset_ns = draw.choice((0, 0, 0, -1, 1)) * draw.randrange(_DISORDER_NS)
        if not self.profile.is_orderly and draw.random() < 0.1:
            offset_ns = draw.choice((-2, 2)) * _HOUR_NS
        return Step("start", draw.choice(dead), (draw.randrange(self.profile.policies), offset_ns, draw.random() < 0.5))

    def _skew(self, world: World) -> Step:
        ns = self.random.choice((0, 0, _HOUR_NS, -_HOUR_NS, 1_500_000_000, -1_500_000_000))
        return Step("skew", self._place(world), (ns,))

    def _take(self, world: World) -> Step:
        places = [place for place in range(len(world.places)) if (it := world.free(place)) is not None and world.to_take(it)]
        return Step("take", self.random.choice(places), (), self._fault("take"))

    def _poll(self, world: World) -> Step:
        place, partition = self._owned(world, lambda worker, key: worker.has_more(key))
        return Step("poll", place, (partition, self.random.choice((1, 2, 3, 5, 100))), self._fault("poll"))

    def _evict(self, world: World) -> Step:
        place, partition = self._owned(world, lambda worker, key: key not in worker.retake)
        return Step("evict", place, (partition, self.random.choice((0, 1, 3, 6))))

    def _shed(self, world: World) -> Step:
        place, partition = self._owned(world, lambda worker, key: key not in worker.retake)
        return Step("shed", place, (partition, self.random.choice((0, 0, 60, 130, 160, 220, 256))))

    def _owned(self, world: World, is_fit: Callable[[Worker, PartitionKey], bool]) -> tuple[int, int]:
        """Draw a worker and one of its partitions."""
        pairs = [
            (place, key.partition)
            for place in range(len(world.places))
            if (worker := world.free(place)) is not None
            for key in sorted(worker.owned)
            if is_fit(worker, key)
        ]
        return self.random.choice(pairs)

    def _checkpoint(self, world: World) -> Step:
        places = [place for place in range(len(world.places)) if (it := world.free(place)) is not None and it.owned]
        return Step("checkpoint", self.random.choice(places), (), self._fault("checkpoint"))

    def _move(self, world: World) -> Step:
        alive = [place for place, worker in enumerate(world.places) if worker is not None and worker.is_alive]
        partition = self.random.randrange(len(world.broker.keys))
        return Step("move", self.random.choice(alive), (partition, self.random.random() < 0.4), self._fault("checkpoint"))

    def _move_orphan(self, world: World) -> Step:
        alive = {worker.number: place for place, worker in enumerate(world.places) if worker is not None and worker.is_alive}
        orphans = [key for key in world.broker.keys if world.broker.owners.get(key) not in alive]
        return Step("move", self.random.choice(list(alive.values())), (self.random.choice(orphans).partition, False))

    def _learn(self, world: World) -> Step:
        return Step("learn", self._place(world))

    def _stop(self, world: World) -> Step:
        drains = bool(self.profile.drains) and self.random.random() < self.profile.drains
        return Step("stop", self._place(world), (drains,), self._fault("checkpoint"))

    def _crash(self, world: World) -> Step:
        return Step("crash", self._place(world))

    def _resume(self, world: World) -> Step:
        places = [place for place, worker in enumerate(world.places) if worker is not None and worker.standing is not None]
        return Step("resume", self.random.choice(places), (), self._fault("checkpoint"))

    def _place(self, world: World) -> int:
        return self.random.randrange(len(world.places))

    def _trim(self, world: World) -> Step:
        return Step("trim", self.random.randrange(len(world.broker.keys)))

    def _lose(self, world: World) -> Step:
        draw = self.random
        what = draw.choice(("journal", "journal", "all of the journal", "input", "input", "input", "program"))
        return Step("lose", draw.randrange(len(world.broker.keys)), (what, draw.choice((0.3, 0.7, 1.0))))

    def _rules(self, _world: World) -> Step:
        return Step("rules", 0, (self.random.randrange(PROGRAM_COUNT),))

    def _wipe(self, _world: World) -> Step:
        return Step("store", 0, ("wipe", 0))

    def _roll_back(self, _world: World) -> Step:
        return Step("store", 0, ("roll back", self.random.choice((1, 1, 2, 5))))

    def _down(self, _world: World) -> Step:
        return Step("store", 0, ("down", 0))

    def _up(self, _world: World) -> Step:
        return Step("store", 0, ("up", 0))

    def _fault(self, call: str) -> Fault | None:
        draw = self.random
        if draw.random() >= self.profile.fault * _FAULT_FACTOR[call]:
            return None
        point = draw.choice(POINTS[call])
        answers = [Answer.CRASH, Answer.PAUSE, Answer.PAUSE]
        if point in ANSWERED:
            answers += [Answer.LOST, Answer.REFUSED]
        return Fault(point, draw.choice((0, 0, 0, 0, 1)), draw.choice(answers))
