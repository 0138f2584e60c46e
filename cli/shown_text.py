"""Text from outside, made fit for a terminal: names in a trace or a rule file may hold escape sequences."""

from __future__ import annotations

import json
import re
import unicodedata

# Control characters, formats (which turn the direction of a line), halves of surrogate pairs, and what ends a line.
_UNFIT = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
# JSON need not escape these; a terminal obeys them or turns the line around, half a pair is no UTF-8, and none stands outside of a string.
_ESCAPED = re.compile("[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")
_LAYOUT = frozenset("\n\t")
_LENGTH_MAX = 240


def one_line(text: str) -> str:
    """Return text in which every unfit character is U+FFFD, line breaks and tabs too."""
    return text if text.isascii() and text.isprintable() else "".join(_fit(mark) for mark in text)


def brief(text: str) -> str:
    """Return text on one line, and no more of it than a person reads."""
    return one_line(text) if len(text) <= _LENGTH_MAX else f"{one_line(text[:_LENGTH_MAX])}…"


def some_lines(text: str) -> str:
    """Return text in which every unfit character is U+FFFD, but line breaks and tabs stay."""
    return text if text.isascii() and text.isprintable() else "".join(mark if mark in _LAYOUT else _fit(mark) for mark in text)


def shown_json(value: object) -> str:
    """Return a value as JSON on some lines, for programs and for terminals."""
    return fit_json(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))


def fit_json(text: str) -> str:
    """Return JSON that means the same, with escapes for what a terminal obeys."""
    return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _fit(mark: str) -> str:
    return "\ufffd" if unicodedata.category(mark) in _UNFIT else mark
