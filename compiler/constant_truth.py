"""Conditions that can never be true, or always are: only where it is certain for every trace, so that no warning is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeGuard

from compiler import ir
from compiler.kinds import KIND_NAMES, STATUS_NAMES
from compiler.values import Duration, Truth, compare_plain, is_number

_ENUMERATED = {"span:kind": KIND_NAMES, "span:status": STATUS_NAMES}
_COUNTED = frozenset({"trace:spanCount", "trace:serviceCount"})
_PAIRED_MAX = 64
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}


Side: TypeAlias = "ir.Predicate | ir.Formula"


@dataclass(frozen=True, slots=True)
class _Constraint:
    """`subject word constant`."""

    subject: ir.Value
    word: str
    constant: ir.Literal


def constant_truth(node: ir.Predicate | ir.Formula) -> Truth:
    """Return True where a condition always is true, False where it never is, None where it depends on the trace."""
    match node:
        case ir.And(sides=sides):
            flat = list(_flat(tuple[Side, ...](sides)))
            return False if _contradict(flat) else None
        case ir.Or(sides=sides):
            negated = _negated(sides)
            return True if any(_is_two_valued(side) and side in negated for side in sides) else None
        case ir.In(items=()):
            return False
        case ir.Compare(word=word, left=left, right=right):
            return _compared(word, left, right)
        case ir.Comparison(quantifier=quantifier, word=word, left=left, right=right):
            return _of_groups(quantifier, _compared(word, left, right))
        case _:
            return None


def _of_groups(quantifier: str, truth: Truth) -> Truth:
    """There may be no group, so that `some` is false and `every` true."""
    certain = {"some": False, "every": True}
    return truth if certain.get(quantifier, truth) is truth else None


def _compared(word: str, left: ir.Value, right: ir.Value) -> Truth:
    if isinstance(left, ir.Literal) and isinstance(right, ir.Literal):
        return compare_plain(word, left.value, right.value)
    constraint = _constraint(word, left, right)
    if constraint is None:
        return None
    if isinstance(constraint.subject, ir.Intrinsic) and constraint.subject.name in _ENUMERATED:
        return _enumerated(constraint, _ENUMERATED[constraint.subject.name])
    least = _least(constraint.subject)
    if least is None:
        return None
    truth = _from_least(constraint, least)
    # A value that may be missing is at most never right.
    return truth if truth is False or _is_count(constraint.subject) else None


def _constraint(word: str, left: ir.Value, right: ir.Value) -> _Constraint | None:
    if isinstance(right, ir.Literal):
        return _Constraint(left, word, right)
    return _Constraint(right, _MIRRORED[word], left) if isinstance(left, ir.Literal) else None


def _enumerated(constraint: _Constraint, names: Sequence[str]) -> Truth:
    if constraint.constant.value in names or constraint.word not in {"==", "!="}:
        return None
    return constraint.word == "!="


def _is_count(subject: ir.Value) -> bool:
    if isinstance(subject, ir.Aggregate):
        return subject.word in {"count", "distinct"}
    return isinstance(subject, ir.TraceValue) and subject.name in _COUNTED


def _least(subject: ir.Value) -> int | Duration | None:
    """Return the least value of what is never negative."""
    if _is_count(subject) or (isinstance(subject, ir.Call) and subject.word == "length"):
        return 0
    if isinstance(subject, ir.Intrinsic | ir.TraceValue) and subject.name in {"span:duration", "trace:duration"}:
        return Duration(0)
    return None


def _from_least(constraint: _Constraint, least: int | Duration) -> Truth:
    """Judge `subject word constant` for a subject of at least `least`; a count is whole."""
    word, constant = constraint.word, constraint.constant.value
    below = compare_plain("<", constant, least) is True
    if is_number(constant) and isinstance(constant, float) and not constant.is_integer() and word in {"==", "!="}:
        return word == "!="
    if below:
        return word in {">", ">=", "!="}
    if compare_plain("==", constant, least) is True and word in {"<", ">="}:
        return word == ">="
    return None


def _flat(sides: Sequence[Side]) -> Iterator[Side]:
    for side in sides:
        if isinstance(side, ir.And):
            yield from _flat(side.sides)
        else:
            yield side


def _negated(sides: Iterable[object]) -> set[object]:
    return {side.body for side in sides if isinstance(side, ir.Not)}


def _is_two_valued(side: object) -> bool:
    """Whether a side is never unknown, so that it or its negation is true."""
    return isinstance(side, ir.Exists | ir.SomeElement)


def _contradict(sides: list[Side]) -> bool:
    negated = _negated(sides)
    if any(side in negated for side in sides):
        return True
    missing = [side.body.value for side in sides if isinstance(side, ir.Not) and isinstance(side.body, ir.Exists)]
    if any(isinstance(side, ir.Compare) and (side.left in missing or side.right in missing) for side in sides):
        return True
    constraints = [found for side in sides if _has_one_value(side) and (found := _constraint(side.word, side.left, side.right))]
    by_subject: dict[ir.Value, list[_Constraint]] = {}
    for one in constraints:
        by_subject.setdefault(one.subject, []).append(one)
    return any(_is_empty(list(dict.fromkeys(some))) for some in by_subject.values())


def _has_one_value(side: Side) -> TypeGuard[ir.Compare | ir.Comparison]:
    """Whether a side compares one value: of groups each has its own, and there may be none."""
    return isinstance(side, ir.Compare) or (isinstance(side, ir.Comparison) and not side.quantifier)


def _is_empty(constraints: list[_Constraint]) -> bool:
    """Say whether no value meets all constraints on one subject.

    Only an order excludes arrays, of which `==` may hold for two constants at once.
    """
    plain = [one for one in constraints if one.word != "!="]
    if not any(one.word in {"<", "<=", ">", ">="} for one in plain) and not isinstance(constraints[0].subject, ir.Intrinsic):
        return False
    # The tightest of each side decide; a handful of pairs is all that hand-written rules have.
    return any(_exclude(one, other) for one in plain[:_PAIRED_MAX] for other in plain[:_PAIRED_MAX])


def _exclude(one: _Constraint, other: _Constraint) -> bool:
    """Say whether `> low` (or `>=`, `==`) and `< high` (or `<=`, `==`) leave nothing between."""
    if one.word not in {">", ">=", "=="} or other.word not in {"<", "<=", "=="}:
        return False
    touching = one.word in {">=", "=="} and other.word in {"<=", "=="}
    return compare_plain(">" if touching else ">=", one.constant.value, other.constant.value) is True
