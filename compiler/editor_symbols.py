"""The outline of a rule file: its rules and their tests."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from compiler.editor_place import entries_of
from compiler.editor_text import EditorText


@dataclass(frozen=True, slots=True)
class Symbol:
    """A rule or a test: its name, a word beside it, the lines it takes (the last one included), and what is inside of it."""

    name: str
    detail: str
    line: int
    last_line: int
    inside: tuple[Symbol, ...] = ()


def symbols(document: EditorText) -> list[Symbol]:
    """Return the rules of a file in order, each with its tests."""
    found = []
    for piece in document.pieces.pieces:
        one = _symbol(piece.text)
        if one is not None:
            found.append(_down(one, piece.first_line))
    return found


def _down(symbol: Symbol, by: int) -> Symbol:
    inside = tuple(_down(one, by) for one in symbol.inside)
    return Symbol(symbol.name, symbol.detail, symbol.line + by, symbol.last_line + by, inside)


@lru_cache(maxsize=20_000)
def _symbol(text: str) -> Symbol | None:
    lines = text.split("\n")
    last = max(0, max((number for number, line in enumerate(lines) if line.strip()), default=0))
    rule_id, name, line, tests = "", "", 0, list[tuple[str, int]]()
    for entry in entries_of(["rules:", *lines]):
        if entry.keys == ("rules", "id"):
            rule_id, line = entry.text.strip(), entry.line - 1
        elif entry.keys == ("rules", "name"):
            name = entry.text.strip()
        elif entry.keys == ("rules", "tests", "name"):
            tests.append((entry.text.strip(), entry.line - 1))
    if not rule_id and not name:
        return None
    ends = [*(start - 1 for _, start in tests[1:]), last]
    inside = tuple(Symbol(test or "test", "", start, max(start, end)) for (test, start), end in zip(tests, ends, strict=False))
    return Symbol(rule_id or name, name if rule_id else "", line, last, inside)
