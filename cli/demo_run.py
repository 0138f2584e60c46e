"""One run of the demo: parts up, records played, workers killed if asked for, all judged, drained, compared, parts down."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from api.server import ApiServer
from api.settings import ApiSettings
from cli.demo_comparison import Comparison, Ending
from cli.demo_follower import following
from cli.demo_kill import Killer
from cli.demo_logs import PartError, PartLogs
from cli.demo_player import Player, played_length_s
from cli.demo_scene import Introduction, Report, Scene, Story
from cli.demo_watch import Parts, Watch
from cli.demo_workers import GROUP_SESSION_S, Workers, worker_environment
from cli.embedded_broker import embedded_broker
from cli.embedded_store import embedded_store
from compiler import RuleSet
from processor.engines import EngineName, make_engine
from processor.finite import FiniteOutcome, judge_finite
from processor.inputs import InputRecord
from topics import names
from topics.admin import apply as apply_topics
from topics.settings import TopicSettings

# What is kept of the time for the workers to drain, the view to catch up and the parts to end.
_ENDING_S = 6.0
_LEAST_PLAY_S = 0.5
_STAFF_TIMEOUT_S = 60.0
# Longer than any join: whoever has no partition then gets none.
_EVEN_S = 20.0
_SETTLE_TIMEOUT_S = 90.0
_CATCH_UP_S = 15.0
_POLL_S = 0.1
_JOINING = f"waiting for the group: on this broker a join takes up to half a session, {GROUP_SESSION_S} s"


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for. `until` is when to have ended (time.monotonic); None: whenever somebody ends it."""

    rule_set: RuleSet
    rule_path: Path
    records: Sequence[InputRecord]
    engine: EngineName
    worker_count: int
    kills: bool
    until: float | None


