"""Rounds of records, repeated with fresh trace ids: what the load test puts on a topic, and what a trace id tells of where it is from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush, heapreplace
from typing import Final, NamedTuple

NS: Final = 1_000_000_000
_WORD: Final = 2**64 - 1
# An odd number has an inverse modulo a power of two: ids look like drawn ones, and can be read.
_ODD: Final = 0x9E3779B97F4A7C15
_INVERSE: Final = pow(_ODD, -1, 2**64)


class Copied(NamedTuple):
    """What a trace id says: when its first record was stamped, in unix nanoseconds, of which repetition it is, and of which trace."""

    began_ns: int
    copy: int
    trace: int


def trace_id(began_ns: int, copy: int, trace: int) -> bytes:
    """Return the id of a repeated trace."""
    low = ((copy << 32 | trace) ^ _ODD) * _ODD & _WORD
    low ^= low >> 32
    return ((began_ns ^ low) & _WORD).to_bytes(8, "big") + low.to_bytes(8, "big")


def copied(raw: bytes) -> Copied:
    """Return what `trace_id` was made of."""
    low = int.from_bytes(raw[8:], "big")
    began_ns = int.from_bytes(raw[:8], "big") ^ low
    low ^= low >> 32
    number = (low * _INVERSE & _WORD) ^ _ODD
    return Copied(began_ns, number >> 32, number & 2**32 - 1)


@dataclass(frozen=True, slots=True)
class Piece:
    """One record of a round: of which trace, when after the round's begin, and what it says under the trace's own id."""

    trace: int
    offset_ns: int
    value: bytes
    span_count: int
    is_last: bool = True


@dataclass(frozen=True, slots=True)
class Loop:
    """One round, its records in the order of their times. `ids` are the ids of its traces as they stand in the records."""

    ids: tuple[bytes, ...]
    pieces: tuple[Piece, ...]

    @property
    def span_count(self) -> int:
        """How many spans a round has."""
        return sum(piece.span_count for piece in self.pieces)

    def paced(self, gap_ns: int) -> Loop:
        """Return the round with its records at even distances."""
        return Loop(
            self.ids,
            tuple([Piece(it.trace, number * gap_ns, it.value, it.span_count, it.is_last) for number, it in enumerate(self.pieces)]),
        )

    def restricted(self, traces: Iterable[int]) -> Loop:
        """Return a round of these traces only, numbered anew."""
        kept = {old: new for new, old in enumerate(traces)}
        pieces = [Piece(kept[it.trace], it.offset_ns, it.value, it.span_count, it.is_last) for it in self.pieces if it.trace in kept]
        return Loop(tuple(self.ids[old] for old in kept), tuple(pieces))


class Due(NamedTuple):
    """A record to be put on the topic: when after the begin, of which repetition, and which of the round."""

    offset_ns: int
    copy: int
    number: int


def repeated(pieces: Sequence[Piece], copy_count: int, step_ns: int) -> Iterator[Due]:
    """Yield the records of all repetitions in the order of their times; each begins `step_ns` after the one before, ended or not."""
    running: list[Due] = []
    begun = 0
    while True:
        while begun < copy_count and (not running or begun * step_ns + pieces[0].offset_ns <= running[0].offset_ns):
            heappush(running, Due(begun * step_ns + pieces[0].offset_ns, begun, 0))
            begun += 1
        if not running:
            return
        due = running[0]
        yield due
        after = due.number + 1
        if after < len(pieces):
            heapreplace(running, Due(due.copy * step_ns + pieces[after].offset_ns, due.copy, after))
        else:
            heappop(running)
