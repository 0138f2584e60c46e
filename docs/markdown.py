"""Tables and code, as Markdown has them."""

from __future__ import annotations

import re
from collections.abc import Iterable


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Return a Markdown table; a bar inside a cell is escaped."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(re.sub(r"\s+", " ", cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def code(text: str) -> str:
    """Return text as code within a line, whatever backticks it has."""
    fence = _fence(text)
    space = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{space}{text}{space}{fence}"


def block(text: str, language: str) -> str:
    """Return text as a block of code."""
    fence = _fence(text).rjust(3, "`")
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def _fence(text: str) -> str:
    """Return a run of backticks longer than any of a text."""
    return "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
