"""What text that cannot be read most likely means: a word misspelt or of another language, a sign, a unit, a name without quotes.

Looked for only where the parser has stopped, so that rules that are right pay nothing.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from compiler.near_names import did_you_mean, meant
from compiler.spelling import RESERVED, hint_for
from compiler.syntax import At

# Nearer than for names of a file: a word that is only a little like one of the language is more often a name.
_CUTOFF = 0.75
# How much of the text before a place is looked at.
_BEFORE_MAX = 200


@dataclass(frozen=True, slots=True)
class Mend:
    """Where text stands that means something else, and the hint; `message` where the parser's own would not speak of this place."""

    at: At
    hint: str
    message: str = ""


# By the terminal that could stand there: the words of the language that an unknown word may be near to.
_WORDS = {
    "WORD": ("matches", "contains", "startswith", "endswith"),
    "RELATION": ("before", "after", "during", "overlaps", "under", "child of", "sibling of"),
    "PRESENCE": ("exists", "missing"),
    "CLAUSE": ("always", "never"),
    "QUANTIFIER": ("some", "every"),
} | {word.upper(): (word,) for word in ("and", "or", "not", "implies", "in", "on", "within", "by", "as", "each", "when", "let", "for")}

# What other languages and plain English say, what is meant, and the terminal that could stand there.
_PHRASES = tuple(
    (re.compile(rf"(?:{phrase})(?![A-Za-z0-9_.])", re.IGNORECASE), words, terminal)
    for phrase, words, terminal in (
        (r"is[ \t]+not[ \t]+(?:missing|null|none|nil)|is[ \t]+(?:present|set)", "exists", "PRESENCE"),
        (r"is[ \t]+(?:missing|null|none|nil|absent)", "missing", "PRESENCE"),
        (r"is[ \t]+not[ \t]+in", "not in", "IN"),
        (r"is[ \t]+in", "in", "IN"),
        (r"is[ \t]+not|isn't|ne|neq", "!=", "CMP"),
        (r"is|equals|equal[ \t]+to|eq", "==", "CMP"),
        (r"gte|ge", ">=", "CMP"),
        (r"lte|le", "<=", "CMP"),
        (r"gt", ">", "CMP"),
        (r"lt", "<", "CMP"),
        (r"i?like|rlike|regexp?|match", "matches", "WORD"),
        (r"includes?|has", "contains", "WORD"),
        (r"starts[ \t]+with|begins[ \t]*_?with|has_?prefix", "startswith", "WORD"),
        (r"ends[ \t]+with|has_?suffix", "endswith", "WORD"),
        (r"prece+de?s?|followed[ \t]+by|then", "before", "RELATION"),
        (r"follows?", "after", "RELATION"),
        (r"below|beneath|descendant[ \t]+of", "under", "RELATION"),
        (r"child(?![ \t]*_?of)", "child of", "RELATION"),
        (r"sibling(?![ \t]*_?of)", "sibling of", "RELATION"),
    )
)
_ENTRANCES = {"if": "when", "where": "when", "given": "when", "must": "always", "require": "always", "assert": "always", "forbid": "never"}

# Signs of other languages that begin where the parser stops, and how much of it stands before that place.
_SIGNS = (
    (re.compile(r"=>"), 0, ">="),
    (re.compile(r"=<"), 0, "<="),
    (re.compile(r"=~"), 0, "matches"),
    (re.compile(r"!~"), 0, "not matches"),
    (re.compile(r"<>"), 1, "!="),
    (re.compile(r"==="), 2, "=="),
    (re.compile(r"!=="), 2, "!="),
)
_UNIT_NAMES = {
    "ns": ("ns", "nanosecond", "nanoseconds", "nanos"),
    "us": ("us", "microsecond", "microseconds", "micros"),
    "ms": ("ms", "millisecond", "milliseconds", "millis", "msec"),
    "s": ("s", "second", "seconds", "sec", "secs"),
    "m": ("m", "minute", "minutes", "min", "mins"),
    "h": ("h", "hour", "hours", "hr", "hrs"),
    "d": ("d", "day", "days"),
}
_UNITS = {name: unit for unit, names in _UNIT_NAMES.items() for name in names}
_MEASURE = re.compile(r"([0-9]+(?:\.[0-9]+)?)[ _]*([A-Za-z]+)(?![A-Za-z0-9_.])")
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?(?![A-Za-z0-9_.])")
_NUMBER_BEFORE = re.compile(r"(?<![A-Za-z0-9_.])[0-9]+(?:\.[0-9]+)?[ ]*\Z")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WORD_BEFORE = re.compile(r"(?<![A-Za-z0-9_.])([A-Za-z_][A-Za-z0-9_]*)\s*\Z")
_INSIDE = re.compile(r"(?:inside|contained)\b")
_FOR_EACH = re.compile(r"for_?each", re.IGNORECASE)
_NOT_BEFORE = re.compile(r"\bnot +\Z")
# A name of words and slashes: up to where the parser stopped, and on from there.
_NAME_BEFORE = re.compile(r"(?<![A-Za-z0-9_.\"`/])(?:[A-Za-z_][A-Za-z0-9_.-]*(?: ?/[A-Za-z0-9_./-]*| )?|/[A-Za-z0-9_./-]*)\Z")
_NAME_AFTER = re.compile(r"(?: ?/)?[A-Za-z0-9_./-]*(?:\{[^{}\s\"]*\}[A-Za-z0-9_./-]*)*")
_BEHIND_NAME = re.compile(r"\s*(?:[}),]|\Z|(?:and|or|implies|before|after|during|overlaps|under|child|sibling|as|on|within|by)\b)")


