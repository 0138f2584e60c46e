"""How long something may take, where a machine may be slow: what is promised is the work, not the seconds of one machine."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from loadtest.machine import python_loop_ns
from processor.garbage import uncollected

#: What a turn of a loop in Python takes on the machine that the limits were chosen for.
_LOOP_NS = 28


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Let the body use `seconds` of a processor, and as many times as much as this machine's Python is slower; never less.

    It is the processor's time, for other processes do not count; without the garbage collector's, for which the body is not all there is to
    look through. A machine that changes its pace is as slow as it was before or after.
    """
    before_ns = python_loop_ns()
    with uncollected():
        began = time.process_time()
        yield
        spent = time.process_time() - began
    allowed = seconds * max(1, before_ns / _LOOP_NS, python_loop_ns() / _LOOP_NS)
    assert spent < allowed, f"{spent:.2f} s, where this machine is allowed {allowed:.2f} s"
