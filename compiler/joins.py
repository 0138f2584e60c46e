"""Equality joins: `b.where(key == a.key)` inside `for each … as a` looks its spans up by their key. Part of the reference engine.

The index only leaves out spans of which the predicate cannot be true.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from compiler import ir
from compiler.ir_walk import mentions_bound
from compiler.values import Duration, Time, Value, is_array, is_number


@dataclass(frozen=True, slots=True)
class Join:
    """A conjunct `own == theirs`: a value of the span looked at and one of the bound span alone."""

    own: ir.Value
    theirs: ir.Value


def join_of(where: ir.Predicate | None) -> Join | None:
    """Return the first equality of a predicate that must hold and ties the span looked at to the bound one."""
    sides: Sequence[ir.Predicate] = where.sides if isinstance(where, ir.And) else () if where is None else (where,)
    for side in sides:
        if isinstance(side, ir.And) and (found := join_of(side)):
            return found
        if isinstance(side, ir.Compare) and side.word == "==":
            if _is_theirs(side.right) and _is_own(side.left):
                return Join(side.left, side.right)
            if _is_theirs(side.left) and _is_own(side.right):
                return Join(side.right, side.left)
    return None


def _is_theirs(value: ir.Value) -> bool:
    return isinstance(value, ir.Attribute | ir.Intrinsic) and value.of is not None


def _is_own(value: ir.Value) -> bool:
    return not isinstance(value, ir.Literal) and not mentions_bound(value)


# What is equal by its type and itself; a union written where it is asked would be made anew each time.
_BY_TYPE = (str, bool, Duration, Time)


def hash_key(value: Value) -> object:
    """Return what two values share if `==` is true of them: kind and value; None where nothing equals it by one key."""
    if is_number(value):
        return ("number", value)
    return (type(value), value) if isinstance(value, _BY_TYPE) else None


def index_key(value: Value) -> object:
    """Return the bucket of a value: its hash key; arrays, which equal several values, share the bucket ARRAYS."""
    return ARRAYS if is_array(value) else hash_key(value)


ARRAYS = "arrays"
