"""Literals of the rule language: their written form → their value (rule-language.md section 2)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from compiler.diagnostics import Code
from compiler.values import INT64_MAX, INT64_MIN, Duration

_INT64_LENGTH_MAX = 20
_DURATION_LENGTH_MAX = 60
# The smallest first.
UNIT_NS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_DURATION = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?(ns|us|ms|s|m|h)")
_ESCAPE = re.compile(r'\\(u[0-9A-Fa-f]{4}|["\\ntr]|.)', re.DOTALL)
_ESCAPED = {'"': '"', "\\": "\\", "n": "\n", "t": "\t", "r": "\r"}


@dataclass(frozen=True, slots=True)
class Malformed:
    """Why a literal has no value: offset and length within its written form (length 0: to its end)."""

    code: Code
    message: str
    hint: str = ""
    offset: int = 0
    length: int = 0


def read_number(text: str) -> int | float | Malformed:
    """Return the value of a number: an int where it is written without `.` and `e`, in int64; else a finite double."""
    if any(mark in text for mark in ".eE"):
        value = float(text)
        return value if abs(value) != float("inf") else Malformed(Code.SYNTAX, f"`{text}` is beyond a double")
    # A literal of thousands of digits would be quadratic to read.
    whole = int(text) if len(text) <= _INT64_LENGTH_MAX else INT64_MAX + 1
    if not INT64_MIN <= whole <= INT64_MAX:
        return Malformed(Code.SYNTAX, f"`{text[:40]}` is beyond int64", "write it as a double: 1e20")
    return whole


def read_duration(text: str) -> Duration | Malformed:
    """Return the value of a duration: a whole number of nanoseconds in int64."""
    parts = _DURATION.fullmatch(text)
    if parts is None or len(text) > _DURATION_LENGTH_MAX:
        return Malformed(Code.SYNTAX, f"`{text[:40]}` is no duration")
    sign, whole, fraction, unit = parts.groups()
    scale = 10 ** len(fraction or "")
    product = int(whole + (fraction or "")) * UNIT_NS[unit]
    if product % scale:
        return Malformed(Code.SYNTAX, f"`{text}` is no whole number of nanoseconds", "use a smaller unit")
    nanoseconds = product // scale * (-1 if sign else 1)
    if not INT64_MIN <= nanoseconds <= INT64_MAX:
        return Malformed(Code.SYNTAX, f"`{text}` is beyond int64 nanoseconds (292 years)")
    return Duration(nanoseconds)


def read_string(text: str) -> str | Malformed:
    """Return the value of a STRING: between backticks as it stands, between quotes with its escapes resolved."""
    if text[0] == "`":
        return text[1:-1]
    for escape in _ESCAPE.finditer(text, 1, len(text) - 1):
        if escape[1][0] != "u" and escape[1] not in _ESCAPED:
            hint = f"in backticks nothing is escaped: `{text[1:-1]}`" if "`" not in text else ""
            return Malformed(Code.SYNTAX, f"`{escape[0]}` is no escape", hint, offset=escape.start(), length=2)
        if escape[1] == "u":
            return Malformed(Code.SYNTAX, r"`\u` needs four hex digits", offset=escape.start(), length=2)
    value = _ESCAPE.sub(lambda escape: _ESCAPED.get(escape[1]) or chr(int(escape[1][1:], 16)), text[1:-1])
    # Two escapes may be the halves of one code point beyond the first plane; a lone half is no text.
    try:
        return value.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        return Malformed(Code.SYNTAX, r"`\u` names half of a surrogate pair")
