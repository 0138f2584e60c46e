"""What goes wrong in a call into the core: at named points around each of its effects it dies, is left standing, or gets no true answer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple


class Answer(StrEnum):
    """What happens at a point: the worker dies, or is left standing while others go on; an error comes, be the effect there or not."""

    CRASH = "crash"
    PAUSE = "pause"
    LOST = "lost"
    REFUSED = "refused"


class Fault(NamedTuple):
    """The `nth` time (0: the first) that a call passes the point, this is the answer."""

    point: str
    nth: int
    answer: Answer


# Where each call of the group may be met. `before` an effect nothing of it has happened; a lost or refused answer is given `before`.
FENCE = ("fence.before", "fence.after")
APPEND = ("append.before", "append.after")
PUBLISH = ("publish.before", "publish.after", "flush.before", "flush.after")
COMMIT = ("commit.before", "commit.after")
POINTS: dict[str, tuple[str, ...]] = {
    "take": (*FENCE, "bounds", "load.before", "load.after", "disown.before", "disown.after", "taken"),
    "poll": ("chunk.before", "chunk.after"),
    "checkpoint": (*APPEND, *PUBLISH, "write.before", "write.after", *COMMIT, "bounds"),
}
# Points at which an effect may happen without its answer, or be refused.
ANSWERED = frozenset(
    {"fence.before", "append.before", "flush.before", "load.before", "disown.before", "write.before", "commit.before", "bounds"}
)


class Died(BaseException):
    """The worker's process is gone; nothing of the core may catch it."""


class Points:
    """The points of one worker's calls, and the fault that waits at one of them."""

    def __init__(self) -> None:
        self.fault: Fault | None = None
        self.passed: list[str] = []
        self._standing: Standing | None = None

    def arm(self, fault: Fault | None, standing: Standing | None = None) -> None:
        """Let a fault wait; `standing` is what holds the call that is to be paused."""
        self.fault = fault
        self._standing = standing

    def at(self, name: str) -> Answer | None:
        """Pass a point: go on (None), with an answer that the caller has to give, or not at all."""
        self.passed.append(name)
        fault = self.fault
        if fault is None or fault.point != name:
            return None
        if fault.nth:
            self.fault = fault._replace(nth=fault.nth - 1)
            return None
        self.fault = None
        if fault.answer is Answer.CRASH:
            raise Died
        if fault.answer is Answer.PAUSE:
            assert self._standing is not None, "a call that may pause has a thread of its own"
            self._standing.wait()
            return None
        return fault.answer


class Standing:
    """A call on a thread of its own, so that it can be left standing. Never do two threads run at once: one waits for the other."""

    def __init__(self, call: Callable[[], None]) -> None:
        self.error: BaseException | None = None
        self.is_done = False
        self._call = call
        self._is_killed = False
        self._mine = threading.Semaphore(0)
        self._worlds = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def go_on(self) -> bool:
        """Let the call run until it ends or is paused; say whether it has ended."""
        self._mine.release()
        self._worlds.acquire()
        return self.is_done

    def kill(self) -> None:
        """Let the call die where it stands."""
        self._is_killed = True
        if not self.is_done:
            self.go_on()
        self._thread.join()

    def wait(self) -> None:
        """Called on the call's own thread: stand until the world goes on with it."""
        self._worlds.release()
        self._mine.acquire()
        if self._is_killed:
            raise Died

    def _run(self) -> None:
        self._mine.acquire()
        try:
            if not self._is_killed:
                self._call()
        except BaseException as error:  # noqa: BLE001 - the world judges what a call ended with
            self.error = error
        self.is_done = True
        self._worlds.release()
