"""Words of the language, and how the parser speaks of them."""

from __future__ import annotations

import re
from collections.abc import Iterable

RESERVED = frozenset(
    {
        "let",
        "when",
        "for",
        "each",
        "as",
        "always",
        "never",
        "implies",
        "and",
        "or",
        "not",
        "some",
        "every",
        "before",
        "after",
        "during",
        "overlaps",
        "under",
        "child",
        "sibling",
        "of",
        "on",
        "within",
        "by",
        "exists",
        "missing",
        "in",
        "matches",
        "contains",
        "startswith",
        "endswith",
        "true",
        "false",
    }
)

_SPOKEN = {
    "CLAUSE": "`always` or `never`",
    "QUANTIFIER": "`some` or `every`",
    "PRESENCE": "`exists` or `missing`",
    "BOOL": "`true` or `false`",
    "WORD": "a test such as `contains`",
    "RELATION": "a relation such as `before`",
    "CMP": "a comparison",
    "AGGREGATE": "an aggregate such as `count(`",
    "FUNCTION": "a function such as `lower(`",
    "ELEMENT": "`event(` or `link(`",
    "METHOD": "`.where(`",
    "KEY": "an attribute",
    "INTRINSIC": "an intrinsic such as `span:duration`",
    "PATH": "a name",
    "DURATION": "a duration",
    "NUMBER": "a number",
    "STRING": "a string",
    "RAW": "a string",
    "PLUS": "`+`",
    "MINUS": "`-`",
    "TIMES": "`*` or `/`",
    "LPAR": "`(`",
    "RPAR": "`)`",
    "LBRACE": "`{`",
    "RBRACE": "`}`",
    "LSQB": "`[`",
    "RSQB": "`]`",
    "COMMA": "`,`",
    "EQUAL": "`=`",
    "$END": "the end of the rule",
}

# What people write who come from another language, and what to write instead.
_HABITS = (
    (re.compile(r"&"), "write `and`"),
    (re.compile(r"\|"), "write `or`"),
    (re.compile(r"(?:where|all|any|none)\s*\("), "a method follows a dot: x.where(…)"),
    (re.compile(r"!(?!=)"), "write `not`"),
    (re.compile(r"=(?!=)"), "equality is `==`"),
    (re.compile(r"'"), 'strings stand in double quotes: "…", or raw in backticks'),
    (re.compile(r"(?:AND|OR|NOT|IN|WHEN|ALWAYS|NEVER|EXISTS|MATCHES|CONTAINS)\b"), "keywords are lower case"),
    (re.compile(r"[0-9]+(?:\.[0-9]+)?[A-Za-z_]"), "no letter follows a number; durations end in ns us ms s m h"),
    (re.compile(r"[0-9]+\.(?![0-9])|\.[0-9]"), "a decimal point stands between digits"),
    (re.compile(r'"[^"\n]*(?:\n|\Z)'), "a string ends on its line"),
    (re.compile(r"}"), "a block needs a condition"),
)
_BEHIND_WITHIN = re.compile(r"\bwithin\s+[0-9][0-9.]*[a-z]+\s*\Z")
_NAMED_MAX = 4
# What a reader most likely meant, before signs and keys that could also stand there.
_FIRST = ("CMP", "RBRACE", "RPAR", "AND", "OR", "CLAUSE", "LBRACE")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DOTTED = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")


def describe(expected: Iterable[str]) -> str:
    """Put the terminals a parser would have accepted into words, the most telling first."""
    names = {name for name in expected if not name.startswith("__")}
    if {"PATH", "LPAR"} <= names:
        return "a condition" if {"ELEMENT", "QUANTIFIER"} <= names else "a value"
    words = list(dict.fromkeys(_SPOKEN.get(name, f"`{name.lower()}`") for name in sorted(names, key=_telling)))
    if len(words) > _NAMED_MAX:
        return f"{', '.join(words[:_NAMED_MAX])} or the like"
    return " or ".join(words) if words else "nothing"


def _telling(name: str) -> tuple[int, str]:
    return (_FIRST.index(name) if name in _FIRST else len(_FIRST), name)


def reserved_at(text: str, offset: int) -> str:
    """Return the reserved word that stands at an offset, or nothing."""
    found = _WORD.match(text, offset)
    return found[0] if found and found[0] in RESERVED else ""


def hint_for(text: str, offset: int) -> str:
    """Return what to write instead of the text at `offset`, where it is a known habit."""
    if reserved_at(text, offset) == "on" and _BEHIND_WITHIN.search(text, 0, offset):
        return "`on` stands before `within`: a before b on key within 5s"
    if reserved_at(text, offset):
        return f'a word of the language: quote it where it is a name, "{_DOTTED.match(text, offset)[0]}"'  # type: ignore[index]  # it matches
    # The lexer may stop inside a number or name: look from its start.
    start = offset
    while start and (text[start - 1].isalnum() or text[start - 1] in "_."):
        start -= 1
    for habit, hint in _HABITS:
        if habit.match(text, offset) or (start != offset and habit.match(text, start)):
            return hint
    return ""
