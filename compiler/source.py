"""Rule text and places in it. A piece of source text is a *region*, never a span."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A rule file: the name shown in diagnostics and its raw bytes, as they were read."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True, order=True)
class Region:
    """A place in a file: line and column count from 1, column and length in code points of that line.

    A region that spans several lines gives the length of its part on the first line.
    """

    file: str
    line: int
    column: int
    length: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"
