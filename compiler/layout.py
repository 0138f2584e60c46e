"""Lays text out in lines of a width: what fits stays on one line, else it breaks, outermost first (after Wadler, "A prettier printer").

Words are *pieces*: they carry the comments that stand right before and behind them, so that none is lost wherever a line breaks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

_INNER = 2
_CLOSING = frozenset(")]}")


@dataclass(slots=True)
class Comment:
    """A comment as it was written. `is_inline`: what follows it stands on its line; `has_blank_before`: a blank line is above it."""

    text: str
    is_inline: bool = False
    has_blank_before: bool = False


@dataclass(slots=True)
class Piece:
    """A word of the text; `source` is how it was written where that differs. `number` counts the pieces of one text."""

    text: str
    source: str
    number: int
    leading: list[Comment] = field(default_factory=list)
    trailing: list[Comment] = field(default_factory=list)
    has_blank_before: bool = False
    begins_statement: bool = False


@dataclass(frozen=True, slots=True)
class Gap:
    """Blanks that never break."""

    width: int = 1


@dataclass(frozen=True, slots=True)
class Line:
    """A blank, or nothing (`is_soft`); a line break where its group is broken."""

    is_soft: bool = False


@dataclass(frozen=True, slots=True)
class Nest:
    """Lines that begin in here are indented deeper."""

    parts: tuple[Doc, ...]
    by: int = _INNER


@dataclass(frozen=True, slots=True)
class Group:
    """All of its own lines break, or none."""

    parts: tuple[Doc, ...]


@dataclass(frozen=True, slots=True)
class Fill:
    """Items with a blank between, as many on a line as fit."""

    items: tuple[Doc, ...]


Doc: TypeAlias = Piece | Gap | Line | Nest | Group | Fill

SPACE = Gap()
LINE = Line()
SOFT = Line(is_soft=True)
_Task: TypeAlias = tuple[int, bool, Doc]


def lay_out(statements: Iterable[Doc], tail: Sequence[Comment], pieces: Sequence[Piece], width: int) -> list[str]:
    """Return the lines of some statements, each begun on a line of its own, and of the comments behind the last one."""
    writer = _Writer(pieces, width)
    for statement in statements:
        writer.begin_line()
        writer.write(statement)
    for comment in tail:
        writer.own_line(comment, 0, keeps_blank=True)
    return writer.finish()


class _Writer:
    def __init__(self, pieces: Sequence[Piece], width: int) -> None:
        self.width = width
        self.lines: list[str] = []
        self.current = ""
        # A comment ends its line: what comes next begins a new one.
        self.must_break = False
        self._breaks_before = _counted(any(not comment.is_inline for comment in piece.leading) for piece in pieces)
        self._breaks_behind = _counted(bool(piece.trailing) for piece in pieces)

    def begin_line(self) -> None:
        if self.current:
            self._break(0)

    def finish(self) -> list[str]:
        self.begin_line()
        return self.lines

    def _break(self, indent: int) -> None:
        self.lines.append(self.current.rstrip())
        self.current = " " * indent
        self.must_break = False

    def own_line(self, comment: Comment, indent: int, *, keeps_blank: bool) -> None:
        if self.current.strip():
            self._break(indent)
        self.current = " " * indent
        if keeps_blank and comment.has_blank_before and self.lines:
            self.lines.append("")
        self._put(comment.text)
        self.must_break = True

    def _put(self, text: str) -> None:
        *whole, last = text.split("\n")
        for line in whole:
            self.lines.append((self.current + line).rstrip())
            self.current = ""
        self.current += last

    def write(self, doc: Doc) -> None:
        tasks: list[_Task] = [(0, False, doc)]
        while tasks:
            indent, is_flat, part = tasks.pop()
            match part:
                case Piece():
                    self._piece(part, indent)
                case Gap(width=width):
                    self.current += "" if self.must_break else " " * width
                case Line(is_soft=is_soft):
                    if not is_flat:
                        self._break(indent)
                    elif not self.must_break and not is_soft:
                        self.current += " "
                case Nest(parts=parts, by=by):
                    tasks.extend((indent + by, is_flat, inner) for inner in reversed(parts))
                case Group(parts=parts):
                    flat = is_flat or (not self._is_broken(part) and self._fits([(indent, True, part)], tasks))
                    tasks.extend((indent, flat, inner) for inner in reversed(parts))
                case Fill(items=items):
                    tasks.extend(reversed(list(self._filled(items, indent, is_flat=is_flat))))

    def _filled(self, items: tuple[Doc, ...], indent: int, *, is_flat: bool) -> Iterable[_Task]:
        """Decide where a list breaks: items are written whole."""
        column = len(self.current)
        for number, item in enumerate(items):
            length = _flat_length(item)
            if number and (is_flat or column + 1 + length <= self.width):
                yield indent, True, LINE
                column += 1
            elif number:
                yield indent, False, LINE
                column = indent
            yield indent, True, item
            column += length

    def _piece(self, piece: Piece, indent: int) -> None:
        for comment in piece.leading:
            if comment.is_inline:
                self._next_line(indent)
                self._put(f"{comment.text} ")
            else:
                self.own_line(comment, indent + (_INNER if piece.text in _CLOSING else 0), keeps_blank=piece.begins_statement)
        self._next_line(indent)
        if piece.begins_statement and piece.has_blank_before and self.lines:
            self.lines.append("")
        self._put(piece.text)
        for comment in piece.trailing:
            self._put(f"  {comment.text}")
            self.must_break = True

    def _next_line(self, indent: int) -> None:
        if self.must_break:
            self._break(indent)

    def _is_broken(self, group: Group) -> bool:
        """A group with a comment that ends a line, but at its very ends, cannot be on one line."""
        first, last = _ends(group)
        return (
            self._breaks_before[last + 1] - self._breaks_before[first + 1] > 0 or self._breaks_behind[last] - self._breaks_behind[first] > 0
        )

    def _fits(self, tasks: list[_Task], rest: list[_Task]) -> bool:
        """Say whether a group on one line, and what follows up to the next possible break, fits."""
        left = self.width - len(self.current)
        below = len(rest)
        while left >= 0:
            if not tasks:
                if not below:
                    return True
                below -= 1
                tasks = [rest[below]]
            indent, is_flat, part = tasks.pop()
            match part:
                case Piece(text=text, trailing=trailing):
                    left -= len(text) + sum(len(comment.text) + 1 for comment in part.leading if comment.is_inline)
                    if trailing:
                        return left >= 0
                case Gap(width=width):
                    left -= width
                case Line(is_soft=is_soft):
                    if not is_flat:
                        return True
                    left -= 0 if is_soft else 1
                case Nest(parts=parts) | Group(parts=parts):
                    tasks.extend((indent, is_flat, inner) for inner in reversed(parts))
                case Fill(items=items):
                    left -= sum(_flat_length(item) + 1 for item in items) - 1
        return False


def _counted(marks: Iterable[bool]) -> list[int]:
    """Return how many of the marks before each place are set."""
    counts = [0]
    counts.extend(counts[-1] + mark for mark in marks)
    return counts


def _ends(group: Group) -> tuple[int, int]:
    """Return the numbers of the first and the last piece of a group."""
    return _end(group, 0), _end(group, -1)


def _end(doc: Doc, at: int) -> int:
    while not isinstance(doc, Piece):
        parts = doc.items if isinstance(doc, Fill) else doc.parts if isinstance(doc, Nest | Group) else ()
        inner = [part for part in parts if not isinstance(part, Gap | Line)]
        doc = inner[at]
    return doc.number


def _flat_length(doc: Doc) -> int:
    match doc:
        case Piece(text=text):
            return len(text)
        case Gap(width=width):
            return width
        case Line(is_soft=is_soft):
            return 0 if is_soft else 1
        case Nest(parts=parts) | Group(parts=parts):
            return sum(map(_flat_length, parts))
        case Fill(items=items):
            return sum(_flat_length(item) + 1 for item in items) - 1
