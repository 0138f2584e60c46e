"""Values and what can be done with them, in three-valued logic (rule-language.md sections 4 and 5).

A value is a Python bool, int (int64), float, str, bytes, tuple (array), mapping, `Duration` or `Time`; None is a missing or undefined
value. A truth is True, False or None for unknown.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

INT64_MAX = 2**63 - 1
INT64_MIN = -(2**63)
# A union would be made anew for each question.
_NUMBERS = (int, float)

Truth: TypeAlias = "bool | None"


@dataclass(frozen=True, slots=True, order=True)
class Duration:
    """A length of time in nanoseconds, int64."""

    ns: int


@dataclass(frozen=True, slots=True, order=True)
class Time:
    """A moment in unix nanoseconds, int64."""

    ns: int


Value: TypeAlias = "bool | int | float | str | bytes | Duration | Time | Sequence[Value] | Mapping[str, Value] | None"

_ORDER: Mapping[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_INT64_LENGTH_MAX = 20
_JSON_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_ASCII_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


def kleene_or(sides: Iterable[Truth]) -> Truth:
    """True if a side is true, else unknown if one is, else false."""
    unknown = False
    for side in sides:
        if side is True:
            return True
        unknown = unknown or side is None
    return None if unknown else False


def kleene_and(sides: Iterable[Truth]) -> Truth:
    """False if a side is false, else unknown if one is, else true."""
    unknown = False
    for side in sides:
        if side is False:
            return False
        unknown = unknown or side is None
    return None if unknown else True


def kleene_not(side: Truth) -> Truth:
    """Unknown stays unknown."""
    return None if side is None else not side


def is_number(value: object) -> bool:
    """Say whether a value is a number; a bool is none."""
    return isinstance(value, _NUMBERS) and not isinstance(value, bool)


def is_array(value: object) -> bool:
    """Say whether a value is an array; strings and bytes are none."""
    return isinstance(value, tuple | list)


def in_int64(number: int) -> bool:
    """Say whether a whole number fits int64."""
    return INT64_MIN <= number <= INT64_MAX


def text_bytes(text: str) -> bytes:
    """Return the bytes by which a string is compared: its UTF-8, or the ill-formed bytes it came from."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def compare(word: str, left: Value, right: Value) -> Truth:
    """Compare two values; an array may stand on the left of `==` and `!=` only."""
    if is_array(left):
        return _some_equals(left, right, negated=word == "!=") if word in {"==", "!="} else None
    return compare_plain(word, left, right)


def _some_equals(array: Value, value: Value, *, negated: bool = False) -> Truth:
    """Say whether an element equals a value; unknown, also of no element, where nothing can equal it: missing, NaN, an array."""
    if compare_plain("==", value, value) is None:
        return None
    return any_element(array, lambda element: compare_plain("==", element, value), negated=negated)


def compare_plain(word: str, left: Value, right: Value) -> Truth:
    """Compare two values neither of which may be an array: of one kind, numbers exactly, strings by bytes; else unknown."""
    if is_number(left) and is_number(right):
        return None if left != left or right != right else _ORDER[word](left, right)  # noqa: PLR0124  # only NaN differs from itself
    if isinstance(left, str) and isinstance(right, str):
        return _ORDER[word](text_bytes(left), text_bytes(right))
    if isinstance(left, bool) and isinstance(right, bool):
        return _ORDER[word](left, right) if word in {"==", "!="} else None
    if (isinstance(left, Duration) and isinstance(right, Duration)) or (isinstance(left, Time) and isinstance(right, Time)):
        return _ORDER[word](left, right)
    return None


def any_element(array: Value, test: Callable[[Value], Truth], *, negated: bool = False) -> Truth:
    """Kleene `or` of a test over the elements of an array, or its negation."""
    assert isinstance(array, Sequence)
    found = kleene_or(test(element) for element in array)
    return kleene_not(found) if negated else found


