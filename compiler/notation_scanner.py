"""Reads the smallest parts of the test notation: words, strings, values, durations and ids, each with its place."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from compiler.literals import Malformed, read_duration, read_string
from compiler.values import INT64_MAX, INT64_MIN

if TYPE_CHECKING:
    from compiler.trace import AttributeValue

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"|`[^`]*`', re.DOTALL)
_JSON_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?P<fraction>\.[0-9]+)?(?P<exponent>[eE][+-]?[0-9]+)?")
_HEX = re.compile(r"[0-9a-fA-F]+")
_SPACES = re.compile(r" *")
_BARE = re.compile(r"[^ \t]*")
# Inside of brackets spaces belong to a text; those around it do not.
_BARE_INSIDE = {")": re.compile(r"[^,)]*"), "]": re.compile(r"[^,\]]*")}
_INT_LENGTH_MAX = 20


class BadNotation(Exception):  # noqa: N818 (a finding on its way to a diagnostic, never seen outside of the notation)
    """A mistake in a line: offset and length in the text, a sentence, perhaps a hint."""

    def __init__(self, offset: int, length: int, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.offset = offset
        self.length = max(1, length)
        self.message = message
        self.hint = hint


class Cursor:
    """A place in a line of the text; `end` is the line's end, trailing blanks left out."""

    def __init__(self, text: str, at: int, end: int) -> None:
        self.text = text
        self.at = at
        self.end = end

    def peek(self) -> str:
        """Return the next code point, empty at the end of the line."""
        return self.text[self.at] if self.at < self.end else ""

    def match(self, pattern: re.Pattern[str]) -> str:
        """Take what the pattern matches here."""
        found = pattern.match(self.text, self.at, self.end)
        if found is None:
            return ""
        self.at = found.end()
        return found[0]

    def skip_spaces(self) -> None:
        """Go past spaces."""
        self.match(_SPACES)

    def take(self, character: str) -> bool:
        """Go past a code point if it comes next."""
        found = self.peek() == character
        self.at += found
        return found

    def indentation(self) -> int:
        """Go past the spaces a line begins with and return their number."""
        indent = len(self.match(_SPACES))
        if self.peek() == "\t":
            raise BadNotation(self.at, 1, "a tab cannot indent a line", "indent with spaces")
        return indent

    def at_quote(self) -> bool:
        """Say whether a string comes next."""
        return self.peek() in {'"', "`"}

    def string(self) -> str:
        """Take a string: escapes resolved, or raw between backticks."""
        start = self.at
        written = self.match(_STRING)
        if not written:
            raise BadNotation(start, self.end - start, "the string has no end", "a string ends on its line")
        value = read_string(written)
        if isinstance(value, Malformed):
            raise BadNotation(start + value.offset, value.length or len(written), value.message, value.hint)
        return value

    def bare(self, closer: str = "") -> str:
        """Take a text without quotes: up to a space or, inside brackets, up to a comma or the closing bracket."""
        start = self.at
        text = self.match(_BARE_INSIDE[closer] if closer else _BARE)
        self.at = start + len(text.rstrip(" ")) if closer else self.at
        return text.rstrip(" ") if closer else text

    def text_value(self, closer: str = "") -> str:
        """Take a value that is a text whatever it looks like."""
        if not self.at_quote():
            return self.bare(closer)
        value = self.string()
        self.need_delimiter(closer)
        return value

    def need_delimiter(self, closer: str = "") -> None:
        """Check that what was read ends here."""
        start = self.at
        if closer:
            self.skip_spaces()
        following = self.peek()
        if following and following not in (f",{closer}" if closer else " "):
            wanted = f"`,` or `{closer}`" if closer else "a space"
            raise BadNotation(start, 1, f"{wanted} has to follow here")

    def value(self, closer: str = "") -> AttributeValue:
        """Take the value of an attribute."""
        if self.peek() == "[":
            return self._array(closer)
        return self._scalar(closer)

    def _scalar(self, closer: str) -> bool | int | float | str:
        start = self.at
        if self.at_quote():
            return self.text_value(closer)
        written = self.bare(closer)
        if written in {"true", "false"}:
            return written == "true"
        number = _JSON_NUMBER.fullmatch(written)
        if number is None:
            return written
        value = _number(written, is_int=number["fraction"] is None and number["exponent"] is None)
        if value is None:
            hint = 'a string stands in quotes: "…"'
            raise BadNotation(start, len(written), "the number is beyond int64, or beyond a double", hint)
        return value

    def _array(self, closer: str) -> AttributeValue:
        start = self.at
        self.at += 1
        self.skip_spaces()
        items: list[AttributeValue | None] = []
        if not self.take("]"):
            items.append(self._item(start))
            while self.take(","):
                items.append(self._item(start))
            if not self.take("]"):
                raise BadNotation(start, self.end - start, "the array has no end", "[a,1]")
        self.need_delimiter(closer)
        return tuple(items)

    def _item(self, array_start: int) -> AttributeValue:
        self.skip_spaces()
        if not self.peek():
            raise BadNotation(array_start, self.end - array_start, "the array has no end", "[a,1]")
        if self.peek() in {",", "]"}:
            raise BadNotation(self.at, 1, "an item of the array is missing", 'an empty string is ""')
        if self.peek() == "[":
            raise BadNotation(self.at, 1, "an array does not hold arrays", 'a string stands in quotes: "…"')
        value = self._scalar("]")
        self.skip_spaces()
        return value

    def duration(self, written: str, offset: int) -> int:
        """Return the nanoseconds of a duration that was taken from `offset`."""
        value = read_duration(written)
        if isinstance(value, Malformed):
            raise BadNotation(offset, len(written), value.message, value.hint or "a number and ns us ms s m h: 31ms")
        return value.ns

    def hex_id(self, digits: int, closer: str = "") -> str:
        """Take an id of at most so many hex digits; zeros are added on the left."""
        start = self.at
        written = self.bare(closer)
        if not _HEX.fullmatch(written) or len(written) > digits:
            raise BadNotation(start, len(written), f"an id is 1 to {digits} hex digits", "id=1a")
        return written.lower().zfill(digits)


def _number(written: str, *, is_int: bool) -> int | float | None:
    """Return the value of a number in JSON syntax; None where an int is beyond int64 or a float not finite."""
    if is_int:
        whole = int(written) if len(written) <= _INT_LENGTH_MAX else INT64_MAX + 1
        return whole if INT64_MIN <= whole <= INT64_MAX else None
    value = float(written)
    return value if math.isfinite(value) else None
