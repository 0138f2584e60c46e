"""A chunk of Lua under construction: functions in numbered tables, so that no limit of Lua is met however many rules there are.

LuaJIT allows a function 200 locals, 60 upvalues and 65 536 constants, and a jump 32 767 instructions. So every construct becomes a small
function of its own, called by its number, and definitions are loaded in sections.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence

from compiler import lua_tree as lua
from compiler.engine_layout import Layout

SECTION_SIZE = 100

# The tables of a chunk: predicates, selections, formulas, comparisons, keys, lists, patterns, rules.
TABLES = ("P", "G", "F", "C", "Y", "L", "M", "R")


class Chunk:
    """Takes definitions; each distinct construct is defined once."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self._counts = dict.fromkeys(TABLES, 0)
        self._numbers: dict[tuple[str, Hashable], int] = {}
        self._keys: dict[Hashable, int] = {}
        self.patterns: dict[str, int] = {}
        self._definitions: list[lua.Statement] = []

    def once(self, table: str, key: Hashable, make: Callable[[], lua.Expr]) -> lua.Index:
        """Return the place of a construct in a table; `make` gives its definition where it has none yet."""
        number = self._numbers.get((table, key))
        if number is None:
            value = make()
            number = self._numbers[(table, key)] = self.add(table, value)
        return lua.item(table, number)

    def add(self, table: str, value: lua.Expr) -> int:
        """Define the next item of a table; return its number, from 1."""
        self._counts[table] += 1
        number = self._counts[table]
        self._definitions.append(lua.Assign(lua.item(table, number), value))
        return number

    def number(self, key: Hashable) -> int:
        """Return a number that stands for a key, from 1."""
        return self._keys.setdefault(key, len(self._keys) + 1)

    def pattern(self, text: str) -> int:
        """Return the number of a pattern, from 1."""
        return self.patterns.setdefault(text, len(self.patterns) + 1)

    def sections(self) -> Iterator[lua.Statement]:
        """Yield all definitions, some to a function."""
        for start in range(0, len(self._definitions), SECTION_SIZE):
            yield from section(self._definitions[start : start + SECTION_SIZE])


def section(statements: Sequence[lua.Statement]) -> tuple[lua.Statement, ...]:
    """Return statements that run in a function of their own."""
    return (lua.Do((lua.Local(("section",), (lua.Function((), tuple(statements)),)), lua.Run(lua.call("section")))),)
