"""A rule file cut into its rules by lines, without reading the YAML: what a keystroke does not touch need not be read again.

A piece is the lines of one item of `rules:`; the frame is the rest of the file, with an empty list for the rules.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property

_RULES = re.compile(r"^rules:[ \t]*(?:#.*)?\r?$", re.MULTILINE)
_ITEM = re.compile(r"^( *)-(?=[ \r]|$)", re.MULTILINE)
_SAYS_NOTHING = re.compile(r"[ \t]*(?:#.*)?\r?")
_HEADER = "rules:\n"
_EMPTY = "rules: []"
_KEY_OF_A_RULE = re.compile(r"^ *(?:- +)?(?:rule|condition|expression):", re.MULTILINE)


def is_rule_file(text: str) -> bool:
    """Say whether a YAML text looks like a rule file: it has `rules:`, and in one of them a text of the rule language."""
    return _RULES.search(text) is not None and _KEY_OF_A_RULE.search(text) is not None


@dataclass(frozen=True, slots=True)
class Piece:
    """The lines of one rule; `first_line` counts from 0."""

    first_line: int
    text: str

    @property
    def as_file(self) -> str:
        """The piece as a rule file of its own; its lines stand `first_line` - 1 lines above those of the file."""
        return _HEADER + self.text


@dataclass(frozen=True)
class Pieces:
    """The frame and the pieces of a file; a file that is not laid out so has no piece and is all frame."""

    frame: str
    pieces: tuple[Piece, ...] = ()
    # The lines of the frame before the rules, and those of the rules.
    before: int = 0
    inside: int = 0

    def line_of_frame(self, line: int) -> int:
        """Return which line of the file a line of the frame is; both count from 0."""
        return line if line < self.before else line + self.inside

    def frame_line(self, line: int) -> int | None:
        """Return which line of the frame a line of the file is; None where it is of a piece."""
        if line < self.before:
            return line
        return line - self.inside if line >= self.before + self.inside else None

    def at(self, line: int) -> Piece | None:
        """Return the piece that a line belongs to."""
        found = bisect_right(self.starts, line) - 1
        return self.pieces[found] if found >= 0 and self.frame_line(line) is None else None

    @cached_property
    def starts(self) -> list[int]:
        """The first line of each piece."""
        return [piece.first_line for piece in self.pieces]


def cut(text: str) -> Pieces:
    """Cut a file into pieces; together they are the whole text, but for the line `rules:`."""
    found = _RULES.search(text)
    start = found.end() + 1 if found else len(text)
    indent = _indent_of_items(text, start)
    if found is None or indent is None:
        return Pieces(text)
    starts, end = _items(text, start, indent)
    before = text.count("\n", 0, start)
    lines, pieces = before, []
    # Comments and blank lines above the first item are of it.
    for begin, behind in zip([start, *starts[1:]], [*starts[1:], end], strict=True):
        pieces.append(Piece(lines, text[begin:behind]))
        lines += text.count("\n", begin, behind)
    frame = f"{text[: found.start()]}{_EMPTY}\n{text[end:]}"
    # The last line of a text may have no break.
    lines += text[end - 1] != "\n"
    return Pieces(frame, tuple(pieces), before, lines - before)


def _items(text: str, start: int, indent: int) -> tuple[list[int], int]:
    """Return where the lines of the items begin, and where the list ends: at a line indented less, or as the items are and none."""
    starts = []
    # A pattern that begins with a literal is found several times as fast as one that begins with an anchor.
    for line in re.compile(rf"\n {{0,{indent}}}(?![ \t\r\n#])").finditer(text, start - 1):
        at = line.start() + 1
        if line.end() == len(text):
            break
        if line.end() - at == indent and _ITEM.match(text, at):
            starts.append(at)
        else:
            return starts, at
    return starts, len(text)


def _indent_of_items(text: str, start: int) -> int | None:
    """Return how deep the first item is indented; None where the first line that says something begins none."""
    at = start
    while at < len(text):
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        if not _SAYS_NOTHING.fullmatch(text, at, end):
            found = _ITEM.match(text, at)
            return len(found[1]) if found else None
        at = end + 1
    return None
