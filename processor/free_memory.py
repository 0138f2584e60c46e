"""Free memory goes back to the system, so that a worker's memory tells what it holds, also after a backlog.

glibc's allocator keeps free memory up to a limit. Left alone it doubles the largest block that was ever freed, for good: after the first
backlog, whose buffers are large, it keeps up to 64 MiB and fills them with the small blocks of traces. mimalloc gives back by itself.
"""

from __future__ import annotations

import ctypes
from typing import Final

MIMALLOC, SYSTEM = "mimalloc", "system"
# Of mallopt(3), and of <malloc.h>. Setting one of them ends the growth of both.
_TRIM_THRESHOLD: Final = -1
_MMAP_THRESHOLD: Final = -3
_KEPT_BYTES: Final = 8 * 2**20
# The greatest there is. Blocks above it are taken from the system one by one, and their pages are touched for the first time each time:
# were the consumer's buffers among them, a record would cost a tenth more.
_LARGE_BYTES: Final = 32 * 2**20


def give_back_free_memory() -> bool:
    """Let the thresholds be; return whether this process has an allocator that could be told so."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and all(
        mallopt(name, size) for name, size in ((_TRIM_THRESHOLD, _KEPT_BYTES), (_MMAP_THRESHOLD, _LARGE_BYTES))
    )


def allocator() -> str:
    """Return what gives this process its memory: mimalloc, with its version, or whatever the system has."""
    version = getattr(ctypes.CDLL(None), "mi_version", None)
    if version is None:
        return SYSTEM
    number = version()
    return f"{MIMALLOC} {number // 100}.{number // 10 % 10}.{number % 10}"