class Demo:
    """One run. `ended` is set from outside to end it, and from inside where it cannot go on."""

    def __init__(self, wish: Wish, logs: PartLogs, report: Report, ended: threading.Event) -> None:
        self._wish = wish
        self._logs = logs
        self._report = report
        self._ended = ended
        self._story = Story()
        self._watch = Watch(self._story, report, logs, len(wish.records), ended)
        self._killer: Killer | None = None

    def run(self) -> Ending:
        """Do all of it; return how it ended. Raises PartError and what the parts raise."""
        with ExitStack() as parts:
            self._watch.start()
            try:
                comparison = self._run(parts)
                return self._ending(comparison)
            finally:
                # Before the parts end: nobody shall take that for a failure, or start one anew.
                self._ended.set()
                self._story.doing = "ending all parts"
                if self._killer is not None:
                    self._killer.join()
                self._watch.stop()

    def _run(self, opened: ExitStack) -> Comparison | None:
        parts = self._start(opened)
        # Beside the workers, which take some seconds to start.
        expected = judge_finite(self._wish.records, make_engine(self._wish.engine, self._wish.rule_set), keeps_records=True)
        self._story.doing = _JOINING
        if not self._await_staff():
            return None
        self._introduce(parts, expected)
        self._play(parts)
        if not self._await_settled():
            return None
        self._hold()
        return self._stop(parts, expected)

    def _start(self, opened: ExitStack) -> Parts:
        self._story.doing = "starting broker, store, topics and workers"
        count = 1 + max(record.partition for record in self._wish.records)
        broker = opened.enter_context(embedded_broker(self._logs.path("broker")))
        store = opened.enter_context(embedded_store(self._logs.path("store")))
        apply_topics(TopicSettings(bootstrap_servers=broker, partition_count=count))
        environment = worker_environment(broker, store, self._wish.rule_path, self._wish.engine)
        workers = opened.enter_context(Workers(self._wish.worker_count, environment, self._logs))
        api = opened.enter_context(_running_api(broker, self._wish.rule_path))
        follower = opened.enter_context(following(broker, count))
        parts = Parts({"broker": broker, "store": store.partition("//")[2]}, api, workers, follower, count)
        self._watch.attach(parts)
        return parts

    def _await_staff(self) -> bool:
        """Wait until every partition is judged, at best by as many workers as can be; return whether that came."""
        even_until = time.monotonic() + _EVEN_S
        is_there = self._await(lambda scene: scene.is_staffed or (scene.is_covered and time.monotonic() > even_until), _STAFF_TIMEOUT_S)
        if not is_there and not self._ended.is_set():
            raise PartError(f"the workers were not ready within {_STAFF_TIMEOUT_S:g} s: {self._logs.tail('worker-1')}")
        return is_there

    def _introduce(self, parts: Parts, expected: FiniteOutcome) -> None:
        workers = [worker.life.address for worker in parts.workers.all]
        wish = self._wish
        self._report.introduce(
            Introduction(
                parts.servers["broker"], parts.servers["store"], workers, parts.api, str(wish.rule_path), len(wish.records), expected
            )
        )
        self._story.doing = ""

    def _play(self, parts: Parts) -> None:
        """Play as much as there is time for, and let workers be killed meanwhile."""
        wish, takeover_s = self._wish, self._story.elapsed_s
        length_s = played_length_s(wish.records)
        if wish.until is not None:
            left_s = wish.until - time.monotonic() - _ENDING_S - (takeover_s if wish.kills else 0)
            length_s = max(_LEAST_PLAY_S, min(length_s, left_s))
        if wish.kills:
            self._killer = Killer(parts.workers, self._watch, parts.follower, self._story, self._ended)
            # A new worker takes as long to judge as the first ones took.
            self._killer.has_time = lambda: wish.until is None or time.monotonic() + takeover_s + _ENDING_S < wish.until
            self._killer.start()
        player = Player(parts.servers["broker"], names.SPANS.name)
        player.play(wish.records, length_s, heard=self._watch.played.add, stopped=self._ended.is_set)

    def _await_settled(self) -> bool:
        """Wait until all that was played is read; return whether all was played and is."""
        if self._watch.played.count < len(self._wish.records):
            self._watch.check()
            return False
        if self._killer is not None:
            self._killer.join()
            if self._killer.trouble is not None:
                raise PartError(f"no worker could be killed and replaced: {self._killer.trouble}") from self._killer.trouble
        if not self._story.doing:
            self._story.doing = "all records are played; the workers read the last of them"
        is_settled = self._await(lambda scene: scene.is_settled, _SETTLE_TIMEOUT_S)
        if not is_settled and not self._ended.is_set():
            raise PartError(f"the workers did not read all records within {_SETTLE_TIMEOUT_S:g} s")
        return is_settled

    def _hold(self) -> None:
        """Let everything be looked at until it is time to end."""
        until = self._wish.until
        self._story.doing = "all records are read" + ("; Ctrl-C ends the demo" if until is None else "")
        if until is None:
            self._story.tell("all records are played and read; Ctrl-C ends the demo")
        while not self._ended.wait(_POLL_S) and (until is None or time.monotonic() < until - _ENDING_S):
            pass
        self._watch.check()

    def _stop(self, parts: Parts, expected: FiniteOutcome) -> Comparison:
        """Let the workers drain and end, and see to it that all they said has been seen."""
        self._story.doing = "the workers judge what is still open, and end"
        parts.workers.stop()
        self._story.doing = "reading what they said last"
        until = time.monotonic() + _CATCH_UP_S
        while True:
            comparison = Comparison(
                self._wish.rule_set, expected, list(self._watch.found.values()), parts.follower.said, parts.follower.journal
            )
            if comparison.is_same or time.monotonic() > until:
                return comparison
            self._watch.check()
            time.sleep(_POLL_S)

    def _await(self, holds: Callable[[Scene], bool], timeout_s: float) -> bool:
        """Return whether a scene comes of which it holds, in time and before the demo is ended."""
        until = time.monotonic() + timeout_s
        while not holds(self._watch.scene):
            if self._ended.wait(_POLL_S) or time.monotonic() > until:
                self._watch.check()
                return False
        return True

    def _ending(self, comparison: Comparison | None) -> Ending:
        return Ending(
            self._watch.played.count,
            comparison,
            [] if self._killer is None else self._killer.kills,
            self._watch.scene.store_writes,
            self._logs.byte_count,
            self._story.elapsed_s,
        )


@contextmanager
def _running_api(bootstrap_servers: str, rules: Path) -> Iterator[str]:
    """Start the API in this process on a free port and yield its address."""
    server = ApiServer(ApiSettings(port=0, rules=rules, bootstrap_servers=bootstrap_servers))
    address = server.start()
    try:
        yield address
    finally:
        server.stop()
