"""What a YAML text says: scalars, sequences and mappings, each with its place; of a scalar the place of every code point."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from typing import TypeAlias

from compiler.scalar_places import Places, scalar_places
from compiler.source import Region

ScalarValue: TypeAlias = "str | int | float | bool | None"

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]+")
_PREFIXED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_FIRST_OF_TYPED = frozenset("+-.0123456789~nNtTfF")
_DIGITS_MAX = 400


class Document:
    """The text of one file: turns indices (code points from its start, without a byte order mark) into lines and columns."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        self.line_starts = [0, *(found.end() for found in re.finditer("\n", text))]
        self._places: dict[int, Places] = {}

    def region(self, start: int, end: int) -> Region:
        """Return the region from one index to another; beyond the first line only that line's part is counted."""
        start = min(start, len(self.text))
        line = bisect_right(self.line_starts, start)
        first = self.line_starts[line - 1]
        stop = min(end, first + len(self.line(line - 1)))
        return Region(self.name, line, start - first + 1, max(1, stop - start))

    def line(self, number: int) -> str:
        """Return a line, counted from 0, without its break."""
        start = self.line_starts[number]
        end = self.line_starts[number + 1] - 1 if number + 1 < len(self.line_starts) else len(self.text)
        return self.text[start : end - 1] if end > start and self.text[end - 1] == "\r" else self.text[start:end]

    def places(self, scalar: Scalar) -> Places:
        """Return where the code points of a scalar stand; made on first use."""
        found = self._places.get(scalar.start)
        if found is None:
            found = self._places[scalar.start] = scalar_places(self, scalar.start, scalar.end, scalar.style, scalar.text)
        return found


@dataclass(frozen=True, slots=True)
class Scalar:
    """A scalar: its text with folding and escapes resolved, and its style (`|`, `>`, a quote; empty: plain).

    `start` and `end` are indices into the document.
    """

    document: Document
    start: int
    end: int
    text: str
    style: str

    @property
    def plain(self) -> bool:
        """Without quotes and indicator: only such a scalar can be more than a string."""
        return not self.style

    @property
    def value(self) -> ScalarValue:
        """Resolve the text by the core schema of YAML 1.2: `NO` and `2027-01-31` are strings."""
        return core_value(self.text) if self.plain else self.text

    @property
    def region(self) -> Region:
        """Where the scalar stands, quotes included; of a block scalar its header."""
        return self.document.region(self.start, self.end)

    def locate(self, offset: int, length: int = 1) -> Region:
        """Return the place in the file of a piece of the text, both in code points; an offset at the end is right after the last one."""
        places = self.document.places(self)
        start, _ = places.find(offset)
        last, width = places.find(max(offset, offset + length - 1))
        return self.document.region(start, max(last + width, start + 1))


@dataclass(frozen=True, slots=True)
class Sequence:
    """A YAML sequence."""

    document: Document
    start: int
    end: int
    items: tuple[Node, ...]

    @property
    def region(self) -> Region:
        """From its first item or bracket to the end of that line."""
        return self.document.region(self.start, self.end)


@dataclass(frozen=True, slots=True)
class Mapping:
    """A YAML mapping, in the order written; of a repeated key only the first entry is there."""

    document: Document
    start: int
    end: int
    entries: tuple[tuple[Scalar, Node], ...]

    @property
    def region(self) -> Region:
        """Its first key; of an empty mapping its brackets."""
        return self.entries[0][0].region if self.entries else self.document.region(self.start, self.end)

    def get(self, key: str) -> Node | None:
        """Return the value of a key; None where it is absent."""
        return next((value for name, value in self.entries if name.text == key), None)


Node: TypeAlias = Scalar | Sequence | Mapping


def core_value(text: str) -> ScalarValue:
    """Return what a plain scalar means in the core schema; a number of more than 400 digits is taken for a string."""
    if text and text[0] not in _FIRST_OF_TYPED:
        return text
    if text in _NULLS:
        return None
    if text in _BOOLS:
        return _BOOLS[text]
    if len(text) > _DIGITS_MAX:
        return text
    return _number(text)


def _number(text: str) -> str | int | float:
    if _INT.fullmatch(text):
        return int(text)
    if _PREFIXED.fullmatch(text):
        return int(text, 0)
    if not _FLOAT.fullmatch(text):
        return text
    return float(text.replace(".", "") if text[-1] in "fFnN" else text)
