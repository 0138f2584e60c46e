"""Lua as a tree: the few forms that generated code is made of. lua_print.py writes them; nothing else makes Lua text."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Name:
    """A variable; its word is the generator's own, never a user's."""

    word: str


@dataclass(frozen=True, slots=True)
class Number:
    """A finite number: a whole one is written as such, another with 17 digits."""

    value: int | float


@dataclass(frozen=True, slots=True)
class Int64:
    """An `int64_t` constant."""

    value: int


@dataclass(frozen=True, slots=True)
class Text:
    """A string constant, the only place where text of a rule reaches Lua."""

    value: bytes


@dataclass(frozen=True, slots=True)
class Word:
    """`nil`, `true` or `false`."""

    word: str


@dataclass(frozen=True, slots=True)
class Call:
    """`function(arguments)`."""

    function: Expr
    arguments: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Index:
    """`of[key]`."""

    of: Expr
    key: Expr


@dataclass(frozen=True, slots=True)
class Field:
    """`of.name`."""

    of: Expr
    name: str


@dataclass(frozen=True, slots=True)
class Binary:
    """`(left sign right)`."""

    sign: str
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class Not:
    """`(not body)`."""

    body: Expr


@dataclass(frozen=True, slots=True)
class Table:
    """`{items}`: a list."""

    items: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Function:
    """`function(parameters) body end`."""

    parameters: tuple[str, ...]
    body: tuple[Statement, ...]


Expr: TypeAlias = Name | Number | Int64 | Text | Word | Call | Index | Field | Binary | Not | Table | Function


@dataclass(frozen=True, slots=True)
class Local:
    """`local names = values`; no value: nil."""

    names: tuple[str, ...]
    values: tuple[Expr, ...] = ()


@dataclass(frozen=True, slots=True)
class Assign:
    """`target = value`."""

    target: Expr
    value: Expr


@dataclass(frozen=True, slots=True)
class If:
    """`if test then body else otherwise end`."""

    test: Expr
    body: tuple[Statement, ...]
    otherwise: tuple[Statement, ...] = ()


@dataclass(frozen=True, slots=True)
class For:
    """`for variable = first, last do body end`."""

    variable: str
    first: Expr
    last: Expr
    body: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Return:
    """`return values`, the last statement of its block."""

    values: tuple[Expr, ...] = ()


@dataclass(frozen=True, slots=True)
class Do:
    """`do body end`: a scope for locals."""

    body: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Run:
    """A call for its effect."""

    call: Call


Statement: TypeAlias = Local | Assign | If | For | Return | Do | Run

NIL, TRUE, FALSE = Word("nil"), Word("true"), Word("false")


def call(function: str | Expr, *arguments: Expr) -> Call:
    """Call a function by its dotted name, or the value of an expression."""
    return Call(name(function) if isinstance(function, str) else function, arguments)


@cache
def name(dotted: str) -> Expr:
    """Return a variable or, behind dots, its fields."""
    first, *fields = dotted.split(".")
    found: Expr = Name(first)
    for field in fields:
        found = Field(found, field)
    return found


def item(of: str | Expr, key: int | Expr) -> Index:
    """Return `of[key]`."""
    return Index(name(of) if isinstance(of, str) else of, Number(key) if isinstance(key, int) else key)
