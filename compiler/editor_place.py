"""What is being written at a place of a rule file: a key, a value, or a piece of the rule language; on half-written YAML too.

The lines are read by their indentation, not as YAML, so that every text has an answer. Lines and columns count from 0, in code points.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from compiler.editor_pieces import Pieces
from compiler.rule_file_keys import EXAMPLE_KEYS, EXAMPLE_SPAN_KEYS, EXCEPTION_KEYS, FILE_KEYS, RULE_KEYS, TEST_KEYS, Key, Shape

_KEY = r"[A-Za-z_][A-Za-z0-9_.-]*|\"[^\"]*\"|'[^']*'"
_LINE = re.compile(rf"( *)((?:-(?: +|$))*)(?:({_KEY}):(?: +|$))?(.*)", re.DOTALL)
_BLOCK = re.compile(r"[|>][-+0-9]*\s*(?:#.*)?")
_COMMENT = re.compile(r"(?:^|\s)#.*")
_FLOW_KEY = re.compile(rf"\s*({_KEY})\s*$")

# The keys that may stand in a mapping, by the keys that lead to it.
TABLES: dict[tuple[str, ...], tuple[Key, ...]] = {
    (): FILE_KEYS,
    ("rules",): RULE_KEYS,
    ("rules", "exceptions"): EXCEPTION_KEYS,
    ("rules", "tests"): TEST_KEYS,
    ("rules", "example_violation"): EXAMPLE_KEYS,
    ("rules", "example_violation", "trace"): EXAMPLE_SPAN_KEYS,
}


@dataclass(slots=True)
class Entry:
    """A value and the keys that lead to it: that of a key, or an item of a list. `indent` is where its key or dash begins.

    A key that follows a dash `begins` a mapping of a list. `parts` are the pieces of its text: number of the line, column, text.
    """

    keys: tuple[str, ...]
    line: int
    indent: int
    value_column: int
    is_block: bool = False
    is_item: bool = False
    begins: bool = False
    parts: list[tuple[int, int, str]] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The value's text, without indentation, quotes and the indicator of a block."""
        return "\n".join(text for _, _, text in self.parts)

    def offset(self, line: int, column: int) -> int:
        """Return where in the text a place of the lines is."""
        before = 0
        for number, start, text in self.parts:
            if number >= line:
                return before + (max(0, min(column - start, len(text))) if number == line else 0)
            before += len(text) + 1
        return max(0, before - 1)

    def position(self, offset: int) -> tuple[int, int]:
        """Return line and column of a place of the text."""
        for number, start, text in self.parts:
            if offset <= len(text):
                return number, start + offset
            offset -= len(text) + 1
        return (self.line, self.value_column) if not self.parts else (self.parts[-1][0], self.parts[-1][1] + len(self.parts[-1][2]))


@dataclass(frozen=True, slots=True)
class Place:
    """What is written at a place: a key of the mapping that `keys` lead to, or the value that they lead to.

    `written` is what stands before it of the key or of the value's line, `offset` where in the text of `entry` it is. `siblings` are the
    keys that the mapping has already.
    """

    keys: tuple[str, ...]
    is_key: bool
    written: str
    entry: Entry | None = None
    offset: int = 0
    siblings: frozenset[str] = frozenset()

    @property
    def shape(self) -> Shape | None:
        """What the value looks like; None of a key, and where that is not known."""
        return None if self.is_key else shape_of(self.keys)


def key_of(keys: tuple[str, ...]) -> Key | None:
    """Return a key by the keys that lead to its value."""
    return next((key for key in TABLES.get(keys[:-1], ()) if key.name == keys[-1]), None) if keys else None


def shape_of(keys: tuple[str, ...]) -> Shape | None:
    """Return the shape of the value that some keys lead to; a name of `let` has that of LETS, as `let` has."""
    if keys[:1] == ("let",):
        return Shape.LETS
    found = key_of(keys[:2] if keys[:2] == ("rules", "redact") else keys)
    return None if found is None else found.shape


def entries_of(lines: Sequence[str]) -> list[Entry]:
    """Return the values in some lines that begin at the top of a file, in order."""
    found = list(_entries(lines))
    for entry in found:
        if entry.is_block:
            column = next((len(text) - len(text.lstrip(" ")) for _, _, text in entry.parts if text.strip()), entry.indent + 2)
            entry.parts = [(number, column, text[column:]) for number, _, text in entry.parts]
    return found


def _entries(lines: Sequence[str]) -> Iterator[Entry]:
    parents: list[Entry] = []
    last: Entry | None = None
    for number, line in enumerate(lines):
        parts = _LINE.match(line)
        assert parts is not None
        spaces, is_blank = len(parts[1]), not line.strip()
        if last is not None and _goes_on(last, spaces, is_blank=is_blank):
            last.parts.append((number, 0, line) if last.is_block else (number, spaces, line[spaces:]))
            continue
        if is_blank or line.lstrip().startswith("#"):
            continue
        column, dashes, name = spaces + len(parts[2]), bool(parts[2]), parts[3]
        while parents and (parents[-1].indent > spaces if dashes else parents[-1].indent >= column):
            parents.pop()
        above = parents[-1].keys if parents else ()
        last = None
        if name:
            last = replace(_entry((*above, name.strip("\"'")), number, column, parts), begins=dashes)
            parents.append(last)
        elif dashes:
            last = replace(_entry(above, number, spaces, parts), is_item=True)
        if last is not None:
            yield last


