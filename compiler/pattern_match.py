"""Matches a pattern in time linear in the text: a nondeterministic program, made deterministic as far as texts need it.

After Thompson (1968) and Cox, "Regular Expression Matching in the Wild" (2010). The deterministic states are a cache of bounded size.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

    from compiler.pattern_class import Ranges

_CACHED_MAX = 200_000
_ASCII = 128


class Op(IntEnum):
    """What an instruction does; jumps are relative to the instruction they stand in."""

    CHARACTER = 0  # goes past a code point of set `first`
    SPLIT = 1  # goes on at `first` and at `second`
    JUMP = 2  # goes on at `first`
    BEGIN = 3  # goes on at the begin of the text
    END = 4  # goes on at the end of the text
    MATCH = 5


Instruction: TypeAlias = tuple[Op, int, int]


@dataclass(slots=True, eq=False)
class _State:
    """A set of places in the program, all reached by the same text."""

    characters: tuple[int, ...]
    ends: tuple[int, ...]
    is_match: bool
    is_begin: bool
    following: dict[int, _State] = field(default_factory=dict)


def bounds_of(sets: Iterable[Ranges]) -> list[int]:
    """Return where stretches of code points begin that no set tells apart, sorted, the first 0."""
    return sorted({0, *(bound for ranges in sets for low, high in ranges for bound in (low, high + 1))})


class Matcher:
    """Runs one program on texts; may be shared by threads. `program` and `sets` are what it was made of, not to be changed."""

    def __init__(self, program: list[Instruction], sets: list[Ranges]) -> None:
        self.program = program
        self.sets = sets
        self._lows = [[low for low, _ in ranges] for ranges in sets]
        self._highs = [[high for _, high in ranges] for ranges in sets]
        # Between two of these no set tells code points apart, so such a stretch is one letter of the alphabet.
        self._bounds = bounds_of(sets)
        self._ascii = [bisect_right(self._bounds, code) for code in range(_ASCII)]
        self._first = self._reach((0,), is_begin=True, is_end=False)
        self._states: dict[tuple[int, ...], _State] = {}
        self._cached = 0

    def matches(self, text: str) -> bool:
        """Say whether some part of the text matches."""
        state = self._first
        for character in text:
            if state.is_match:
                return True
            code = ord(character)
            letter = self._ascii[code] if code < _ASCII else bisect_right(self._bounds, code)
            following = state.following.get(letter)
            if following is None:
                following = state.following[letter] = self._step(state, letter)
            state = following
        return state.is_match or (bool(state.ends) and self._reach(state.ends, is_begin=state.is_begin, is_end=True).is_match)

    def _step(self, state: _State, letter: int) -> _State:
        """Return the state after a letter; a match may also begin after it."""
        code = self._bounds[letter - 1]
        program = self.program
        reached = [place + 1 for place in state.characters if self._holds(program[place][1], code)]
        return self._cache((*reached, 0))

    def _holds(self, index: int, code: int) -> bool:
        at = bisect_right(self._lows[index], code) - 1
        return at >= 0 and code <= self._highs[index][at]

    def _cache(self, places: tuple[int, ...]) -> _State:
        states = self._states
        found = states.get(places)
        if found is None:
            if self._cached > _CACHED_MAX:
                states = self._states = {}
                self._cached = 0
            found = states[places] = self._reach(places, is_begin=False, is_end=False)
            self._cached += len(places) + len(found.characters)
        return found

    def _reach(self, places: Iterable[int], *, is_begin: bool, is_end: bool) -> _State:
        """Return the state of all places that are reached without another code point."""
        characters, ends = [], []
        is_match = False
        seen: set[int] = set()
        pending = list(places)
        while pending:
            place = pending.pop()
            if place in seen:
                continue
            seen.add(place)
            op, first, second = self.program[place]
            if op is Op.CHARACTER:
                characters.append(place)
            elif op is Op.SPLIT:
                pending += (place + first, place + second)
            elif op is Op.JUMP:
                pending.append(place + first)
            elif op is Op.MATCH:
                is_match = True
            elif op is Op.END and not is_end:
                ends.append(place)
            elif op is Op.END or is_begin:
                pending.append(place + 1)
        return _State(tuple(sorted(characters)), tuple(ends), is_match, is_begin)
