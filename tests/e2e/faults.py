"""What a storm does to the parts, as a schedule drawn from a seed, and how each fault is done.

A fault is a generator: it does something, yields how many seconds to wait, and goes on. Each mends what it broke before it ends.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from redis import RedisError

from loadtest.kafka_broker import listens

if TYPE_CHECKING:
    import random
    from collections.abc import Collection, Iterator

    from loadtest.kafka_broker import OwnKafka
    from tests.e2e.crew import Crew, Member
    from tests.e2e.toxiproxy import Proxy
    from tests.redis_servers import RedisServer

Script: TypeAlias = Generator[float, None, None]

WORKERS_MIN, WORKERS_MAX = 2, 4
_EVERY_S = 3.5
_CALM_BEFORE_S, _CALM_BEHIND_S = 4.0, 5.0
_ROLLING_S = 2.5
_POLL_S = 0.2
_CALM_WITHIN_S = 8.0
_CUT_OFF_S = 0.8
_NO_WAY = "the schedule was drawn for a storm with proxies"
# What nobody works without.
_BROKER, _WAY_TO_KAFKA, _WAY_TO_REDIS = "the broker", "the way to Kafka", "the way to Redis"
_NEEDED = frozenset({_BROKER, _WAY_TO_KAFKA})


class Kind(StrEnum):
    """What may happen."""

    KILL_WORKER = "kill a worker"
    FREEZE_WORKER = "freeze a worker, and let it go on when another works in its place"
    STRAND_WORKER = "cut a worker off in the middle of a checkpoint, freeze it, and let it go on when another works in its place"
    ADD_WORKER = "add a worker"
    REMOVE_WORKER = "stop a worker for good"
    ROLLING_RESTART = "restart all workers, one after the other"
    BROKER_RESTART = "restart the broker"
    BROKER_KILL = "kill the broker and start it again"
    REDIS_FLUSH = "FLUSHALL"
    REDIS_KILL = "kill Redis and start it again, empty"
    REDIS_ROLLBACK = "kill Redis and start it again as it was before"
    REDIS_FREEZE = "freeze Redis"
    REDIS_SLOW = "a slow way to Redis"
    REDIS_CUT = "no way to Redis"
    KAFKA_SLOW = "a slow way from the workers to the broker"
    KAFKA_CUT = "no way from the workers to the broker"
    KAFKA_HUSH = "the broker's answers get lost"
    SHUFFLE = "records out of order and late"
    REDELIVER = "records twice"
    CHANGE_RULES = "other rules in the middle of traces"


OF_THE_WAYS = frozenset({Kind.STRAND_WORKER, Kind.REDIS_SLOW, Kind.REDIS_CUT, Kind.KAFKA_SLOW, Kind.KAFKA_CUT, Kind.KAFKA_HUSH})
# What the journal is there for comes more often.
_AGAIN = (Kind.KILL_WORKER, Kind.STRAND_WORKER, Kind.STRAND_WORKER)
# For how long; for a worker that dies: how long until another takes its place.
_LASTS_S = {
    Kind.KILL_WORKER: (0.0, 2.0),
    Kind.FREEZE_WORKER: (7.5, 9.5),
    Kind.STRAND_WORKER: (7.5, 9.5),
    Kind.BROKER_RESTART: (0.0, 1.0),
    Kind.BROKER_KILL: (0.0, 3.0),
    Kind.REDIS_KILL: (0.0, 3.0),
    Kind.REDIS_ROLLBACK: (2.0, 6.0),
    Kind.REDIS_FREEZE: (0.5, 5.0),
    Kind.REDIS_SLOW: (2.0, 6.0),
    Kind.REDIS_CUT: (0.5, 4.0),
    Kind.KAFKA_SLOW: (2.0, 6.0),
    Kind.KAFKA_CUT: (0.2, 4.0),
    Kind.KAFKA_HUSH: (0.2, 5.0),
    Kind.SHUFFLE: (3.0, 6.0),
    Kind.REDELIVER: (3.0, 6.0),
}


class Fault(NamedTuple):
    """Something that is to happen; `draw`, from 0 up to 1, chooses among what is there then."""

    at_s: float
    kind: Kind
    lasts_s: float
    draw: float


def schedule(rng: random.Random, seconds: float, without: Collection[Kind] = (), tempo: float = 1) -> list[Fault]:
    """Return what is to happen, in its order: as many different kinds as there is time for; each `tempo` times as late."""
    kinds = [kind for kind in (*Kind, *_AGAIN) if kind not in without]
    deck: list[Kind] = []
    times = sorted(rng.uniform(_CALM_BEFORE_S, seconds - _CALM_BEHIND_S) for _ in range(round(seconds / _EVERY_S)))
    while len(deck) < len(times):
        deck += rng.sample(kinds, len(kinds))
    found = []
    for at_s, kind in zip(times, deck, strict=False):
        lasts_s = rng.uniform(*_LASTS_S.get(kind, (0.0, 0.0)))
        found.append(Fault(at_s * tempo, kind, lasts_s, rng.random()))
    return found


@dataclass
class Scene:
    """The parts. `broken` are those that a fault holds now: another fault leaves them alone. `say` takes note of what happens."""

    crew: Crew
    kafka: OwnKafka
    redis: RedisServer
    kafka_way: Proxy | None
    redis_way: Proxy | None
    say: Callable[[str], None]
    change_rules: Callable[[], str]
    tempo: float = 1
    broken: set[str] = field(default_factory=set)

    def script(self, fault: Fault) -> Script:
        """Return how a fault is done."""
        yield from _SCRIPTS[fault.kind](self, fault)

    def pick(self, draw: float) -> Member | None:
        """Choose a worker, where possible one that has partitions."""
        standing = self.crew.standing()
        there = [member for member in standing if member.has_joined] or standing
        if not there:
            self.say("  no worker is there for it")
        return there[int(draw * len(there))] if there else None

    @contextmanager
    def holding(self, part: str) -> Iterator[bool]:
        """Have a part for this fault alone; False where another has it."""
        if part in self.broken:
            self.say(f"  left out: {part} is in other hands")
            yield False
            return
        self.broken.add(part)
        try:
            yield True
        finally:
            self.broken.discard(part)


def _kill_worker(scene: Scene, fault: Fault) -> Script:
    member = scene.pick(fault.draw)
    if member is not None:
        scene.say(f"  {member.log_file.stem}, another in {fault.lasts_s:.1f} s")
        member.signal(signal.SIGKILL)
        scene.crew.replace(member, fault.lasts_s)
    yield 0


def _calm(scene: Scene) -> Script:
    """Wait for a while until others are there to work in a worker's place."""
    for _ in range(round(_CALM_WITHIN_S / _POLL_S)):
        if not scene.broken & _NEEDED and sum(member.has_joined for member in scene.crew.standing()) > 1:
            break
        yield _POLL_S


