"""The form of a pattern that is run directly: for any pattern, in memory linear in its program and time linear in the text.

The program of `pattern_match` with absolute jumps, and without what depends on where the text begins or ends: that is decided here.
`runtime/patterns.lua` makes it deterministic as far as texts need it, as `Matcher` does, over bytes of UTF-8.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from compiler.pattern_class import LAST
from compiler.pattern_match import Op, bounds_of

if TYPE_CHECKING:
    from compiler.pattern import Pattern
    from compiler.pattern_match import Instruction

_ASCII = 128
_BYTES = 256
# Where no set tells characters beyond ASCII apart, bytes differ only in the sequences they may stand in (Unicode, table 3-7): where such
# bytes begin, and the group that they are of.
_UTF8_GROUPS = (
    *((0x80, 0), (0x90, 1), (0xA0, 2), (0xC0, 3), (0xC2, 4), (0xE0, 5), (0xE1, 6)),
    *((0xED, 7), (0xEE, 6), (0xF0, 8), (0xF1, 9), (0xF4, 10), (0xF5, 3)),
)


class NfaOp(IntEnum):
    """What an instruction of an `Nfa` does."""

    CHARACTER = 0  # goes past a code point of set `first`
    SPLIT = 1  # goes on at `first` and at `second`
    JUMP = 2  # goes on at `first`
    FAIL = 3
    ACCEPT = 4  # matches if the text ends here
    MATCH = 5


@dataclass(frozen=True, slots=True)
class Nfa:
    """A program of at most 10,000 instructions, one entry of `ops`, `first` and `second` each; a match may begin after each code point.

    Set i holds the code points from `lows[k]` to `highs[k]` for k from `set_begins[i]` up to `set_begins[i + 1]`, sorted. `start` are the
    CHARACTER instructions that run at the begin of a text. `classes` maps a byte to its class; bytes of one class are alike in all states.
    An ill-formed byte is code point U+DC80.
    """

    ops: bytes
    first: array[int]
    second: array[int]
    set_begins: array[int]
    lows: array[int]
    highs: array[int]
    start: array[int]
    start_matches: bool
    start_accepts: bool
    classes: bytes
    class_count: int


def nfa_of(pattern: Pattern) -> Nfa:
    """Return the program of a pattern in the form that is run on bytes; time and size are linear in the program."""
    program, sets = pattern.matcher.program, pattern.matcher.sets
    accepting = _accepting(program)
    ops = bytearray()
    first, second = array("i"), array("i")
    for place, instruction in enumerate(program):
        op, one, two = _resolved(instruction, place, is_accepting=accepting[place])
        ops.append(op)
        first.append(one)
        second.append(two)
    begin = _reach(program, is_end=False)
    ranges = [one_range for one_set in sets for one_range in one_set]
    set_begins = array("i", [0])
    for one_set in sets:
        set_begins.append(set_begins[-1] + len(one_set))
    classes, class_count = _classes(bounds_of(sets))
    return Nfa(
        bytes(ops),
        first,
        second,
        set_begins,
        array("i", [low for low, _ in ranges]),
        array("i", [high for _, high in ranges]),
        array("i", sorted(place for place in begin if program[place][0] is Op.CHARACTER)),
        len(program) - 1 in begin,
        len(program) - 1 in _reach(program, is_end=True),
        classes,
        class_count,
    )


def _resolved(instruction: Instruction, place: int, *, is_accepting: bool) -> tuple[NfaOp, int, int]:
    op, first, second = instruction
    if op is Op.CHARACTER:
        return NfaOp.CHARACTER, first, 0
    if op is Op.SPLIT:
        return NfaOp.SPLIT, place + first, place + second
    if op is Op.JUMP:
        return NfaOp.JUMP, place + first, 0
    if op is Op.MATCH:
        return NfaOp.MATCH, 0, 0
    return NfaOp.ACCEPT if op is Op.END and is_accepting else NfaOp.FAIL, 0, 0


def _following(instruction: Instruction, place: int) -> tuple[int, ...]:
    """Return the places after one that is passed without a code point; after an assertion, the one where it holds."""
    op, first, second = instruction
    if op is Op.SPLIT:
        return place + first, place + second
    if op is Op.JUMP:
        return (place + first,)
    return () if op in (Op.CHARACTER, Op.MATCH) else (place + 1,)


def _accepting(program: list[Instruction]) -> list[bool]:
    """Say of each place whether from it, at the end of a text that is not empty, the program matches."""
    before: list[list[int]] = [[] for _ in program]
    for place, instruction in enumerate(program):
        if instruction[0] is not Op.BEGIN:
            for following in _following(instruction, place):
                before[following].append(place)
    found = [False] * len(program)
    pending = [len(program) - 1]
    while pending:
        place = pending.pop()
        if not found[place]:
            found[place] = True
            pending += before[place]
    return found


def _reach(program: list[Instruction], *, is_end: bool) -> set[int]:
    """Return the places that are reached at the begin of a text; `is_end`: of the empty text."""
    seen: set[int] = set()
    pending = [0]
    while pending:
        place = pending.pop()
        if place not in seen:
            seen.add(place)
            if is_end or program[place][0] is not Op.END:
                pending += _following(program[place], place)
    return seen


def _classes(bounds: list[int]) -> tuple[bytes, int]:
    """Return the class of each byte, and how many there are."""
    ascii_classes = [bisect_right(bounds, code) - 1 for code in range(_ASCII)]
    following = ascii_classes[-1] + 1
    if any(_ASCII < bound <= LAST for bound in bounds):
        rest = [following + byte for byte in range(_BYTES - _ASCII)]
    else:
        begins = [begin for begin, _ in _UTF8_GROUPS]
        rest = [following + _UTF8_GROUPS[bisect_right(begins, byte) - 1][1] for byte in range(_ASCII, _BYTES)]
    return bytes((*ascii_classes, *rest)), max(rest) + 1
