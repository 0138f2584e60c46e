"""Free memory goes back to the system, so that a worker's memory tells what it holds, also after a backlog.

glibc's allocator gives large blocks memory of their own, and keeps free memory up to a limit; both thresholds grow for good with the
largest block that was ever freed, to 32 and 64 MiB. After the first backlog the consumer's buffers then lie among the small blocks of
traces, and what is between them is never free as a whole again.
"""

from __future__ import annotations

import ctypes
from typing import Final

# Of mallopt(3), and of <malloc.h>. Setting one of them ends the growth of both.
_TRIM_THRESHOLD: Final = -1
_MMAP_THRESHOLD: Final = -3
_KEPT_BYTES: Final = 8 * 2**20
_LARGE_BYTES: Final = 2**20


def give_back_free_memory() -> bool:
    """Let the thresholds be; return whether this process has an allocator that could be told so."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and all(
        mallopt(name, size) for name, size in ((_TRIM_THRESHOLD, _KEPT_BYTES), (_MMAP_THRESHOLD, _LARGE_BYTES))
    )
