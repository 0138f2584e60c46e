"""Tests of values as atoms of a tableau: the truths that they may have, and one form for tests that say the same."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeAlias

from compiler import ir
from compiler.evaluate import MIRRORED
from compiler.kinds import Kind, kind_of
from compiler.values import Truth, affix, compare_plain, contains, is_in_plain

# Sets of truths.
TRUE, FALSE, UNKNOWN = 1, 2, 4
NOT_TRUE, NOT_FALSE, KNOWN, ANY = FALSE | UNKNOWN, TRUE | UNKNOWN, TRUE | FALSE, TRUE | FALSE | UNKNOWN
SWAPPED = [(mask & UNKNOWN) | (FALSE if mask & TRUE else 0) | (TRUE if mask & FALSE else 0) for mask in range(8)]

Atom: TypeAlias = "ir.SpanTest | ir.TraceTest"

_NEGATION = {"!=": "==", "<=": ">", ">=": "<"}
_ALWAYS_THERE = frozenset(
    {
        *("span:name", "span:status", "span:kind", "span:id", "span:statusMessage", "instrumentation:name", "instrumentation:version"),
        *("event:name", "link:traceID", "link:spanID"),
    }
)
_COUNTED = frozenset({"trace:spanCount", "trace:serviceCount"})


def bit(truth: Truth) -> int:
    """Return the set of one truth."""
    return UNKNOWN if truth is None else TRUE if truth else FALSE


def canonical(node: ir.Predicate | ir.Formula, mask: int) -> tuple[Atom, int]:
    """Return the form that a test and its mirror image and negation share, with the truths of that."""
    if isinstance(node, ir.Comparison):
        if node.quantifier:
            return replace(node, text=""), mask
        node = ir.Compare(node.word, node.left, node.right)
    if not isinstance(node, ir.Compare):
        return node, mask  # type: ignore[return-value]  # connectives were taken apart before
    word, left, right = node.word, node.left, node.right
    if word in _NEGATION:
        word, mask = _NEGATION[word], SWAPPED[mask]
    if isinstance(left, ir.Literal) and not isinstance(right, ir.Literal):
        # An array may stand on the left alone: `5 == x` is unknown of one, `x == 5` may be true.
        if word != "==" or not mask & UNKNOWN or is_scalar(right):
            word, left, right = MIRRORED[word], right, left
    elif word == "<" and not isinstance(right, ir.Literal):
        word, left, right = ">", right, left
    return ir.Compare(word, left, right), mask


def domain(node: ir.Predicate | ir.Formula) -> int:
    """Return the truths that a test may have, whatever the trace."""
    match node:
        case ir.Exists(value=value):
            return TRUE if isinstance(value, ir.Literal) or is_always_there(value) else KNOWN
        case ir.Selected() | ir.AllOf() | ir.SomeElement():
            return KNOWN
        case ir.Compare(word=word, left=left, right=right) if isinstance(right, ir.Literal):
            if isinstance(left, ir.Literal):
                return bit(compare_plain(word, left.value, right.value))
            return KNOWN if is_always_there(left) else ANY
        case ir.Compare(word=word, left=left, right=right) if left == right:
            return NOT_FALSE if word == "==" else NOT_TRUE
        case ir.In(items=()):
            return NOT_TRUE
        case ir.In(value=value) | ir.Matches(value=value) | ir.TextTest(value=value, part=ir.Literal(value=str())):
            return KNOWN if is_always_there(value) else ANY
        case _:
            return ANY


def is_always_there(value: ir.Value) -> bool:
    """Say whether every span has the value, or every trace, and it is of one kind."""
    if isinstance(value, ir.Intrinsic):
        return value.name in _ALWAYS_THERE
    return is_count(value)


def is_count(value: ir.Value) -> bool:
    """Say whether a value is a number of things of a trace, which there always is."""
    if isinstance(value, ir.Aggregate):
        return value.word in {"count", "distinct"}
    return isinstance(value, ir.TraceValue) and value.name in _COUNTED


def is_scalar(value: ir.Value) -> bool:
    """Say whether a value is never an array."""
    return Kind.ARRAY not in kind_of(value)


def holds(atom: Atom, constant: object) -> Truth:
    """Return the truth of a test of one value where that value is a constant."""
    match atom:
        case ir.Compare(word=word, right=ir.Literal(value=right)):
            return compare_plain(word, constant, right)  # type: ignore[arg-type]  # a constant of a rule
        case ir.In(items=items):
            return is_in_plain(constant, [item.value for item in items])  # type: ignore[arg-type]
        case ir.Matches(pattern=pattern):
            return pattern.matches(constant) if isinstance(constant, str) else None
        case ir.TextTest(word=word, part=ir.Literal(value=part)):
            return contains(constant, part) if word == "contains" else affix(word, constant, part)  # type: ignore[arg-type]
        case ir.IsTrue():
            return constant if isinstance(constant, bool) else None
        case _:
            raise AssertionError(atom)  # of one value and constants alone