def is_in(value: Value, items: Iterable[Value]) -> Truth:
    """Kleene `or` of `==` over the items of a list; an array on the left: over its elements too. A missing value is in no known list."""
    if value is None:
        return None
    if is_array(value):
        listed = tuple(items)
        return any_element(value, lambda element: None if element is None else is_in_plain(element, listed))
    return is_in_plain(value, items)


def is_in_plain(value: Value, items: Iterable[Value]) -> Truth:
    """Kleene `or` of `==` over the items, for a value that is no array."""
    return kleene_or(compare_plain("==", value, item) for item in items)


def contains(value: Value, part: Value) -> Truth:
    """A substring of a string, an element of an array."""
    if is_array(value):
        return _some_equals(value, part)
    if isinstance(value, str) and isinstance(part, str):
        return text_bytes(part) in text_bytes(value)
    return None


def affix(word: str, value: Value, part: Value) -> Truth:
    """`startswith` or `endswith`, by bytes; of an array: of some element."""
    if not isinstance(part, str):
        return None
    if is_array(value):
        return any_element(value, lambda element: None if is_array(element) else affix(word, element, part))
    if isinstance(value, str):
        test = bytes.startswith if word == "startswith" else bytes.endswith
        return test(text_bytes(value), text_bytes(part))
    return None


def arithmetic(sign: str, left: Value, right: Value) -> Value:
    """`left sign right`: numbers in doubles, durations and times in int64; whatever has no value is None."""
    if is_number(left) and is_number(right):
        return _in_doubles(sign, float(left), float(right))  # type: ignore[arg-type]  # both are numbers
    if sign == "/" and isinstance(left, Duration) and isinstance(right, Duration):
        return _in_doubles("/", float(left.ns), float(right.ns))
    if sign == "-" and isinstance(left, Time) and isinstance(right, Time):
        return _whole(Duration, left.ns - right.ns)
    if sign in {"+", "-"} and isinstance(left, Duration | Time) and isinstance(right, Duration):
        return _whole(type(left), left.ns + right.ns if sign == "+" else left.ns - right.ns)
    if sign == "+" and isinstance(left, Duration) and isinstance(right, Time):
        return _whole(Time, left.ns + right.ns)
    return None


def _in_doubles(sign: str, left: float, right: float) -> float | None:
    if sign == "/":
        result = left / right if right else math.nan
    else:
        result = left + right if sign == "+" else left - right if sign == "-" else left * right
    return result if math.isfinite(result) else None


def _whole(kind: type[Duration | Time], nanoseconds: int) -> Duration | Time | None:
    return kind(nanoseconds) if in_int64(nanoseconds) else None


def negate(value: Value) -> Value:
    """Unary minus, of numbers only."""
    return _in_doubles("-", 0.0, float(value)) if is_number(value) else None  # type: ignore[arg-type]  # it is a number


def call(word: str, value: Value) -> Value:
    """Apply `lower`, `length`, `number` or `abs`; other kinds give None."""
    if word == "lower":
        return value.translate(_ASCII_LOWER) if isinstance(value, str) else None
    if word == "length":
        return len(value) if isinstance(value, str) or is_array(value) else None  # type: ignore[arg-type]  # both have a length
    if word == "number":
        return _number(value)
    return _absolute(value)


def _number(value: Value) -> Value:
    if is_number(value):
        return value
    if not isinstance(value, str) or not _JSON_NUMBER.fullmatch(value):
        return None
    if not any(mark in value for mark in ".eE") and len(value) <= _INT64_LENGTH_MAX and in_int64(int(value)):
        return int(value)
    double = float(value)
    return double if math.isfinite(double) else None


def _absolute(value: Value) -> Value:
    if isinstance(value, Duration):
        return _whole(Duration, abs(value.ns))
    if isinstance(value, float):
        return abs(value)
    if is_number(value):
        positive = abs(value)  # type: ignore[arg-type]  # it is an int
        return positive if in_int64(positive) else float(positive)
    return None
