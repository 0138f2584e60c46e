"""Makes of a pattern what decides it fastest: one table over bytes, or else its program.

Both read UTF-8 and agree with `Pattern.matches` on every string of bytes, ill-formed ones included. `runtime/patterns.lua` runs them.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from compiler.pattern_minimise import blocks_of
from compiler.pattern_nfa import Nfa, nfa_of
from compiler.pattern_subsets import DEAD, MATCHED, determinise

if TYPE_CHECKING:
    from compiler.pattern import Pattern

__all__ = ["Automaton", "Dfa", "Nfa", "automaton_of", "build_dfa", "nfa_of"]

STATES_MAX = 4096
ENTRIES_MAX = 1 << 16


@dataclass(frozen=True, slots=True)
class Dfa:
    """The least deterministic automaton of a pattern: at most 4,096 states and 65,536 entries of `table`.

    A state is named by its row: its number times `class_count`. `table[state + classes[byte]]` is the following state; DEAD, 0, and the
    matched state, `class_count`, lead to themselves. At the end of the text a state matches if it is the matched one or not less than
    `accepting_from`.
    """

    classes: bytes
    class_count: int
    table: array[int]
    start: int
    accepting_from: int

    @property
    def matched(self) -> int:
        """The state of a text that matches, whatever follows."""
        return self.class_count

    def matches(self, text: bytes) -> bool:
        """Say whether some part of a text matches."""
        state = self.start
        for byte in text:
            state = self.table[state + self.classes[byte]]
        return state == self.matched or state >= self.accepting_from


Automaton: TypeAlias = Dfa | Nfa


def automaton_of(pattern: Pattern) -> Automaton:
    """Return the fastest form of any pattern; work is bounded, some 200 ms at most."""
    return build_dfa(pattern) or nfa_of(pattern)


def build_dfa(pattern: Pattern) -> Dfa | None:
    """Return the automaton of a pattern; None if it is too large, or the way to it. Work is bounded, some 200 ms at most."""
    subsets = determinise(pattern)
    if subsets is None:
        return None
    block = blocks_of(subsets.rows, subsets.accepting)
    # Of each block one state; the dead one, the matched one, those that do not accept, those that do.
    members = {block[state]: state for state in reversed(range(len(block)))}
    order = sorted(members.values(), key=lambda state: (state != DEAD, state != MATCHED, subsets.accepting[state]))
    number = {block[state]: index for index, state in enumerate(order)}
    rows = [[number[block[following]] for following in subsets.rows[state]] for state in order]
    columns: dict[tuple[int, ...], int] = {}
    classes = [columns.setdefault(column, len(columns)) for column in zip(*rows, strict=True)]
    width = len(columns)
    if len(order) > STATES_MAX or len(order) * width > ENTRIES_MAX:
        return None
    table = array("i", (following * width for row in zip(*columns, strict=True) for following in row))
    accepting = sum(subsets.accepting[state] for state in order if state != MATCHED)
    return Dfa(
        bytes(classes[of_byte] for of_byte in subsets.classes),
        width,
        table,
        number[block[subsets.start]] * width,
        (len(order) - accepting) * width,
    )
