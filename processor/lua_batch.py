"""A batch as a program of LuaJIT takes it, and what it answers: arrays of numbers, addresses of bytes."""

from __future__ import annotations

import struct
from array import array
from binascii import unhexlify
from typing import TYPE_CHECKING

from processor.lua_engine import address_of
from processor.trace_engine import Touch
from processor.trace_keys import TRACE_ID, joined_ids
from topics.otlp import RECORD_SIZE_MAX

if TYPE_CHECKING:
    from collections.abc import Sequence

    from processor.trace_engine import Batch, TakePolicy

# What compiler/runtime/memory.lua calls sum_t: an id, times and orders, then numbers of four bytes: a handle, whether it is new, others.
_SUM_HEAD = "<16s2q3q"
_SUM = struct.Struct(_SUM_HEAD + "9i4x")
SUM_SIZE, HANDLE_PLACE = _SUM.size, struct.calcsize(_SUM_HEAD)
# The id of no trace.
_NO_ID = bytes(16)


class LuaBatch:
    """A batch, and the arrays that its records are told by; they hold as long as it does.

    `numbers` are the addresses of the arrays: addresses, lengths, arrivals, ids of the keys, which is 0 where keys do not matter.
    """

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        # By lists, whose length is known: an array that has to grow takes a fifth more.
        sizes = list(map(len, batch.values))
        lengths = array("q", sizes)
        self._keys = ids_of(batch.keys) if batch.is_keyed else b""
        self._arrays = (array("Q", list(map(id, batch.values))), lengths, array("q", batch.arrived_ns))
        self.numbers = (*(one.buffer_info()[0] for one in self._arrays), address_of(self._keys) if batch.is_keyed else 0)
        self._is_usual = batch.formats.count("protobuf") == len(lengths) and max(sizes, default=0) <= RECORD_SIZE_MAX

    def __len__(self) -> int:
        """The number of records."""
        return len(self._arrays[0])

    def usual_until(self, index: int) -> int:
        """Return the first record from an index on that the program cannot take, or the number of records."""
        if self._is_usual:
            return len(self)
        formats, lengths = self.batch.formats, self._arrays[1]
        while index < len(self) and formats[index] == "protobuf" and lengths[index] <= RECORD_SIZE_MAX:
            index += 1
        return index

    def only(self, index: int, value: bytes) -> LuaBatch:
        """Return a batch of one of the records, with another value, in protobuf."""
        batch = self.batch
        return LuaBatch(
            batch._replace(values=[value], formats=["protobuf"], arrived_ns=[batch.arrived_ns[index]], keys=[batch.keys[index]])
        )


def policy_numbers(policy: TakePolicy) -> tuple[int, int, int]:
    """Return a policy as the program takes it."""
    return policy.span_count_max, -1 if policy.closed_retention_ns is None else policy.closed_retention_ns, int(policy.by_record)


def ids_of(keys: Sequence[bytes | None]) -> bytes:
    """Return of each key 16 bytes: those that it writes in lower-case hexadecimal digits, zeros where it does not."""
    joined = joined_ids(keys)
    if joined is not None:
        return unhexlify(joined)
    return b"".join(unhexlify(key) if key is not None and TRACE_ID.fullmatch(key) else _NO_ID for key in keys)


def touches_of(wire: bytes) -> list[Touch]:
    """Return touches out of the program's bytes."""
    # Without the named tuple's own constructor, which is a call of Python's for each.
    touch = tuple.__new__
    return [
        touch(
            Touch,
            (order, handle, trace_id.hex(), opened == 1, spans, kept, again, 0, over, at, new_at, new, last_new, first_over, root, apart),
        )
        for (
            trace_id,
            at,
            new_at,
            order,
            new,
            apart,
            handle,
            opened,
            spans,
            kept,
            again,
            over,
            last_new,
            first_over,
            root,
        ) in _SUM.iter_unpack(wire)
    ]