def mend_for(text: str, at: At, expected: Collection[str]) -> Mend | None:
    """Return what is most likely meant where the parser stopped; `expected` are the names of the terminals that could stand there."""
    for look in (_sign, _measure, _for_each, _entrance, _negated_presence, _phrase):
        found = look(text, at, expected)
        if found is not None:
            return found
    hint = hint_for(text, at[0])
    if hint:
        return Mend(at, hint)
    return _near_word(text, at, expected) or _name(text, at)


def _sign(text: str, at: At, _expected: Collection[str]) -> Mend | None:
    for sign, before, instead in _SIGNS:
        start = at[0] - before
        found = sign.match(text, start) if start >= 0 else None
        if found:
            message = f"`{found[0]}` is no sign of the language" if before else ""
            return Mend((start, found.end()), meant(instead), message)
    return None


def _measure(text: str, at: At, expected: Collection[str]) -> Mend | None:
    """A duration whose unit is spelt out or stands apart."""
    start = at[0]
    if text[start : start + 1].isalpha():
        before = _NUMBER_BEFORE.search(text, max(0, start - _BEFORE_MAX), start)
        start = start if before is None else before.start()
    found = _MEASURE.match(text, start)
    if found and (unit := _UNITS.get(found[2].lower())):
        duration = f"{float(found[1]) * 24:g}h" if unit == "d" else f"{found[1]}{unit}"
        return Mend((start, found.end()), meant(duration), f"`{found[0]}` is no duration")
    number = _NUMBER.match(text, start) if "DURATION" in expected else None
    return Mend(at, f"a duration has a unit, ns us ms s m h: {number[0]}ms") if number else None


def _for_each(text: str, at: At, expected: Collection[str]) -> Mend | None:
    before = _word_before(text, at)
    if before is None:
        return None
    written = text[before[0] : before[1]]
    if _FOR_EACH.fullmatch(written) or (written == "for" and "EACH" in expected and not _is_near(text, at, "each")):
        message = "`for` goes with `each`" if written == "for" else f"`{written}` is no word of the language"
        return Mend(before, meant("for each"), message)
    return None


def _is_near(text: str, at: At, word: str) -> bool:
    found = _WORD.match(text, at[0])
    return bool(found and did_you_mean(found[0], (word,), _CUTOFF))


def _entrance(text: str, at: At, _expected: Collection[str]) -> Mend | None:
    """A block whose word is unknown: `alwyas { … }`, `if { … }`."""
    before = _word_before(text, at) if text[at[0] : at[0] + 1] == "{" else None
    if before is None:
        return None
    written = text[before[0] : before[1]]
    known = _ENTRANCES.get(written.lower())
    hint = meant(known) if known else "" if written in RESERVED else did_you_mean(written, ("always", "never", "when"), _CUTOFF)
    return Mend(before, hint, f"`{written}` begins no block") if hint else None


def _negated_presence(text: str, at: At, expected: Collection[str]) -> Mend | None:
    found = _WORD.match(text, at[0])
    before = _NOT_BEFORE.search(text, max(0, at[0] - _BEFORE_MAX), at[0])
    if found is None or before is None or found[0] not in {"missing", "exists"} or "IN" not in expected:
        return None
    written = f"not {found[0]}"
    return Mend((before.start(), found.end()), meant("exists" if found[0] == "missing" else "missing"), f"`{written}` is no test")


def _phrase(text: str, at: At, expected: Collection[str]) -> Mend | None:
    for phrase, words, terminal in _PHRASES:
        found = phrase.match(text, at[0]) if terminal in expected else None
        if found:
            return Mend((at[0], found.end()), meant(words))
    if "RELATION" in expected and _INSIDE.match(text, at[0]):
        return Mend(at, "`during` speaks of times, `under` of the tree of spans")
    return None


def _near_word(text: str, at: At, expected: Collection[str]) -> Mend | None:
    found = _WORD.match(text, at[0])
    hint = "" if found is None else did_you_mean(found[0], list(_could_stand(expected)), _CUTOFF)
    return Mend((at[0], found.end()), hint) if found and hint else None


def _could_stand(expected: Collection[str]) -> Iterator[str]:
    for terminal, words in _WORDS.items():
        if terminal in expected:
            yield from words


def _name(text: str, at: At) -> Mend | None:
    """The name of a span that needs quotes: `GET users`, `POST /refunds`."""
    before = _NAME_BEFORE.search(text, max(0, at[0] - _BEFORE_MAX), at[0])
    after = _NAME_AFTER.match(text, at[0])
    if before is None or not after or not after[0] or before[0].strip() in RESERVED:
        return None
    name = before[0] + after[0]
    return Mend(at, quote_name(name)) if _BEHIND_NAME.match(text, after.end()) else None


def quote_name(name: str) -> str:
    """Return the hint that a name has to be quoted."""
    return f'quote a name that has spaces, slashes or dashes: "{name}"'


def _word_before(text: str, at: At) -> At | None:
    found = _WORD_BEFORE.search(text, max(0, at[0] - _BEFORE_MAX), at[0])
    return (found.start(1), found.end(1)) if found else None
