"""Makes the program of a pattern deterministic, over bytes of UTF-8, with bounded work: the subset construction (Rabin and Scott 1959).

A state is the set of places of the program that run after the characters read so far, and the sequence of bytes that is begun. A set is an
integer: bit i for the CHARACTER instruction i, and one bit more if the text matches where it ends here.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING

from compiler.pattern_match import bounds_of
from compiler.pattern_nfa import NfaOp, nfa_of
from compiler.pattern_utf8 import Alphabet, ByteReader

if TYPE_CHECKING:
    from compiler.pattern import Pattern
    from compiler.pattern_nfa import Nfa

DEAD = 0
MATCHED = 1
# Each bounds the time and memory of one part of the work, so that all of it takes some 200 ms at most.
STATES_MAX = 8192
ENTRIES_MAX = 1 << 17
WORK_MAX = 300_000
WEIGHED_PLACES = 4096
SETS_WORK_MAX = 1 << 16
BOUNDS_BEYOND_ASCII_MAX = 256

_ALL = -1  # the set of places once a match is found


@dataclass(frozen=True, slots=True)
class Subsets:
    """A deterministic automaton: `rows[state][class of the byte]` is the following state. States DEAD and MATCHED are always there."""

    classes: list[int]
    rows: list[list[int]]
    accepting: list[bool]
    start: int


class _TooLargeError(Exception):
    """The work is more than it may be."""


def determinise(pattern: Pattern) -> Subsets | None:
    """Return the automaton of a pattern, not yet the least; None if it takes too many states or too much work."""
    sets = pattern.matcher.sets
    bounds = bounds_of(sets)
    bounds_beyond_ascii = len(bounds) - bisect_left(bounds, 0x80)
    if sum(map(len, sets)) * len(sets) > SETS_WORK_MAX or bounds_beyond_ascii > BOUNDS_BEYOND_ASCII_MAX:
        return None
    try:
        return _Construction(pattern).run()
    except _TooLargeError:
        return None


class _Construction:
    """One run of the construction. Sets of places are named by index in `_sets`; DEAD and MATCHED name the same in sets and states."""

    def __init__(self, pattern: Pattern) -> None:
        nfa = nfa_of(pattern)
        self._work = 0
        self._weight = 1 + len(nfa.ops) // WEIGHED_PLACES
        self._accept = 1 << len(nfa.ops)
        self._closures = self._closed(nfa)
        self._alphabet = Alphabet(pattern.matcher.sets)
        self._reader = ByteReader(self._alphabet)
        self._holding = self._places_holding(nfa, len(pattern.matcher.sets))
        # What runs after any character, for a match may begin there: it is in all sets, so what follows from it is found once per letter.
        self._again = self._closures[0]
        self._begun = [self._passed(self._again, letter) for letter in range(len(self._holding))]
        self._sets = [0, _ALL]
        self._set_index = {0: DEAD, _ALL: MATCHED}
        self._steps: dict[tuple[int, int], int] = {}
        self._settled: dict[int, int | None] = {}
        self._first_rows: dict[int, list[int]] = {}
        # A state is a set and the index of the node of the begun sequence, None where a character begins.
        self._states: list[tuple[int, int | None]] = [(DEAD, None), (MATCHED, None)]
        self._state_index = {state: index for index, state in enumerate(self._states)}
        begin = self._accept * nfa.start_accepts
        for place in nfa.start:
            begin |= 1 << place
        self._start = self._set(_ALL if nfa.start_matches else begin)

    def run(self) -> Subsets:
        """Return the automaton of all states that are reached."""
        start = self._state(self._start, None)
        rows: list[list[int]] = []
        while len(rows) < len(self._states):
            rows.append(self._row(*self._states[len(rows)]))
        return Subsets(self._reader.classes, rows, [self._accepts(*state) for state in self._states], start)

    def _spend(self, sets: int) -> None:
        """Count so many sets as put together; a wide one counts more."""
        self._work += sets * self._weight
        if self._work > WORK_MAX:
            raise _TooLargeError

    def _closed(self, nfa: Nfa) -> list[int]:
        """Return the set that each place of the program reaches without a character."""
        closures = [0] * len(nfa.ops)
        for place in reversed(range(len(nfa.ops))):
            seen = {place}
            pending = [place]
            reached = 0
            while pending:
                at = pending.pop()
                op = nfa.ops[at]
                if at > place:
                    reached |= closures[at]
                elif op == NfaOp.MATCH:
                    reached = _ALL
                elif op == NfaOp.CHARACTER:
                    reached |= 1 << at
                elif op == NfaOp.ACCEPT:
                    reached |= self._accept
                elif op != NfaOp.FAIL:
                    following = {nfa.first[at], nfa.second[at]} if op == NfaOp.SPLIT else {nfa.first[at]}
                    pending += following - seen
                    seen |= following
            self._spend(len(seen))
            closures[place] = reached
        return closures

    def _places_holding(self, nfa: Nfa, set_count: int) -> list[int]:
        """Return of each letter the CHARACTER instructions that it passes."""
        of_set = [0] * set_count
        for place, op in enumerate(nfa.ops):
            if op == NfaOp.CHARACTER:
                of_set[nfa.first[place]] |= 1 << place
        found = []
        for holders in self._alphabet.holders:
            places = 0
            for index in _bits(holders):
                places |= of_set[index]
                self._spend(1)
            found.append(places)
        return found

    def _set(self, places: int) -> int:
        index = self._set_index.setdefault(places, len(self._sets))
        if index == len(self._sets):
            self._sets.append(places)
        return index

    def _state(self, of_set: int, node: int | None) -> int:
        index = self._state_index.setdefault((of_set, node), len(self._states))
        if index == len(self._states):
            self._states.append((of_set, node))
            if index >= STATES_MAX or index * len(self._reader.members) >= ENTRIES_MAX:
                raise _TooLargeError
        return index

    def _step(self, of_set: int, letter: int) -> int:
        """Return the set after one letter more; a match may begin after it, too."""
        if of_set in (DEAD, MATCHED):
            return of_set
        found = self._steps.get((of_set, letter))
        if found is None:
            reached = self._passed(self._sets[of_set] & ~self._again, letter) | self._again | self._begun[letter]
            found = self._steps[of_set, letter] = self._set(_ALL if reached < 0 else reached)
        return found

    def _passed(self, places: int, letter: int) -> int:
        """Return what is reached from some places by a letter."""
        reached = 0
        running = places & self._holding[letter]
        self._spend(1 + running.bit_count())
        for place in _bits(running):
            reached |= self._closures[place + 1]
        return reached

    def _settles(self, of_set: int) -> int | None:
        """Return the set that follows all bytes beyond ASCII and is followed by itself, so that begun sequences tell nothing."""
        if of_set not in self._settled:
            after = self._step(of_set, self._alphabet.ill_formed)
            is_settled = all(self._step(at, letter) == after for at in (of_set, after) for letter in self._alphabet.beyond_ascii)
            self._settled[of_set] = after if is_settled else None
        return self._settled[of_set]

    def _after(self, of_set: int, entry: int | None) -> int:
        """Return the state after a byte that became what `entry` says."""
        if entry is None:
            return self._state(self._step(of_set, self._alphabet.ill_formed), None)
        if entry >= 0:
            return self._state(self._step(of_set, entry), None)
        settled = self._settles(of_set)
        return self._state(of_set, ~entry) if settled is None else self._state(settled, None)

    def _row(self, of_set: int, node: int | None) -> list[int]:
        if node is None:
            return self._first_row(of_set)
        # A byte that does not go on with the sequence comes after the bytes of it, each by itself.
        row = self._first_row(self._given_up(of_set, node)).copy()
        self._spend(len(row))
        for of_byte, byte in enumerate(self._reader.members):
            entry = self._reader.nodes[node].after(byte)
            if entry is not None:
                row[of_byte] = self._after(of_set, entry)
        return row

    def _first_row(self, of_set: int) -> list[int]:
        row = self._first_rows.get(of_set)
        if row is None:
            self._spend(len(self._reader.members))
            row = self._first_rows[of_set] = [self._after(of_set, self._reader.first[byte]) for byte in self._reader.members]
        return row

    def _given_up(self, of_set: int, node: int) -> int:
        for _ in range(self._reader.nodes[node].depth):
            of_set = self._step(of_set, self._alphabet.ill_formed)
        return of_set

    def _accepts(self, of_set: int, node: int | None) -> bool:
        places = self._sets[of_set if node is None else self._given_up(of_set, node)]
        return places < 0 or bool(places & self._accept)


def _bits(number: int) -> list[int]:
    """Return the places of the bits that are set."""
    found = []
    while number:
        lowest = number & -number
        found.append(lowest.bit_length() - 1)
        number ^= lowest
    return found
