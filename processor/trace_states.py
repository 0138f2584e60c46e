"""The states of traces on their way between engines: the trace's id, what the engine wrote, a checksum.

An engine reads a state as it stands, so one that was cut or changed on its way, or has another layout, must not reach it. The checksum
tells of damage, not of malice: whoever may write to a store of states could write a sound one as well.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING
from zlib import crc32

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_TRACE_ID_SIZE = 16
_CHECK = struct.Struct("<I")
CHECK_SIZE = _CHECK.size
# The checksum of whatever has its own checksum behind it.
_RESIDUE = 0x2144DF1C


def trace_id_of(state: bytes) -> str:
    """Return the id of the trace, in hexadecimal digits."""
    return state[:_TRACE_ID_SIZE].hex()


class Seal:
    """Marks states as ones of a layout, and knows them again."""

    def __init__(self, layout: bytes) -> None:
        # Whatever the bytes are, checksums that begin with different numbers differ.
        self._begin = crc32(layout)

    def sealed(self, written: memoryview, ends: Iterable[int]) -> Iterator[bytes]:
        """Yield the states that stand one behind the other, given where each ends; its last CHECK_SIZE bytes are the checksum's."""
        start, begin = 0, self._begin
        for end in ends:
            state = written[start : end - CHECK_SIZE].tobytes()
            yield state + _CHECK.pack(crc32(state, begin))
            start = end

    def check(self, states: Iterable[bytes]) -> None:
        """Raise ValueError unless all states are of the layout and as they were sealed."""
        begin = self._begin
        for state in states:
            if crc32(state, begin) != _RESIDUE:
                raise ValueError("a state is damaged or of another layout")
