"""Sets of code points: sorted ranges that do not touch.

The surrogates stand for what is no UTF-8: an ill-formed byte is one of them (`surrogateescape`). No pattern names them, so only `.` and
negated classes hold them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

Ranges: TypeAlias = tuple[tuple[int, int], ...]

LAST = 0x10FFFF
SURROGATES = (0xD800, 0xDFFF)


def union(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """Return the set of all code points of some ranges."""
    merged: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], high))
        else:
            merged.append((low, high))
    return tuple(merged)


def negate(ranges: Ranges) -> Ranges:
    """Return all code points, ill-formed bytes included, that a set does not hold."""
    gaps = []
    following = 0
    for low, high in ranges:
        if low > following:
            gaps.append((following, low - 1))
        following = high + 1
    if following <= LAST:
        gaps.append((following, LAST))
    return tuple(gaps)


def named_range(low: int, high: int) -> Iterable[tuple[int, int]]:
    """Return a range a pattern names, without the surrogates."""
    if high < SURROGATES[0] or low > SURROGATES[1]:
        return [(low, high)]
    parts = [(low, SURROGATES[0] - 1), (SURROGATES[1] + 1, high)]
    return [part for part in parts if part[0] <= part[1]]


def fold(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the ranges and, for their ASCII letters, those of the other case."""
    folded = list(ranges)
    for low, high in tuple(folded):
        for first, last, shift in ((0x41, 0x5A, 32), (0x61, 0x7A, -32)):
            begin, end = max(low, first), min(high, last)
            if begin <= end:
                folded.append((begin + shift, end + shift))
    return folded


def _of(text: str) -> Ranges:
    """Return the set of characters and ranges written as pairs: `azAZ` is a-z and A-Z."""
    return union((ord(low), ord(high)) for low, high in zip(text[::2], text[1::2], strict=True))


DIGIT = _of("09")
WORD = _of("09AZ__az")
SPACE = _of("\t\n\f\r  ")
NOT_NEWLINE = negate(_of("\n\n"))

PERL = {"d": DIGIT, "w": WORD, "s": SPACE, "D": negate(DIGIT), "W": negate(WORD), "S": negate(SPACE)}
POSIX = {
    "alnum": _of("09AZaz"),
    "alpha": _of("AZaz"),
    "ascii": _of("\x00\x7f"),
    "blank": _of("\t\t  "),
    "cntrl": _of("\x00\x1f\x7f\x7f"),
    "digit": DIGIT,
    "graph": _of("!~"),
    "lower": _of("az"),
    "print": _of(" ~"),
    "punct": _of("!/:@[`{~"),
    "space": _of("\t\r  "),
    "upper": _of("AZ"),
    "word": WORD,
    "xdigit": _of("09AFaf"),
}
