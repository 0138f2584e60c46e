"""Which memory allocator serves a worker: mimalloc, where the system has it, for records that come and go by the thousand.

A client's messages and the states of traces are blocks of some hundred bytes to a few thousand, made by one thread and freed by another.
glibc's allocator takes such apart and puts them together again: an eighth of what a small record costs a worker.

An allocator is there from a process's first instruction on or not at all, so that a worker begins anew with one, as the same process.
"""

from __future__ import annotations

import os
import sys
from ctypes.util import find_library
from typing import TYPE_CHECKING, Final

from processor.free_memory import MIMALLOC, SYSTEM

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

VARIABLE: Final = "BETRACE_ALLOCATOR"
AUTO: Final = "auto"
_PRELOAD: Final = "LD_PRELOAD"


class AllocatorError(ValueError):
    """The environment asks for an allocator that there is none of; the text says so."""


def begin_anew(environment: Mapping[str, str] = os.environ) -> None:
    """Run this process's command once more with the allocator that the environment asks for, if it does not have it yet.

    Raises AllocatorError.
    """
    wanted = environment_with(environment, find_library) if sys.platform == "linux" else None
    if wanted is not None:
        # What stands in the buffers would be said by nobody.
        sys.stdout.flush()
        sys.stderr.flush()
        os.execve(sys.executable, sys.orig_argv, wanted)  # noqa: S606 - ourselves


def environment_with(environment: Mapping[str, str], find: Callable[[str], str | None]) -> dict[str, str] | None:
    """Return the environment to begin anew with; None: go on as it is. `find` returns a library's file by its name.

    What is loaded before everything else already, an allocator or not, is somebody's choice, or this one's own: it stays. Raises
    AllocatorError.
    """
    choice = environment.get(VARIABLE) or AUTO
    if choice not in {AUTO, SYSTEM}:
        raise AllocatorError(f"{VARIABLE}: {choice!r} is neither {AUTO} nor {SYSTEM}")
    if choice == SYSTEM or environment.get(_PRELOAD):
        return None
    library = find(MIMALLOC)
    return None if library is None else {**environment, _PRELOAD: library}