def _freeze_worker(scene: Scene, fault: Fault) -> Script:
    yield from _calm(scene)
    member = scene.pick(fault.draw)
    if member is not None:
        yield from _frozen(scene, member, fault.lasts_s)


def _frozen(scene: Scene, member: Member, seconds: float) -> Script:
    scene.say(f"  {member.log_file.stem} for {seconds:.1f} s")
    process = member.process
    member.freeze()
    yield seconds
    if member.process is process:
        member.resume()


def _strand_worker(scene: Scene, fault: Fault) -> Script:
    """What it is about to append stays in its hands, and comes to the journal behind the fence of the next owner."""
    yield from _calm(scene)
    member = scene.pick(fault.draw)
    if member is None:
        return
    assert scene.kafka_way is not None, _NO_WAY
    with scene.holding(_WAY_TO_KAFKA) as is_ours:
        if not is_ours:
            return
        scene.kafka_way.cut()
        yield _CUT_OFF_S
        frozen = _frozen(scene, member, fault.lasts_s)
        lasts_s = next(frozen)
        scene.kafka_way.mend()
    yield lasts_s
    yield from frozen


def _add_worker(scene: Scene, _fault: Fault) -> Script:
    if scene.crew.wanted_count() < WORKERS_MAX:
        scene.say(f"  {scene.crew.add().log_file.stem}")
    yield 0


def _remove_worker(scene: Scene, fault: Fault) -> Script:
    member = scene.pick(fault.draw) if scene.crew.wanted_count() > WORKERS_MIN else None
    if member is not None:
        scene.say(f"  {member.log_file.stem}")
        member.is_wanted = False
        member.signal(signal.SIGTERM)
    yield 0


def _rolling_restart(scene: Scene, _fault: Fault) -> Script:
    for member in scene.crew.standing():
        scene.say(f"  {member.log_file.stem}")
        member.signal(signal.SIGTERM)
        yield _ROLLING_S * scene.tempo


