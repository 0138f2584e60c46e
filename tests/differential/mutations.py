"""Damaged records by number: of small records every truncation and every byte in every way, then damage at random without end."""

from __future__ import annotations

import gzip
import math
import struct
from dataclasses import replace
from functools import cache
from itertools import accumulate
from pathlib import Path
from random import Random

from tests.differential.wire import Layout, Writer
from tests.topics.otlp_spans import span
from topics.captures import read_capture
from topics.span import Event, Link, Resource, Scope

RECORDINGS = Path(__file__).resolve().parents[2] / "topics" / "recordings"
SIZE_MAX = 48 * 1024
_SMALL = 700
_PER_RECORDING = 40
# What a double may be that is none: quiet, signalling, with the bits by which LuaJIT tells tables, strings, nil and cdata from numbers.
NAN_PAYLOADS = tuple(
    bytes.fromhex(digits)[::-1]
    for digits in (
        *("fffdffff41414141", "ffffffffffffffff", "7ff8000000000000", "fffa000041414141", "7ff0000000000001", "fff8000000000000"),
        *("7ff0000000000000", "fff0000000000000", "8000000000000000", "fff9000000000001", "fffb7fffffffffff", "fffcdeadbeefdead"),
        *("fffe800000000000", "7fefffffffffffff", "0000000000000001"),
    )
)
_DOUBLE = b"\x12\x09\x21"
# Of each byte: eight flipped bits, three values, one more and one less.
_WAYS = 13


@cache
def bases() -> tuple[bytes, ...]:
    """Sound records: made ones that hold everything OTLP has, in all layouts, and recorded ones."""
    whole = span(
        parent_id="ef" * 8,
        kind=2,
        status=2,
        status_message="no",
        attributes={"k": 1, "v": "x", "order": 2.5, "http.status": True, "a": (1, "x", None, math.nan), "b": {"k": b"x"}, "c": -(2**63)},
        events=(Event("exception", 1_500, {"k": 1, "v": "x"}),),
        links=(Link("12" * 16, "34" * 8, {"k": 1}),),
        resource=Resource({"service.name": "shop", "k": 1}),
        scope=Scope("lib", "1", {"k": "x"}),
    )
    spans = [whole, replace(whole, span_id="ef" * 8, parent_id="", name="b", attributes={"k": 0.5}, events=(), links=())]
    made = [Writer(layout, Random(seed)).record(spans[:count]) for layout in Layout for seed, count in ((1, 1), (2, 2))]
    return (*made, *_recorded())


def _recorded() -> tuple[bytes, ...]:
    found: list[bytes] = []
    for path in sorted(RECORDINGS.glob("*.ndjson.gz")):
        with gzip.open(path) as lines:
            records = [record for record in map(read_capture, lines) if record.format == "protobuf" and len(record.value) <= SIZE_MAX]
        found += [record.value for record in records[:: max(1, len(records) // _PER_RECORDING)]]
    return tuple(found)


class Mutations:
    """The damaged records of a seed; the first `systematic_count` are the same for every seed."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._bases = bases()
        self._small = [base for base in self._bases if len(base) <= _SMALL]
        # Behind each small record: how many there are up to it.
        self._ends = list(accumulate(len(base) * (1 + _WAYS) for base in self._small))
        self.systematic_count = self._ends[-1]

    def record(self, number: int) -> bytes:
        """Return the record of a number, from 0."""
        if number >= self.systematic_count:
            return self._random(Random(f"{self._seed}:{number}"))
        index = next(index for index, end in enumerate(self._ends) if number < end)
        base = self._small[index]
        at, way = divmod(number - (self._ends[index] - len(base) * (1 + _WAYS)), 1 + _WAYS)
        return base[:at] if way == _WAYS else base[:at] + bytes([_changed(base[at], way)]) + base[at + 1 :]

    def _random(self, chance: Random) -> bytes:
        base = chance.choice(self._bases)
        match chance.randrange(10):
            case 0:
                return base[: chance.randrange(len(base))]
            case 1:
                at = chance.randrange(len(base))
                return base[:at] + base[at + chance.randint(1, 40) :]
            case 2:
                at = chance.randrange(len(base))
                return base[:at] + chance.randbytes(chance.randint(1, 20)) + base[at:]
            case 3:
                other = chance.choice(self._bases)
                return (base[: chance.randrange(len(base))] + other[chance.randrange(len(other)) :])[:SIZE_MAX]
            case 4 | 5:
                return _with_nan(base, chance)
            case 6:
                return chance.randbytes(chance.randint(0, 300))
            case _:
                return _with_bytes(base, chance)


def _changed(byte: int, way: int) -> int:
    if way < 8:
        return byte ^ 1 << way
    return (0x00, 0xFF, 0x80, (byte + 1) % 256, (byte - 1) % 256)[way - 8]


def _with_bytes(base: bytes, chance: Random) -> bytes:
    wire = bytearray(base)
    for _ in range(chance.choice((1, 1, 2, 3, 10))):
        at = chance.randrange(len(wire))
        wire[at] = _changed(wire[at], chance.randrange(_WAYS))
    return bytes(wire)


def _with_nan(base: bytes, chance: Random) -> bytes:
    """Put what is no number into doubles, and doubles where other values were."""
    wire = bytearray(base)
    at = wire.find(_DOUBLE)
    while at >= 0:
        wire[at + 3 : at + 11] = chance.choice(NAN_PAYLOADS)
        at = wire.find(_DOUBLE, at + 11)
    # A string of nine bytes and more gives way to a double: the lengths around stay right.
    at = wire.find(b"\x12\x0b\x0a\x09")
    if at >= 0:
        wire[at + 2 : at + 4] = b"\x21" + struct.pack("<B", chance.randrange(256))
    return bytes(wire[: len(base)])
