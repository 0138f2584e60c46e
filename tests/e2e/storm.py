"""A storm: workers judge what is played while everything around them is broken in turn, then all that they wrote is judged.

`make storm SEED=7 RUNS=1` repeats one; a seed fixes what is played, what happens and when, though not what it meets.
"""

from __future__ import annotations

import argparse
import heapq
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from cli.embedded_store import store_binary
from loadtest.kafka_broker import KafkaStartError, Listener, NoKafka, OwnKafka, lasting_port, own_kafka
from loadtest.machine import ROOT
from tests.e2e.brokers import Broker
from tests.e2e.faults import OF_THE_WAYS, Kind, Scene, schedule
from tests.e2e.stage import PARTITIONS, Stage, make_topics
from tests.e2e.storm_input import Player, Window, plan
from tests.e2e.toxiproxy import NoProxy, Proxy, toxiproxy
from tests.e2e.trial import Trial
from tests.redis_servers import NoRedis, RedisServer, redis_program

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.e2e.faults import Fault, Script
    from tests.e2e.judgement import Complaint
    from tests.e2e.storm_input import Play

SECONDS = 60.0
_WORKERS = 3
_TICK_S = 0.02
# A broker that was killed may not come back before its controller takes it for dead.
_FORGETS_SOON = "broker.session.timeout.ms=3000\nbroker.heartbeat.interval.ms=500\n"
# In how many seconds workers have their partitions, on a machine that has little else to do.
_BEGINS_IN_S = 6.0
_TEMPO_MAX = 3.0
_FAR_MS = 80


class Parts(NamedTuple):
    """What workers need, and the ways to it where there are proxies."""

    kafka: OwnKafka
    redis: RedisServer
    kafka_way: Proxy | None
    redis_way: Proxy | None


@dataclass
class Report:
    """How a storm went. `happened` is the schedule as it came to be, in seconds since the first record."""

    seed: int
    seconds: float
    folder: Path
    left_out: Mapping[Kind, str] = field(default_factory=dict)
    happened: list[str] = field(default_factory=list)
    complaints: Sequence[Complaint] = ()
    figures: dict[str, object] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """All of it, for people."""
        command = f"make storm SEED={self.seed} RUNS=1 SECONDS={self.seconds:g}"
        lines = [f"storm of seed {self.seed}, {self.seconds:g} s, commit {_commit()}; repeat it by: {command}", *self.happened]
        lines += [f"left out: {kind}: {why}" for kind, why in self.left_out.items()]
        lines.append(", ".join(f"{name} {figure}" for name, figure in self.figures.items()))
        lines += [f"WRONG {sort}: {text}" for sort, text in self.complaints]
        if self.complaints:
            lines.append(f"logs: {self.folder}")
        return "\n".join(lines)