def _broker_down(how: signal.Signals) -> Callable[[Scene, Fault], Script]:
    def script(scene: Scene, fault: Fault) -> Script:
        with scene.holding(_BROKER) as is_ours:
            if not is_ours:
                return
            scene.kafka.process.send_signal(how)
            while scene.kafka.process.poll() is None:
                yield _POLL_S
            yield fault.lasts_s
            scene.kafka.start_again()
            while not listens(scene.kafka.port):
                if scene.kafka.process.poll() is not None:
                    scene.kafka.start_again()
                yield _POLL_S
            scene.say("  the broker is back")

    return script


def _redis_flush(scene: Scene, _fault: Fault) -> Script:
    _ask_redis(scene, "flushall")
    yield 0


def _redis_kill(scene: Scene, fault: Fault) -> Script:
    with scene.holding("Redis") as is_ours:
        if is_ours:
            scene.redis.kill()
            yield fault.lasts_s
            (scene.redis.folder / "dump.rdb").unlink(missing_ok=True)
            scene.redis.start()


def _redis_rollback(scene: Scene, fault: Fault) -> Script:
    with scene.holding("Redis") as is_ours:
        if is_ours:
            _ask_redis(scene, "save")
            yield fault.lasts_s
            scene.say(f"  as it was {fault.lasts_s:.1f} s ago")
            scene.redis.kill()
            scene.redis.start()


def _redis_freeze(scene: Scene, fault: Fault) -> Script:
    with scene.holding("Redis") as is_ours:
        if is_ours:
            with scene.redis.frozen():
                yield fault.lasts_s


def _ask_redis(scene: Scene, command: str) -> None:
    try:
        with scene.redis.client() as client:
            client.execute_command(command)
    except RedisError as error:
        scene.say(f"  Redis does not answer: {error}")


def _on_way(name: str, break_it: Callable[[Proxy], None]) -> Callable[[Scene, Fault], Script]:
    def script(scene: Scene, fault: Fault) -> Script:
        way = scene.kafka_way if name == _WAY_TO_KAFKA else scene.redis_way
        assert way is not None, _NO_WAY
        with scene.holding(name) as is_ours:
            if is_ours:
                scene.say(f"  for {fault.lasts_s:.1f} s")
                break_it(way)
                yield fault.lasts_s
                way.mend()

    return script


def _of_the_input(_scene: Scene, _fault: Fault) -> Script:
    """Leave it to the player, who has planned it."""
    yield 0


def _change_rules(scene: Scene, _fault: Fault) -> Script:
    scene.say(f"  to {scene.change_rules()}")
    yield 0


_SCRIPTS: dict[Kind, Callable[[Scene, Fault], Script]] = {
    Kind.KILL_WORKER: _kill_worker,
    Kind.FREEZE_WORKER: _freeze_worker,
    Kind.STRAND_WORKER: _strand_worker,
    Kind.ADD_WORKER: _add_worker,
    Kind.REMOVE_WORKER: _remove_worker,
    Kind.ROLLING_RESTART: _rolling_restart,
    Kind.BROKER_RESTART: _broker_down(signal.SIGTERM),
    Kind.BROKER_KILL: _broker_down(signal.SIGKILL),
    Kind.REDIS_FLUSH: _redis_flush,
    Kind.REDIS_KILL: _redis_kill,
    Kind.REDIS_ROLLBACK: _redis_rollback,
    Kind.REDIS_FREEZE: _redis_freeze,
    Kind.REDIS_SLOW: _on_way(_WAY_TO_REDIS, lambda way: way.slow(latency_ms=400, jitter_ms=300, kbytes_a_second=500)),
    Kind.REDIS_CUT: _on_way(_WAY_TO_REDIS, lambda way: way.cut()),
    Kind.KAFKA_SLOW: _on_way(_WAY_TO_KAFKA, lambda way: way.slow(latency_ms=200, jitter_ms=150, kbytes_a_second=2_000)),
    Kind.KAFKA_CUT: _on_way(_WAY_TO_KAFKA, lambda way: way.cut()),
    Kind.KAFKA_HUSH: _on_way(_WAY_TO_KAFKA, lambda way: way.hush()),
    Kind.SHUFFLE: _of_the_input,
    Kind.REDELIVER: _of_the_input,
    Kind.CHANGE_RULES: _change_rules,
}
