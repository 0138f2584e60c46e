"""Kills workers of a demo while it runs: one in the middle of its work, then its replacement in the middle of taking over."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from cli.demo_pages import worker_pages
from cli.demo_scene import Story, Tone
from cli.demo_workers import GROUP_SESSION_S
from processor.readiness import NotReady

if TYPE_CHECKING:
    from collections.abc import Callable

    from cli.demo_books import FenceSeen
    from cli.demo_follower import Follower
    from cli.demo_watch import Watch
    from cli.demo_workers import Worker, Workers

# How much of the input is played before the first worker is killed.
_SHARE_BEFORE = 3
_POLL_S = 0.01
# Long enough to be seen dead.
_DEAD_S = 0.8
_TAKEOVER_TIMEOUT_S = 60.0
_SAYING_TIMEOUT_S = 4.0
_REPLAY_WAIT_S = 0.5
# A scene this much later was looked at after the kill.
_SEEN_AFTER_S = 2.0
_WAITING = f"takeover after session ({GROUP_SESSION_S} s) and join (up to {GROUP_SESSION_S / 2:g} s)"


class Moment(StrEnum):
    """What a worker did when it was killed."""

    SAYING = "just after it said a violation"
    JUDGING = "while it judged"
    TAKING_OVER = "while it took over"
    REPLAYING = "while it still replayed"
    HAVING_TAKEN_OVER = "just after it had taken over"


@dataclass(slots=True)
class Kill:
    """A worker that was killed, and after how many seconds its partitions were judged again; None: its replacement was killed first."""

    worker: int
    pid: int
    played_count: int
    moment: Moment
    at_s: float
    judged_after_s: float | None = None


class Killer(threading.Thread):
    """The thread; it ends when the last replacement judges, or once `ended` is set. `trouble` is why it could not do its work."""

    def __init__(self, workers: Workers, watch: Watch, follower: Follower, story: Story, ended: threading.Event) -> None:
        super().__init__(name="killer", daemon=True)
        self.kills: list[Kill] = []
        self.trouble: Exception | None = None
        self.has_time: Callable[[], bool] = lambda: True
        self._said_count: int | None = None
        self._workers = workers
        self._watch = watch
        self._follower = follower
        self._story = story
        self._ended = ended

    def run(self) -> None:
        """Kill, replace, kill the replacement while it takes over if there is time for it, replace."""
        try:
            self._kill_twice()
        except Exception as error:  # noqa: BLE001 - whoever waits for the thread raises it
            self.trouble = error
            self._ended.set()

    def _kill_twice(self) -> None:
        total = self._watch.scene.record_count
        if not self._wait(lambda: self._watch.played.count * _SHARE_BEFORE >= total):
            return
        victim = self._busiest()
        moment = self._moment_at_work(victim, total)
        if self._ended.is_set():
            return
        self._kill(victim, moment)
        if (fence := self._fence_of(victim)) is not None and self.has_time():
            self._kill(victim, self._moment_in_takeover(victim, fence))
        if self._wait(self._is_covered, _TAKEOVER_TIMEOUT_S):
            last = self.kills[-1]
            last.judged_after_s = self._story.elapsed_s - last.at_s
            self._story.tell(f"all partitions are judged again, {last.judged_after_s:.1f} s after the kill", Tone.GOOD)
            self._story.doing = ""

    def _moment_at_work(self, victim: Worker, total: int) -> Moment:
        """Wait until it has just said a violation, which its successor has to say again; not beyond two thirds of the input."""
        until = time.monotonic() + _SAYING_TIMEOUT_S
        while self._watch.played.count * _SHARE_BEFORE < total * 2 and time.monotonic() < until and not self._ended.wait(_POLL_S):
            if self._has_said_more(victim):
                return Moment.SAYING
        return Moment.JUDGING

    def _moment_in_takeover(self, victim: Worker, fence: FenceSeen) -> Moment:
        """Wait for the replay, which may be over before one sees it."""
        until = time.monotonic() + _REPLAY_WAIT_S
        while time.monotonic() < until:
            if self._follower.journal.has_spoken(fence):
                return Moment.HAVING_TAKEN_OVER
            if self._is_replaying(victim):
                return Moment.REPLAYING
        return Moment.TAKING_OVER

    def _kill(self, victim: Worker, moment: Moment) -> None:
        pid, count = victim.life.process.pid, self._watch.played.count
        self._workers.kill(victim)
        self._watch.tell_fences()
        self.kills.append(Kill(victim.number, pid, count, moment, self._story.elapsed_s))
        self._story.tell(f"{victim.name} (pid {pid}) is killed by SIGKILL {moment}, at record {count}", Tone.BAD)
        self._story.doing = f"{victim.name} is dead: {_WAITING}"
        self._ended.wait(_DEAD_S)
        self._workers.replace(victim)
        self._story.tell(f"{victim.name} is replaced (pid {victim.life.process.pid})")

    def _has_said_more(self, victim: Worker) -> bool:
        """Whether a violation came out of the partitions of a worker since the last time this was asked."""
        partitions = next((it.partitions for it in self._watch.scene.workers if it.number == victim.number), ())
        before, self._said_count = self._said_count, sum(self._follower.said.by_partition[number] for number in partitions)
        return before is not None and self._said_count > before

    def _busiest(self) -> Worker:
        """Return the worker with the most partitions."""
        held = {it.number: len(it.partitions) for it in self._watch.scene.workers}
        return max(self._workers.all, key=lambda worker: (held.get(worker.number, 0), worker.number))

    def _fence_of(self, victim: Worker) -> FenceSeen | None:
        """Wait until the process that now holds a place fences a partition; None where the others have taken all."""
        found: list[FenceSeen] = []

        def has_fenced() -> bool:
            port = victim.life.address.rpartition(":")[2]
            found.extend(it for it in self._follower.journal.fences if port and it.worker.endswith(f":{port}"))
            return bool(found) or self._is_covered()

        self._wait(has_fenced, _TAKEOVER_TIMEOUT_S)
        return found[0] if found else None

    def _is_replaying(self, victim: Worker) -> bool:
        with suppress(OSError, ValueError):
            return NotReady.REPLAYING in worker_pages(victim.life.address).reasons
        return False

    def _is_covered(self) -> bool:
        """Whether somebody judges every partition, as seen since the last kill."""
        scene = self._watch.scene
        return scene.is_covered and scene.elapsed_s > self.kills[-1].at_s + _SEEN_AFTER_S

    def _wait(self, holds: Callable[[], bool], timeout_s: float = float("inf")) -> bool:
        """Return whether it holds before the demo ends or the time is over."""
        until = time.monotonic() + timeout_s
        while not holds():
            if self._ended.wait(_POLL_S) or time.monotonic() > until:
                return False
        return True
