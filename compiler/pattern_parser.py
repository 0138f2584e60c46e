"""Reads a pattern into a program, without recursion: fragments hold relative jumps, so they are put together and repeated by copying."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from compiler.pattern_class import NOT_NEWLINE
from compiler.pattern_escape import ClassReader, PatternMistake
from compiler.pattern_match import Op

if TYPE_CHECKING:
    from compiler.pattern_class import Ranges
    from compiler.pattern_match import Instruction

__all__ = ["PatternMistake", "PatternParser"]

LENGTH_MAX = 64 * 1024
STATES_MAX = 10_000
REPEAT_MAX = 256
# RE2 refuses nested repeats that multiply to more.
REPEAT_PRODUCT_MAX = 1000
_DIGITS_MAX = 9

_FLAG = "(?i)"
_REPEAT = re.compile(r"\{(0|[1-9][0-9]*)(?:(,)(0|[1-9][0-9]*)?)?\}")
_GROUP_NAME = re.compile(r"\(\?P?<(\w+)>")
_REFUSED_GROUPS = (
    (re.compile(r"\(\?<?[=!]"), "RE2 has no lookaround"),
    (re.compile(r"\(\?P[=>]"), "RE2 has no back references"),
    (re.compile(r"\(\?P?<"), "the name of a group is letters and digits, and ends with `>`"),
    (re.compile(r"\(\?[a-zA-Z^-]+[:)]"), "the one flag is `(?i)`, at the very start of the pattern"),
)
_BEGINS = {"^": Op.BEGIN, "\\A": Op.BEGIN, "$": Op.END, "\\z": Op.END}


@dataclass(slots=True)
class _Group:
    """A group that is still open: its finished branches, and the branch that is read.

    `atom` is where in the branch begins what a repetition would repeat; None where there is nothing.
    """

    offset: int
    branches: list[list[Instruction]] = field(default_factory=list)
    branch: list[Instruction] = field(default_factory=list)
    atom: int | None = None
    atom_product: int = 1
    product: int = 1
    is_repeated: bool = False


class PatternParser:
    """Reads one pattern; `sets` are the sets its CHARACTER instructions name by index."""

    def __init__(self, text: str) -> None:
        self.sets: dict[Ranges, int] = {}
        self._text = text
        self._reader = ClassReader(text)
        self._group = _Group(0)
        self._outer: list[_Group] = []
        self._names: set[str] = set()
        self._size = 1

    def parse(self) -> list[Instruction]:
        """Return the program; PatternMistake where the text is no pattern, or one too large."""
        reader = self._reader
        if len(self._text) > LENGTH_MAX:
            raise PatternMistake(LENGTH_MAX, 1, f"the pattern is longer than {LENGTH_MAX} characters", is_too_large=True)
        if self._text.startswith(_FLAG):
            reader.folds = True
            reader.at = len(_FLAG)
        while reader.at < len(self._text):
            self._read()
        if self._outer:
            raise PatternMistake(self._group.offset, 1, "the group has no end: `)` is missing")
        return [*self._closed(self._group), (Op.MATCH, 0, 0)]

    def _read(self) -> None:
        text, at = self._text, self._reader.at
        character = text[at]
        if character == "(":
            self._open()
        elif character == ")":
            self._close()
        elif character == "|":
            self._reader.at += 1
            self._count(2, at)
            self._end_branch()
        elif character in "*+?":
            self._reader.at += 1
            bounds = {"*": (0, None), "+": (1, None), "?": (0, 1)}[character]
            self._repeat(*bounds, at, is_counted=False)
        elif character == "{" and (counted := _REPEAT.match(text, at)):
            self._counted(counted)
        elif text.startswith("\\Q", at):
            self._quoted()
        else:
            self._atom(at)

    def _count(self, states: int, offset: int) -> None:
        self._size += states
        if self._size > STATES_MAX:
            message = f"the pattern needs more than {STATES_MAX} states"
            raise PatternMistake(offset, self._reader.at - offset, message, is_too_large=True)

    def _add(self, fragment: list[Instruction], product: int = 1) -> None:
        group = self._group
        group.atom = len(group.branch)
        group.atom_product = product
        group.product = max(group.product, product)
        group.is_repeated = False
        # A group that is all of a branch is taken over, else deep nesting would copy it again and again.
        if group.branch:
            group.branch += fragment
        else:
            group.branch = fragment

    def _atom(self, at: int) -> None:
        """Read what stands for one character or place."""
        reader = self._reader
        character = self._text[at]
        assertion = _BEGINS.get(self._text[at : at + 2] if character == "\\" else character)
        if assertion is not None:
            reader.at += 2 if character == "\\" else 1
            self._count(1, at)
            self._add([(assertion, 0, 0)])
            return
        if character == ".":
            reader.at += 1
            ranges = NOT_NEWLINE
        elif character == "[":
            ranges = reader.bracketed()
        else:
            ranges = reader.perl() or reader.folded(reader.character())
        self._character(ranges, at)

    def _character(self, ranges: Ranges, at: int) -> None:
        self._count(1, at)
        self._add([(Op.CHARACTER, self.sets.setdefault(ranges, len(self.sets)), 0)])

    def _quoted(self) -> None:
        r"""Read `\Q…\E`, or to the end."""
        reader = self._reader
        end = self._text.find("\\E", reader.at + 2)
        stop = len(self._text) if end < 0 else end
        reader.at += 2
        for at in range(reader.at, stop):
            reader.at = at + 1
            self._character(reader.folded(reader.literal(at)), at)
        reader.at = stop if end < 0 else end + 2

    def _open(self) -> None:
        reader = self._reader
        start = reader.at
        reader.at += 1
        if self._text.startswith("(?", start):
            name = _GROUP_NAME.match(self._text, start)
            if name:
                self._name(name[1], start, name.end())
            elif self._text.startswith("(?:", start):
                reader.at = start + 3
            else:
                raise self._no_group(start)
        self._outer.append(self._group)
        self._group = _Group(start)

    def _no_group(self, start: int) -> PatternMistake:
        for refused, why in _REFUSED_GROUPS:
            found = refused.match(self._text, start)
            if found:
                return PatternMistake(start, len(found[0]), why)
        return PatternMistake(start, 2, "after `(?` only `:` or a name, `P<name>`, may follow")

    def _name(self, name: str, start: int, end: int) -> None:
        if name in self._names:
            raise PatternMistake(start, end - start, f"another group is named `{name[:40]}`")
        self._names.add(name)
        self._reader.at = end

    def _close(self) -> None:
        closed = self._group
        if not self._outer:
            raise PatternMistake(self._reader.at, 1, "no group is open here")
        self._reader.at += 1
        self._group = self._outer.pop()
        self._add(self._closed(closed), closed.product)

    def _end_branch(self) -> None:
        group = self._group
        group.branches.append(group.branch)
        group.branch = []
        group.atom = None
        group.is_repeated = False

    @staticmethod
    def _closed(group: _Group) -> list[Instruction]:
        """Return the fragment of a group: each branch but the last is tried beside the rest."""
        if not group.branches:
            return group.branch
        length = sum(len(branch) + 2 for branch in group.branches) + len(group.branch)
        fragment: list[Instruction] = []
        for branch in group.branches:
            fragment.append((Op.SPLIT, 1, len(branch) + 2))
            fragment += branch
            fragment.append((Op.JUMP, length - len(fragment), 0))
        return fragment + group.branch

    def _counted(self, written: re.Match[str]) -> None:
        start = self._reader.at
        self._reader.at = written.end()
        if max(len(written[1]), len(written[3] or "")) > _DIGITS_MAX:
            raise PatternMistake(start, len(written[0]), f"a repeat goes to {REPEAT_MAX}")
        low = int(written[1])
        high = None if written[2] and not written[3] else int(written[3] or low)
        if max(low, high or 0) > REPEAT_MAX:
            raise PatternMistake(start, len(written[0]), f"a repeat goes to {REPEAT_MAX}")
        if high is not None and high < low:
            raise PatternMistake(start, len(written[0]), "the repeat runs backwards")
        self._repeat(low, high, start, is_counted=True)

    def _repeat(self, low: int, high: int | None, start: int, *, is_counted: bool) -> None:
        """Replace the last atom by its repetition."""
        group, reader = self._group, self._reader
        if self._text.startswith("?", reader.at):
            reader.at += 1
        if group.atom is None:
            raise PatternMistake(start, reader.at - start, "there is nothing here to repeat")
        if group.is_repeated:
            raise PatternMistake(start, reader.at - start, "a repetition is not repeated: put it into a group")
        product = group.atom_product * max(1, (low if high is None else high) if is_counted else 1)
        if product > REPEAT_PRODUCT_MAX:
            message = f"the repeats inside of each other multiply to more than {REPEAT_PRODUCT_MAX}"
            raise PatternMistake(start, reader.at - start, message, is_too_large=True)
        length = len(group.branch) - group.atom
        # At most: each copy with its own split, and a jump back.
        self._count((max(low, high or 0) or 1) * (length + 1) + 1 - length, start)
        atom = group.branch[group.atom :]
        del group.branch[group.atom :]
        group.branch += _repeated(atom, low, high)
        group.atom_product = product
        group.product = max(group.product, product)
        group.is_repeated = True


def _repeated(atom: list[Instruction], low: int, high: int | None) -> list[Instruction]:
    """Return a fragment that matches an atom from `low` to `high` times; None: without bound."""
    length = len(atom)
    if high is None:
        again: Instruction = (Op.SPLIT, -length, 1)
        if low:
            return [*(atom * low), again]
        return [(Op.SPLIT, 1, length + 2), *atom, (Op.JUMP, -length - 1, 0)]
    optional: list[Instruction] = [(Op.SPLIT, 1, length + 1), *atom]
    return atom * low + optional * (high - low)
