"""The physical limit: a C parser that decodes what a rule set reads, and judges nothing."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from loadtest.c_library import library
from loadtest.demand import Demand

# As many rows as an engine would judge at once: they stay in the cache.
ROW_COUNT = 2048
RESOURCE_COUNT = 256
_STRING, _BOOL, _INT, _DOUBLE = 1, 2, 3, 4


class _Slot(ctypes.Structure):
    _fields_ = (("value", ctypes.c_uint64), ("length", ctypes.c_uint32), ("type", ctypes.c_uint32))


class _Row(ctypes.Structure):
    _fields_ = (
        ("trace_id", ctypes.c_uint8 * 16),
        *((name, ctypes.c_uint64) for name in ("span_id", "parent_id", "start_ns", "end_ns")),
        *((name, ctypes.c_uint32) for name in ("name", "kind", "status", "resource")),
    )


class Batch:
    """Records with the table of their addresses and sizes, as the parser takes them; made once, outside of what is timed."""

    def __init__(self, records: Sequence[bytes]) -> None:
        self.records = records
        self.count = len(records)
        self.addresses = (ctypes.c_char_p * self.count)(*records)
        self.sizes = (ctypes.c_uint64 * self.count)(*map(len, records))


@dataclass(frozen=True, slots=True)
class DecodedRow:
    """One span as the parser wrote it: `name` is empty where no rule mentions it, attributes hold the wanted scalars."""

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    start_ns: int
    end_ns: int
    kind: int
    status: int
    attributes: dict[str, bool | int | float | str]
    resource_attributes: dict[str, bool | int | float | str]


class DecodeOnly:
    """The parser for one demand; raises NoCompilerError where it cannot be compiled."""

    def __init__(self, demand: Demand) -> None:
        self._c = library()
        self._keys, self._names = demand.keys, demand.names
        # Kept: the parser points into them.
        self._texts = _texts(demand.keys), _texts(demand.names)
        (keys, key_sizes), (names, name_sizes) = self._texts
        make = self._c.decoder_new
        make.restype = ctypes.c_void_p
        counts = ctypes.c_uint32(len(demand.keys)), ctypes.c_uint32(len(demand.names)), ctypes.c_uint32(demand.elements)
        sizes = ctypes.c_uint64(ROW_COUNT), ctypes.c_uint32(RESOURCE_COUNT)
        made = make(keys, key_sizes, counts[0], names, name_sizes, counts[1], counts[2], *sizes)
        if not made:
            raise MemoryError("the C parser found no memory")
        self._decoder = ctypes.c_void_p(made)
        self._run = self._c.decoder_run
        self._run.restype = ctypes.c_int64

    def __del__(self) -> None:
        if hasattr(self, "_decoder"):
            self._c.decoder_free(self._decoder)

    def run(self, batch: Batch) -> int:
        """Decode all records; return how many spans they hold, or -1 - the index of the first record that is no OTLP."""
        found: int = self._run(self._decoder, batch.addresses, batch.sizes, ctypes.c_uint64(batch.count))
        return found

    def rows(self, batch: Batch) -> list[DecodedRow]:
        """Decode records with at most ROW_COUNT spans and RESOURCE_COUNT resources and return the rows, for a test to look at."""
        count = self.run(batch)
        rows = ctypes.cast(self._pointer("decoder_rows"), ctypes.POINTER(_Row))
        slots = ctypes.cast(self._pointer("decoder_slots"), ctypes.POINTER(_Slot))
        resources = ctypes.cast(self._pointer("decoder_resource_slots"), ctypes.POINTER(_Slot))
        return [
            _row(rows[n], self._names, self._attributes(slots, n), self._attributes(resources, rows[n].resource))
            for n in range(max(0, count))
        ]

    def _pointer(self, function: str) -> int:
        ask = getattr(self._c, function)
        ask.restype = ctypes.c_void_p
        address: int = ask(self._decoder)
        return address

    def _attributes(self, slots: ctypes._Pointer[_Slot], group: int) -> dict[str, bool | int | float | str]:
        found = {}
        for number, key in enumerate(self._keys):
            value = _scalar(slots[group * len(self._keys) + number])
            if value is not None:
                found[key] = value
        return found


def _texts(texts: Sequence[str]) -> tuple[ctypes.Array[ctypes.c_char_p], ctypes.Array[ctypes.c_uint64]]:
    wire = [text.encode("utf-8", "surrogateescape") for text in texts]
    return (ctypes.c_char_p * len(wire))(*wire), (ctypes.c_uint64 * len(wire))(*map(len, wire))


def _row(
    row: _Row, names: Sequence[str], attributes: dict[str, bool | int | float | str], resource: dict[str, bool | int | float | str]
) -> DecodedRow:
    return DecodedRow(
        trace_id=bytes(row.trace_id).hex(),
        span_id=_id(row.span_id),
        parent_id=_id(row.parent_id) if row.parent_id else "",
        name=names[row.name - 1] if row.name else "",
        start_ns=row.start_ns,
        end_ns=row.end_ns,
        kind=row.kind,
        status=row.status,
        attributes=attributes,
        resource_attributes=resource,
    )


def _id(value: int) -> str:
    return struct.pack("<Q", value).hex()


def _scalar(found: _Slot) -> bool | int | float | str | None:
    """Return the value of a slot; None where there is none, or no scalar."""
    bits = struct.pack("<Q", found.value)
    if found.type == _STRING:
        return ctypes.string_at(found.value, found.length).decode("utf-8", "surrogateescape")
    if found.type == _BOOL:
        return bool(found.value)
    if found.type == _INT:
        integer: int = struct.unpack("<q", bits)[0]
        return integer
    if found.type == _DOUBLE:
        double: float = struct.unpack("<d", bits)[0]
        return double
    return None
