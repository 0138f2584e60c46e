r"""Patterns of `matches`: the syntax of RE2, ASCII, without `\b` (rule-language.md section 4; RE2's own page is its wiki's Syntax).

Accepted: literals, `.`, classes (`\d \w \s`, `[[:alpha:]]`), `^ $ \A \z`, groups, `|`, `* + ? {n,m}`, also lazy (which matches the same),
escapes of punctuation, `\a \f \n \r \t \v`, octal and hex, `\Q…\E`, and one flag, a leading `(?i)`. Refused: `\b \B \C`, Unicode classes,
other flags, and what RE2 does not have: back references and lookaround.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from compiler.diagnostics import Code
from compiler.pattern_match import Matcher
from compiler.pattern_parser import PatternMistake, PatternParser

__all__ = ["Pattern", "PatternProblem", "parse_pattern"]


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern that is ready to match; equal to another of the same text."""

    text: str
    matcher: Matcher = field(repr=False, compare=False)

    def matches(self, text: str) -> bool:
        """Say whether some part of the text matches, in time linear in the text.

        An ill-formed byte (a surrogate, by `surrogateescape`) is one code point that only `.` and negated classes match.
        """
        return self.matcher.matches(text)


@dataclass(frozen=True, slots=True)
class PatternProblem:
    """Why a text is no pattern: `bad-pattern` or `pattern-too-large`, offset and length in code points of the text, a sentence."""

    code: Code
    offset: int
    message: str
    length: int = 1


def parse_pattern(text: str) -> Pattern | PatternProblem:
    """Return the pattern of a text, or the first thing wrong with it; never raises, on any text. Time is linear in the text."""
    try:
        parser = PatternParser(text)
        return Pattern(text, Matcher(parser.parse(), list(parser.sets)))
    except PatternMistake as mistake:
        code = Code.PATTERN_TOO_LARGE if mistake.is_too_large else Code.BAD_PATTERN
        return PatternProblem(code, mistake.offset, mistake.message, mistake.length)
