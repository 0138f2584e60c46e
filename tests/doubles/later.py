"""Calls beside the work that end some time later, or after the death of who made them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

Answer = TypeVar("Answer")


class _Awaited(Future[Answer]):
    """A call that is made at the last of so many looks at it, or when somebody waits for it; those before it are made first."""

    def __init__(self, queue: deque[_Awaited[Any]], call: Callable[[], Answer], look_count: int) -> None:
        super().__init__()
        self._queue = queue
        self._call = call
        self._looks_left = look_count

    def done(self) -> bool:
        self._looks_left -= 1
        if self._looks_left < 0:
            self._make()
        return super().done()

    def result(self, timeout: float | None = None) -> Answer:
        self._make()
        return super().result(timeout)

    def _make(self) -> None:
        while not super().done():
            self._queue.popleft().make()

    def make(self) -> None:
        try:
            self.set_result(self._call())
        except BaseException as error:  # noqa: BLE001 - whoever waits gets it
            self.set_exception(error)


class Later:
    """Makes calls in order, each after so many looks (processor.store_beside.Aside)."""

    def __init__(self, look_count: int) -> None:
        self._look_count = look_count
        self._queue: deque[_Awaited[Any]] = deque()

    def __call__(self, call: Callable[[], Answer]) -> Future[Answer]:
        awaited = _Awaited(self._queue, call, self._look_count)
        self._queue.append(awaited)
        return awaited

    def finish(self) -> None:
        """Make all calls that nobody has waited for: they were on their way."""
        while self._queue:
            self._queue.popleft().make()
