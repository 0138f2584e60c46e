"""Reads bytes of UTF-8 as letters: code points that no set of a pattern tells apart are one letter.

Ill-formed bytes are read as Python's `surrogateescape` reads them: a sequence that becomes no character is so many bytes, each by itself.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from operator import xor
from typing import TYPE_CHECKING

from compiler.pattern_class import LAST, SURROGATES
from compiler.pattern_match import bounds_of

if TYPE_CHECKING:
    from compiler.pattern_class import Ranges

_ASCII = 128
_BYTES = 256
_CONTINUATIONS = 64
_LEADS = ((0xC2, 0xDF, 1), (0xE0, 0xEF, 2), (0xF0, 0xF4, 3))
# The first code point that needs so many bytes.
_SHORTEST = {2: 0x80, 3: 0x800, 4: 0x10000}


class Alphabet:
    """The letters of some sets; `holders[letter]` has bit i set where set i holds the letter, and no two letters have the same."""

    def __init__(self, sets: list[Ranges]) -> None:
        bounds = bounds_of(sets)
        at = {bound: index for index, bound in enumerate(bounds)}
        changes = [0] * len(bounds)
        for index, ranges in enumerate(sets):
            for low, high in ranges:
                changes[at[low]] ^= 1 << index
                changes[at[high + 1]] ^= 1 << index
        letters: dict[int, int] = {}
        self._begins: list[int] = []
        self._letters: list[int] = []
        for bound, holders in zip(bounds, accumulate(changes, xor), strict=True):
            if bound > LAST:
                break
            letter = letters.setdefault(holders, len(letters))
            if not self._letters or self._letters[-1] != letter:
                self._begins.append(bound)
                self._letters.append(letter)
        self.holders = list(letters)
        self.ill_formed = self.letter(SURROGATES[0])
        beyond = bisect_right(self._begins, _ASCII) - 1
        self.beyond_ascii = sorted({*self._letters[beyond:], self.ill_formed})

    def letter(self, code: int) -> int:
        """Return the letter of a code point."""
        return self._letters[bisect_right(self._begins, code) - 1]

    def is_one_letter(self, low: int, high: int) -> bool:
        """Say whether all code points from `low` to `high` are the same letter."""
        return bisect_right(self._begins, low) == bisect_right(self._begins, high)


@dataclass(frozen=True, slots=True)
class Node:
    """A begun sequence of `depth` bytes.

    `following[i]` is what byte 0x80 + i makes of it: a letter, or ~index of a node; None where the sequence becomes no character.
    """

    depth: int
    following: tuple[int | None, ...]

    def after(self, byte: int) -> int | None:
        """Return what any byte makes of the sequence, as `following`."""
        return self.following[byte - _ASCII] if _ASCII <= byte < _ASCII + _CONTINUATIONS else None


class ByteReader:
    """The tables that read bytes: `first[byte]` is what a byte is where a character begins, as in `Node`; `nodes` are the begun sequences.

    `classes` maps a byte to its class: bytes of one class are alike everywhere. `members[class]` is one byte of it. Making the tables takes
    time linear in the letters beyond ASCII.
    """

    def __init__(self, alphabet: Alphabet) -> None:
        self.alphabet = alphabet
        self.nodes: list[Node] = []
        self.classes: list[int] = []
        self.members: list[int] = []
        self._indices: dict[Node, int] = {}
        self._same: dict[tuple[int, int, int], int] = {}
        self.first: list[int | None] = [alphabet.letter(byte) for byte in range(_ASCII)]
        self.first += [None] * (_BYTES - _ASCII)
        for low, high, rest in _LEADS:
            for byte in range(low, high + 1):
                self.first[byte] = self._begun((byte & (0x3F >> rest)) << (6 * rest), rest, 1)
        self._classify()

    def _classify(self) -> None:
        columns = list(zip(*(node.following for node in self.nodes), strict=True))
        seen: dict[tuple[int | None, ...], int] = {}
        for byte, entry in enumerate(self.first):
            is_continuation = _ASCII <= byte < _ASCII + _CONTINUATIONS
            key = (0, *columns[byte - _ASCII]) if is_continuation else (1, entry)
            if key not in seen:
                seen[key] = len(seen)
                self.members.append(byte)
            self.classes.append(seen[key])

    def _begun(self, low: int, rest: int, depth: int) -> int:
        """Return ~index of the node whose sequences are of the code points from `low`; `rest` bytes are still to come."""
        high = low + (1 << (6 * rest)) - 1
        shortest = _SHORTEST[depth + rest]
        is_whole = low >= shortest and high <= LAST and (high < SURROGATES[0] or low > SURROGATES[1])
        if not (is_whole and self.alphabet.is_one_letter(low, high)):
            return self._node(Node(depth, tuple(self._entry(low, index, rest - 1, depth + 1) for index in range(_CONTINUATIONS))))
        key = (depth, rest, self.alphabet.letter(low))
        if key not in self._same:
            self._same[key] = self._node(Node(depth, (self._entry(low, 0, rest - 1, depth + 1),) * _CONTINUATIONS))
        return self._same[key]

    def _node(self, node: Node) -> int:
        if node not in self._indices:
            self._indices[node] = len(self.nodes)
            self.nodes.append(node)
        return ~self._indices[node]

    def _entry(self, low: int, index: int, rest: int, depth: int) -> int | None:
        begin = low + (index << (6 * rest))
        end = begin + (1 << (6 * rest)) - 1
        if end < _SHORTEST[depth + rest] or begin > LAST or SURROGATES[0] <= begin <= SURROGATES[1]:
            return None
        return self._begun(begin, rest, depth) if rest else self.alphabet.letter(begin)