def _goes_on(entry: Entry, spaces: int, *, is_blank: bool) -> bool:
    """Say whether a line goes on with a value that has begun above it."""
    if entry.is_block:
        return is_blank or spaces > entry.indent
    return not is_blank and spaces > entry.indent and bool(entry.parts) and bool(entry.parts[0][2].strip())


def _entry(keys: tuple[str, ...], number: int, indent: int, line: re.Match[str]) -> Entry:
    rest, start = line[4].rstrip("\r"), line.start(4)
    if _BLOCK.fullmatch(rest):
        return Entry(keys, number, indent, start, is_block=True)
    if rest[:1] in {'"', "'"}:
        return Entry(keys, number, indent, start, parts=[(number, start + 1, rest[1:].rstrip().removesuffix(rest[0]))])
    return Entry(keys, number, indent, start, parts=[(number, start, _COMMENT.sub("", rest))])


# ---- the place ----------------------------------------------------------------------------------------------------------------------


def place_at(lines: Sequence[str], line: int, column: int) -> Place:
    """Return what is written at a place of some lines that begin at the top of a file; never raises, at any place."""
    entries = entries_of(lines)
    current = lines[line] if 0 <= line < len(lines) else ""
    before = current[:column]
    entry = next((one for one in reversed(entries) if one.line <= line), None)
    if entry is not None and _is_in_value(entry, line, column, is_blank=not current.strip()):
        offset = entry.offset(line, column)
        flow = _in_flow(entry, offset)
        if flow is not None:
            return flow
        if entry.is_item and entry.keys in TABLES:
            # An item of these lists is a mapping, whose first key is being written.
            return _key_at(entries, line, before)
        start = next((start for number, start, _ in entry.parts if number == line), entry.value_column)
        return Place(entry.keys, is_key=False, written=before[start:], entry=entry, offset=offset)
    return _key_at(entries, line, before)


def _is_in_value(entry: Entry, line: int, column: int, *, is_blank: bool) -> bool:
    if entry.is_block:
        return line > entry.line and (any(number == line for number, _, _ in entry.parts) and (not is_blank or column > entry.indent))
    return any(number == line and column >= start for number, start, _ in entry.parts)


def _key_at(entries: list[Entry], line: int, before: str) -> Place:
    parts = _LINE.match(before)
    assert parts is not None
    spaces, dashes = len(parts[1]), parts[2]
    column = spaces + len(dashes)
    named = [entry for entry in entries if not entry.is_item]
    above = [entry for entry in named if entry.line < line]
    parent = next((entry for entry in reversed(above) if (entry.indent <= spaces if dashes else entry.indent < column)), None)
    keys = () if parent is None else parent.keys
    siblings = {entry.keys[-1] for entry in _siblings(named, line, column, keys, begins=bool(dashes))}
    return Place(keys, is_key=True, written=before[column:].lstrip(), siblings=frozenset(siblings))


def _siblings(entries: list[Entry], line: int, column: int, parents: tuple[str, ...], *, begins: bool) -> Iterator[Entry]:
    """Yield the entries of one mapping: those around a line, up to one that belongs to another item."""
    mine = [entry for entry in entries if entry.line != line and entry.keys[:-1] == parents]
    for entry in () if begins else reversed([entry for entry in mine if entry.line < line]):
        if entry.indent != column:
            break
        yield entry
        if entry.begins:
            break
    for entry in mine:
        if entry.line > line:
            if entry.indent != column or entry.begins:
                break
            yield entry


def _in_flow(entry: Entry, offset: int) -> Place | None:
    """Return the place inside of a mapping in braces or a list in brackets; None where it is in none."""
    before = entry.text[:offset]
    if entry.is_block or before.lstrip()[:1] not in {"{", "["} or entry.keys[:1] == ("let",):
        return None
    opened: list[tuple[str, str]] = []
    start = 0
    for mark in re.finditer(r"\"[^\"]*\"|'[^']*'|[\[{\]},]|:(?=\s)", before):
        at = mark.start()
        if mark[0] in {"{", "["}:
            opened.append((mark[0], ""))
        elif mark[0] in {"}", "]"}:
            if opened:
                opened.pop()
        elif mark[0] == ",":
            if opened:
                opened[-1] = (opened[-1][0], "")
        elif mark[0] == ":" and opened:
            name = _FLOW_KEY.search(before, start, at)
            opened[-1] = (opened[-1][0], "" if name is None else name[1].strip("\"'"))
        elif mark[0][0] in {'"', "'"}:
            continue
        start = mark.end()
    if not opened:
        return None
    keys = (*entry.keys, *(name for _, name in opened if name))
    written = before[start:].lstrip()
    is_key = opened[-1] == ("{", "")
    text = re.split(r"[,}\]\n]", entry.text[start:], maxsplit=1)[0] if not is_key else ""
    line, column = entry.position(start)
    value = Entry(keys, line, entry.indent, column, parts=[(line, column, text)])
    return Place(keys, is_key, written.lstrip("\"'"), value, offset - start)


def lines_around(pieces: Pieces, line: int) -> tuple[list[str], int]:
    """Return the lines of the rule that a line is in, or else of the frame, as a file of their own, and the line's number there."""
    piece = pieces.at(line)
    if piece is not None:
        return piece.as_file.split("\n"), line - piece.first_line + 1
    return pieces.frame.split("\n"), pieces.frame_line(line) or 0
