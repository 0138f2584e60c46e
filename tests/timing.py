"""How long something may take, where a machine may be slow: what is promised is the work, not the seconds of one machine."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager

from loadtest.machine import python_loop_ns

#: What a turn of a loop in Python takes on the machine that the limits were chosen for.
_LOOP_NS = 28


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Let the body use `seconds` of a processor, and as many times as much as this machine's Python is slower; never less.

    `seconds` is at least three times what the body takes: what grows faster than it should takes ten times as much and more, and a
    machine whose loops are quick may be slow with memory. It is the processor's time, for other processes do not count; a machine that
    changes its pace is as slow as it was before or after; and what earlier tests left is not looked through for garbage meanwhile.
    """
    before_ns = python_loop_ns()
    gc.freeze()
    try:
        began = time.process_time()
        yield
        spent = time.process_time() - began
    finally:
        gc.unfreeze()
    allowed = seconds * max(1, before_ns / _LOOP_NS, python_loop_ns() / _LOOP_NS)
    assert spent < allowed, f"{spent:.2f} s, where this machine is allowed {allowed:.2f} s"
