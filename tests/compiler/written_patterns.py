"""Patterns that are written at random, and how RE2 is asked about them."""

from __future__ import annotations

import re2
from hypothesis import strategies as st

from compiler.pattern import Pattern, parse_pattern

ATOMS = st.sampled_from(
    [
        *("a", "b", "é", "😀", "-", "_", ":", ".", "^", "$", r"\A", r"\z", r"\d", r"\W", r"\s", r"\.", r"\x41", r"\x{e9}", r"\101"),
        *("[ab]", "[^a]", "[a-c]", r"[^\w]", "[[:alpha:]_]", "[[:^digit:]]", "[]a]", "[é-😀]", "[^é]", r"[\D-]", "[[:punct:]]"),
        *(r"\Qa.\E", "(?:)", "{", "}", "]", r"\n"),
    ]
)
PATTERNS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map("|".join),
        inner.map(lambda text: f"({text})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "*?", "+?", "??", "{0}", "{2}", "{1,}", "{0,2}", "{1,3}?", "{2,}"])).map(
            lambda pair: f"(?:{pair[0]}){pair[1]}"
        ),
    ),
    max_leaves=8,
)


def pattern(text: str) -> Pattern:
    """Return the pattern of a text that is one."""
    found = parse_pattern(text)
    assert isinstance(found, Pattern), found
    return found


def options() -> re2.Options:
    """Return options with which RE2 is quiet about what it refuses."""
    made = re2.Options()
    made.log_errors = False
    return made
