"""Signals that end a process in order."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from queue import SimpleQueue

_NO_SIGNAL = 0


@contextmanager
def ended_by(ended: threading.Event, numbers: Sequence[signal.Signals]) -> Iterator[None]:
    """Let signals set an event, however many come at once; outside of the main thread, which alone hears them, do nothing.

    A thread sets the event: a signal interrupts whoever waits for it or sets it just now and has locked it, and would wait for itself.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: SimpleQueue[int] = SimpleQueue()

    def listen() -> None:
        if received.get() != _NO_SIGNAL:
            ended.set()

    listener = threading.Thread(target=listen, name="signals", daemon=True)
    listener.start()
    before = {number: signal.signal(number, lambda heard, _frame: received.put(heard)) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        received.put(_NO_SIGNAL)
        listener.join()
