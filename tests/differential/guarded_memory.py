"""Memory whose neighbours cannot be read: one byte too far, in either direction, ends the process."""

from __future__ import annotations

import ctypes
import mmap

_PROT_NONE, _PROT_READ_WRITE = 0, mmap.PROT_READ | mmap.PROT_WRITE
_PAGE = mmap.PAGESIZE
_FAILED = ctypes.c_void_p(-1).value


class GuardedMemory:
    """Some pages between two that cannot be read; `size` is how many bytes they hold."""

    def __init__(self, page_count: int) -> None:
        self.size = page_count * _PAGE
        libc = ctypes.CDLL(None, use_errno=True)
        libc.mmap.restype = ctypes.c_void_p
        libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
        libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
        whole = libc.mmap(None, self.size + 2 * _PAGE, _PROT_READ_WRITE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
        if whole in {None, _FAILED}:
            raise OSError(ctypes.get_errno(), "mmap")
        self._first = int(whole) + _PAGE
        self._behind = self._first + self.size
        self._protect = libc.mprotect
        for guard in (int(whole), self._behind):
            self._forbid(guard, _PAGE)

    def before_guard(self, value: bytes, *, nul: bool) -> int:
        """Put the bytes right before the guard, with one NUL between where `nul`, as behind a bytes object; return their address."""
        kept = value + b"\0" if nul else value
        address = self._behind - len(kept)
        ctypes.memmove(address, kept, len(kept))
        return address

    def behind_guard(self, value: bytes) -> int:
        """Put the bytes right behind the first guard, and a NUL behind them; return their address."""
        ctypes.memmove(self._first, value + b"\0", len(value) + 1)
        return self._first

    def forbid(self) -> None:
        """Let nobody read what lies between the guards, for good: whoever still does ends the process."""
        self._forbid(self._first, self.size)

    def _forbid(self, first: int, size: int) -> None:
        if self._protect(first, size, _PROT_NONE):
            raise OSError(ctypes.get_errno(), "mprotect")