class Storm:
    """One storm, from its seed to its report."""

    def __init__(self, seed: int, seconds: float, folder: Path) -> None:
        self.report = Report(seed, seconds, folder)
        self._folder = folder
        self._started = time.monotonic()
        self._stack = ExitStack()

    def run(self) -> Report:
        """Let it pass. Raises NoKafka where there is none, KafkaStartError where it does not start."""
        seed, seconds = self.report.seed, self.report.seconds
        with self._stack:
            parts = self._parts()
            trial = self._trial(parts)
            # A slow machine is given as much more time, or its workers would do little but start.
            tempo = min(max(trial.begin(_WORKERS) / _BEGINS_IN_S, 1.0), _TEMPO_MAX)
            faults = schedule(random.Random(seed), seconds, self.report.left_out, tempo)
            shuffled, redelivered = _windows(faults, Kind.SHUFFLE), _windows(faults, Kind.REDELIVER)
            play = plan(random.Random(seed), seconds * tempo, PARTITIONS, tempo, shuffled=shuffled, redelivered=redelivered)
            self._started = time.monotonic()
            player = self._play(Scene(trial.crew, *parts, self._say, trial.change_rules, tempo), faults, play, trial.stage)
            judged = trial.finish(play, player, self._say)
            self.report.happened += [f"        {text}" for text in trial.crew.ended]
            self.report.complaints = judged.complaints
            self.report.figures |= {"tempo": f"1/{tempo:.1f}", **judged.figures}
        return self.report

    def _parts(self) -> Parts:
        kafka_port, redis_port = lasting_port(), lasting_port()
        try:
            proxies = self._stack.enter_context(toxiproxy(self._folder))
        except NoProxy as reason:
            self.report.left_out = dict.fromkeys(OF_THE_WAYS, str(reason))
            proxies = None
        listener = Listener(advertised_port=0 if proxies is None else kafka_port, properties=_FORGETS_SOON)
        kafka = self._stack.enter_context(own_kafka(_made(self._folder / "kafka"), listener))
        redis = RedisServer(_redis_program(), _made(self._folder / "redis"), port=lasting_port())
        self._stack.callback(redis.kill)
        redis.start()
        if proxies is None:
            return Parts(kafka, redis, None, None)
        # Half of the storms, of either protocol: what goes wrong only while an answer is on its way is seldom seen beside the broker.
        distance_ms = _FAR_MS if self.report.seed % 4 >= 2 else 0
        self.report.figures["ms to the broker"] = distance_ms
        kafka_way = proxies.proxy("kafka", kafka_port, kafka.port, distance_ms)
        return Parts(kafka, redis, kafka_way, proxies.proxy("redis", redis_port, redis.port))

    def _trial(self, parts: Parts) -> Trial:
        """Make topics; the workers go by the proxies, the player and the judge do not."""
        stage = Stage(Broker(parts.kafka.internal_servers, "Apache Kafka", is_kafka=True), self._folder, uuid.uuid4().hex[:8])
        make_topics(stage)
        protocol = ("classic", "consumer")[self.report.seed % 2]
        self.report.figures["group protocol"] = protocol
        trial = Trial(
            stage,
            {
                "bootstrap_servers": f"127.0.0.1:{(parts.kafka_way or parts.kafka).port}",
                "store_url": f"redis://127.0.0.1:{(parts.redis_way or parts.redis).port}",
                "group_protocol": protocol,
            },
        )
        self._stack.callback(trial.crew.end)
        return trial

    def _play(self, scene: Scene, faults: Sequence[Fault], play: Play, stage: Stage) -> Player:
        player = Player(stage.broker.servers, stage.spans_topic, play)
        player.start()
        waiting = [(fault.at_s, number, self._begun(scene, fault)) for number, fault in enumerate(faults)]
        heapq.heapify(waiting)
        while waiting or player.is_alive():
            scene.crew.supervise()
            while waiting and waiting[0][0] <= self._now_s():
                _, number, script = heapq.heappop(waiting)
                pause_s = next(script, None)
                if pause_s is not None:
                    heapq.heappush(waiting, (self._now_s() + pause_s, number, script))
            time.sleep(_TICK_S)
        self._say("the storm is over")
        return player

    def _begun(self, scene: Scene, fault: Fault) -> Script:
        self._say(str(fault.kind))
        yield from scene.script(fault)

    def _say(self, text: str) -> None:
        self.report.happened.append(f"{self._now_s():6.1f}  {text}")

    def _now_s(self) -> float:
        return time.monotonic() - self._started


def _windows(faults: Sequence[Fault], kind: Kind) -> list[Window]:
    return [Window(fault.at_s, fault.at_s + fault.lasts_s) for fault in faults if fault.kind is kind]


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _redis_program() -> Path:
    """Return Redis where it is, else the embedded Valkey."""
    try:
        return redis_program()
    except NoRedis:
        return store_binary()


def _commit() -> str:
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, check=False, capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def main() -> int:
    """Let storms of consecutive seeds pass and print how each one went; return 1 when anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.storm")
    parser.add_argument("--seed", type=int, default=1, help="of the first storm")
    parser.add_argument("--runs", type=int, default=1, help="how many storms, each of the next seed")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="how long a storm lasts")
    given = parser.parse_args()
    # So that what is started ends when this is told to end.
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    wrong: list[int] = []
    for seed in range(given.seed, given.seed + given.runs):
        folder = Path(tempfile.mkdtemp(prefix=f"betrace-storm-{seed}-"))
        try:
            report = Storm(seed, given.seconds, folder).run()
        except (NoKafka, KafkaStartError) as reason:
            sys.stderr.write(f"{reason}\n")
            return 1
        sys.stdout.write(f"{report.text}\n\n")
        sys.stdout.flush()
        if report.complaints:
            wrong.append(seed)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    sys.stdout.write(f"{given.runs} storms, {len(wrong)} with complaints: {wrong}\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
