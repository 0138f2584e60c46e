"""Reads escapes and classes of patterns."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from compiler.pattern_class import LAST, PERL, POSIX, SURROGATES, fold, named_range, negate, union

if TYPE_CHECKING:
    from compiler.pattern_class import Ranges

_CONTROLS = {"a": 7, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11}
_OCTAL = re.compile(r"\\(0[0-7]{0,2}|[1-7][0-7]{1,2})")
_HEX = re.compile(r"\\x(?:([0-9a-fA-F]{2})|\{0*([0-9a-fA-F]{1,6})\})")
_REFUSED = {
    "b": r"`\b` is not used: word boundaries differ between engines; say (^|\W)",
    "B": r"`\B` is not used: word boundaries differ between engines",
    "C": r"`\C` matches half a character",
    "p": r"Unicode classes are not used: list the ranges, [\x{400}-\x{4ff}]",
    "P": r"Unicode classes are not used: list the ranges, [^\x{400}-\x{4ff}]",
    "Z": r"the end of the text is `\z` or `$`",
    "k": "RE2 has no back references",
    "E": r"`\E` ends a `\Q`, and there is none",
}
_CLASS_NAME_END = ":]"


class PatternMistake(Exception):  # noqa: N818 (a finding on its way to a diagnostic, never seen outside of the patterns)
    """A mistake in a pattern: offset and length in the text, a sentence."""

    def __init__(self, offset: int, length: int, message: str, *, is_too_large: bool = False) -> None:
        super().__init__(message)
        self.offset = offset
        self.length = max(1, length)
        self.message = message
        self.is_too_large = is_too_large


class ClassReader:
    """Reads characters and classes of one pattern; `at` is where it reads."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.folds = False
        # Without this, each `[:` of a hostile text would search its end anew.
        self._last_name_end = text.rfind(_CLASS_NAME_END)

    def character(self) -> int:
        """Take a character that may be escaped, and return its code point."""
        if self.text[self.at] == "\\":
            return self._escape()
        self.at += 1
        return self.literal(self.at - 1)

    def literal(self, offset: int) -> int:
        """Return the code point at an offset, checked to be a character."""
        return self._checked(ord(self.text[offset]), offset, 1)

    def _escape(self) -> int:
        start = self.at
        letter = self.text[start + 1 : start + 2]
        if not letter:
            raise PatternMistake(start, 1, "a backslash at the end escapes nothing")
        number = _OCTAL.match(self.text, start) or _HEX.match(self.text, start)
        if number:
            self.at = number.end()
            digits = number[1] or number[2]
            code = int(digits, 8 if number.re is _OCTAL else 16)
            return self._checked(code, start, self.at - start)
        if letter in _CONTROLS or (letter.isascii() and not letter.isalnum()):
            self.at += 2
            return _CONTROLS.get(letter, ord(letter))
        raise PatternMistake(start, 2, self._refusal(letter))

    @staticmethod
    def _refusal(letter: str) -> str:
        if letter in _REFUSED:
            return _REFUSED[letter]
        if letter == "x":
            return r"`\x` needs two hex digits, or some in braces: \x{e9}"
        return "RE2 has no back references" if letter in "123456789" else f"`\\{letter}` is no escape"

    @staticmethod
    def _checked(code: int, offset: int, length: int) -> int:
        if code > LAST or SURROGATES[0] <= code <= SURROGATES[1]:
            raise PatternMistake(offset, length, f"U+{code:04X} is no character")
        return code

    def folded(self, code: int) -> Ranges:
        """Return the set of a literal character."""
        return union(fold([(code, code)])) if self.folds else ((code, code),)

    def perl(self) -> Ranges | None:
        r"""Take a class such as `\d` if one comes next."""
        name = self.text[self.at + 1 : self.at + 2]
        if self.text[self.at] != "\\" or name not in PERL:
            return None
        self.at += 2
        return PERL[name]

    def bracketed(self) -> Ranges:
        """Take a class in brackets."""
        start = self.at
        self.at += 1
        is_negated = self.text.startswith("^", self.at)
        self.at += is_negated
        ranges: list[tuple[int, int]] = []
        is_first = True
        while is_first or not self.text.startswith("]", self.at):
            if self.at >= len(self.text):
                raise PatternMistake(start, 1, "the class has no end: `]` is missing")
            ranges += self._named() or self.perl() or self._range(start)
            is_first = False
        self.at += 1
        found = union(ranges)
        return negate(found) if is_negated else found

    def _named(self) -> Ranges | None:
        """Take a class such as `[:alpha:]` if one comes next."""
        if not self.text.startswith("[:", self.at) or self.at + 2 > self._last_name_end:
            return None
        end = self.text.index(_CLASS_NAME_END, self.at + 2)
        name = self.text[self.at + 2 : end]
        is_negated = name.startswith("^")
        ranges = POSIX.get(name.removeprefix("^"))
        if ranges is None:
            raise PatternMistake(self.at, end + 2 - self.at, f"there is no class `[:{name[:20]}:]`")
        self.at = end + 2
        if self.folds:
            ranges = union(fold(ranges))
        return negate(ranges) if is_negated else ranges

    def _range(self, class_start: int) -> list[tuple[int, int]]:
        start = self.at
        low = high = self.character()
        if self.text.startswith("-", self.at) and not self.text.startswith("]", self.at + 1):
            self.at += 1
            if self.at >= len(self.text):
                raise PatternMistake(class_start, 1, "the class has no end: `]` is missing")
            high = self.character()
        if high < low:
            raise PatternMistake(start, self.at - start, "the range runs backwards")
        ranges = list(named_range(low, high))
        return fold(ranges) if self.folds else ranges
