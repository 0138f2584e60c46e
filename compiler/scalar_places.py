"""Where each code point of a scalar's text stands in its file, in every style of YAML (YAML 1.2.2, chapters 7.3 and 8.1)."""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

_DOUBLE_ESCAPE = re.compile(r"\\(?:x.{2}|u.{4}|U.{8}|.)", re.DOTALL)
_SINGLE_ESCAPE = re.compile("''")


class Lines(Protocol):
    """A text and its lines, counted from 0, without their breaks."""

    text: str
    line_starts: list[int]

    def line(self, number: int) -> str:
        """Return a line."""
        ...


class Places:
    """Offsets into a scalar's text and the indices into the file they come from.

    Each entry begins a stretch that runs on one to one; one of width above 1 is a single code point written as an escape.
    """

    def __init__(self, text: str, start: int) -> None:
        self.text = text
        self.offsets = [0]
        self.indices = [start]
        self.widths = [1]

    def add(self, offset: int, index: int, width: int = 1) -> None:
        """Say that the code points from `offset` on stand at `index`."""
        if self.offsets[-1] == offset:
            self.indices[-1], self.widths[-1] = index, width
        else:
            self.offsets.append(offset)
            self.indices.append(index)
            self.widths.append(width)

    def find(self, offset: int) -> tuple[int, int]:
        """Return index and width of the code point at an offset; beyond the text the place after its last visible one."""
        if offset >= len(self.text):
            last = len(self.text.rstrip("\n")) - 1
            index, width = self.find(last) if last >= 0 else (self.indices[0], 0)
            return index + width, 1
        at = bisect_right(self.offsets, max(0, offset)) - 1
        width = self.widths[at]
        return (self.indices[at] + (offset - self.offsets[at] if width == 1 else 0)), width


def scalar_places(document: Lines, start: int, end: int, style: str, text: str) -> Places:
    """Return the places of a scalar that stands from index `start` to `end` of the file."""
    places = Places(text, start)
    if style == "|" or (style == ">" and not text.strip("\n")):
        _literal(places, document, start)
    elif style == ">":
        _folded(places, document, start)
    else:
        quoted = 1 if style in {"'", '"'} else 0
        _flow(places, document.text[start + quoted : end - quoted], start + quoted, style)
    return places


def _literal(places: Places, document: Lines, start: int) -> None:
    """Each line of the text is the tail of a line of the file."""
    offset = 0
    number = bisect_right(document.line_starts, start)
    for line in places.text.split("\n") if places.text else []:
        if number >= len(document.line_starts):
            return
        written = document.line(number)
        places.add(offset, document.line_starts[number] + max(0, len(written) - len(line)))
        offset += len(line) + 1
        number += 1


def _folded(places: Places, document: Lines, start: int) -> None:
    """A break between two lines that are not indented further is a space, or the blank lines that follow it; else it stands."""
    offset = breaks = 0
    header = bisect_right(document.line_starts, start)
    fold = document.line_starts[header] if header < len(document.line_starts) else start
    visible = len(places.text.rstrip("\n"))
    was_deeper = True
    for begin, content in _folded_lines(places.text, document, start):
        if offset >= visible:
            return
        if not content:
            breaks += 1
            continue
        deeper = content[0] in " \t"
        kept = breaks if deeper or was_deeper else breaks - 1
        for _ in range(kept or (1 if breaks else 0)):
            places.add(offset, fold)
            offset += 1
        places.add(offset, begin)
        offset += len(content)
        breaks, was_deeper, fold = 1, deeper, begin + len(content)


def _folded_lines(text: str, document: Lines, start: int) -> Iterator[tuple[int, str]]:
    """Walk index and content of the lines of a folded block; empty for lines that only break."""
    number = bisect_right(document.line_starts, start)
    visible = text.lstrip("\n")
    indent = -1
    for at in range(number, len(document.line_starts)):
        line = document.line(at)
        if indent < 0 and line.strip(" "):
            indent = (len(line) - len(line.lstrip(" "))) - (len(visible) - len(visible.lstrip(" ")))
        yield document.line_starts[at] + max(0, indent), line[indent:] if indent >= 0 else ""


def _flow(places: Places, written: str, start: int, style: str) -> None:
    """Plain and quoted: blanks around a break go, one break is a space, more are one less, an escaped one is nothing."""
    offset = breaks = 0
    fold = index = start
    escaped = False
    lines = written.split("\n")
    for number, line in enumerate(lines):
        first, last = number == 0, number == len(lines) - 1
        begin, end, ends_escaped = _content(line, first=first, last=last, style=style)
        if begin < end or first or last or ends_escaped:
            for _ in range(_joined(breaks, escaped=escaped)):
                places.add(offset, fold)
                offset += 1
            offset = _add_content(places, offset, index + begin, line[begin:end], style)
            breaks, escaped, fold = 0, ends_escaped, index + end
        breaks += 1
        index += len(line) + 1


def _joined(breaks: int, *, escaped: bool) -> int:
    """How many code points the breaks between two pieces of content become."""
    if breaks == 1 and not escaped:
        return 1
    return max(0, breaks - 1)


def _content(line: str, *, first: bool, last: bool, style: str) -> tuple[int, int, bool]:
    """Return begin and end of what a line adds to the text, and whether its break is escaped."""
    begin = 0 if first else len(line) - len(line.lstrip(" \t"))
    if last:
        return begin, len(line), False
    bare = line.removesuffix("\r")
    if style == '"' and _ends_in_backslash(bare):
        return begin, max(begin, len(bare) - 1), True
    end = len(bare.rstrip(" \t"))
    if style == '"' and _ends_in_backslash(bare[:end]):
        end += 1
    return begin, max(begin, end), False


def _ends_in_backslash(text: str) -> bool:
    return (len(text) - len(text.rstrip("\\"))) % 2 == 1


def _add_content(places: Places, offset: int, index: int, content: str, style: str) -> int:
    """Add a piece of one line; return the offset after it."""
    places.add(offset, index)
    if style not in {"'", '"'}:
        return offset + len(content)
    taken = 0
    for escape in (_DOUBLE_ESCAPE if style == '"' else _SINGLE_ESCAPE).finditer(content):
        offset += escape.start() - taken
        places.add(offset, index + escape.start(), len(escape[0]))
        offset += 1
        taken = escape.end()
        places.add(offset, index + taken)
    return offset + len(content) - taken
