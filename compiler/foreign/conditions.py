"""Conditions of other languages on their way into text: connectives over atoms that are text already."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias, assert_never

from compiler.ir import Attribute, AttributeScope, Intrinsic, Named
from compiler.ir_text import Writer

_SCOPES = {"": AttributeScope.ANY, "span": AttributeScope.SPAN, "resource": AttributeScope.RESOURCE, "scope": AttributeScope.SCOPE}


@dataclass(frozen=True, slots=True)
class Atom:
    """A test as text; `negated` is what holds exactly where the other tool takes the test for false.

    Without it `not` means what it means here: a missing attribute leaves both the test and its negation undecided.
    """

    text: str
    negated: str = ""


@dataclass(frozen=True, slots=True)
class OfSpan:
    """A predicate of the one span that the whole condition is judged of."""

    predicate: Condition


@dataclass(frozen=True, slots=True)
class Not:
    """A negation."""

    body: Condition


@dataclass(frozen=True, slots=True)
class Both:
    """A conjunction."""

    sides: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """A disjunction."""

    sides: tuple[Condition, ...]


Condition: TypeAlias = "Atom | OfSpan | Not | Both | Either"


def both(sides: Sequence[Condition]) -> Condition:
    """Return the conjunction of one or more conditions."""
    flat = [one for side in sides for one in (side.sides if isinstance(side, Both) else (side,))]
    return flat[0] if len(flat) == 1 else Both(tuple(flat))


def either(sides: Sequence[Condition]) -> Condition:
    """Return the disjunction of one or more conditions."""
    flat = [one for side in sides for one in (side.sides if isinstance(side, Either) else (side,))]
    return flat[0] if len(flat) == 1 else Either(tuple(flat))


def condition_text(condition: Condition) -> str:
    """Return a condition as text of the rule language."""
    return _text(condition, 0)


def _text(condition: Condition, least: int) -> str:
    """Return a condition, in parentheses where it binds looser than `least`: 0 or, 1 and, 2 not."""
    match condition:
        case Atom(text=text):
            return text
        case OfSpan(predicate=predicate):
            return f"span.where({_text(predicate, 0)})"
        case Not(body=body):
            pushed = _negation(body)
            return f"not {_text(body, 2)}" if pushed is None else _text(pushed, least)
        case Both(sides=sides):
            text, binds = " and ".join(_text(side, 1) for side in sides), 1
        case Either(sides=sides):
            text, binds = " or ".join(_text(side, 0) for side in sides), 0
        case _:
            assert_never(condition)
    return text if binds >= least else f"({text})"


def _negation(body: Condition) -> Condition | None:
    """Return a negation pushed down to its atoms, where one of them knows what it is false of; else nothing."""
    if not _is_two_valued(body):
        return None
    match body:
        case Atom(negated=negated):
            return Atom(negated)
        case Both(sides=sides):
            return Either(tuple(map(Not, sides)))
        case Either(sides=sides):
            return Both(tuple(map(Not, sides)))
        case Not(body=inner):
            return inner
        case OfSpan():
            return None
    assert_never(body)


def _is_two_valued(condition: Condition) -> bool:
    match condition:
        case Atom(negated=negated):
            return bool(negated)
        case Not(body=body):
            return _is_two_valued(body)
        case Both(sides=sides) | Either(sides=sides):
            return any(map(_is_two_valued, sides))
        case OfSpan():
            return False
    assert_never(condition)


def spans_named(name: str) -> str:
    """Return the selector of the spans of a name."""
    return Writer().base(Named(name))


def attribute(key: str, scope: str = "") -> str:
    """Return the path of an attribute: of a span, then its resource, or with a scope (span, resource, scope) of that alone."""
    return Writer().value(Attribute(_SCOPES[scope], key))


def on_the_right(path: str) -> str | None:
    """Return the path of an attribute as it stands right of a comparison, where a lone name or string is text; None: it cannot."""
    if path.startswith('"'):
        return None
    return path if re.search("[.:]", path) else f"({path})"


def intrinsic(name: str) -> str:
    """Return an intrinsic such as `span:duration`."""
    return Writer().value(Intrinsic(name))
