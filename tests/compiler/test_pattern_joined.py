"""Automata of several patterns say of a text what each of them says."""

from __future__ import annotations

from functools import cache

from hypothesis import example, given
from hypothesis import strategies as st

from compiler.pattern import Pattern
from compiler.pattern_dfa import build_dfa
from tests.compiler.lua_patterns import LuaPatterns, Walk
from tests.compiler.test_pattern_dfa import TEXTS, WRITTEN, says
from tests.compiler.written_patterns import pattern

#: Pattern `n` of a list has the bit `n`, shifted by so much.
SHIFT = 5


@cache
def lua() -> LuaPatterns:
    return LuaPatterns(is_compiled=True)


def walked(found: list[Pattern]) -> tuple[int, Walk]:
    """How many questions some patterns are, and the function that asks them; what has no table says yes here."""
    return lua().joined([build_dfa(one) for one in found])


@given(st.lists(WRITTEN, min_size=1, max_size=6), st.lists(TEXTS, min_size=1, max_size=6))
@example(["^a", "a$", "", "^$", "b"], [b"", b"a", b"ba", b"ab"])
def test_joined_automata_say_what_each_says(texts: list[str], asked: list[bytes]) -> None:
    found = [pattern(text) for text in texts]
    _, walk = walked(found)
    for one in asked:
        bits, _ = walk(one)
        for number, each in enumerate(found):
            if build_dfa(each) is not None:
                assert bool(bits >> number + SHIFT & 1) == says(each, one), (texts[number], one)


def test_up_to_four_are_one_and_the_rest_another() -> None:
    count, walk = walked([pattern(text) for text in ("^a", "b$", "c", "^d$", "e")])
    assert (count, walk(b"ab")) == (2, (3 << SHIFT, 2))


def test_what_is_too_large_together_is_asked_apart() -> None:
    """Each has a table of a thousand states: that of both would be too large."""
    texts = ("(a|b)*a(a|b){7}c", "(d|e)*d(d|e){7}f", "^b")
    count, walk = walked([pattern(text) for text in texts])
    assert count == 2
    assert walk(b"b" + b"a" * 8 + b"c") == (0b101 << SHIFT, 2)


def test_what_has_no_table_is_asked_by_its_matcher() -> None:
    none = pattern("(a|b)*a(a|b){200}c")
    assert build_dfa(none) is None
    count, walk = walked([pattern("^b"), none, pattern("c$")])
    assert (count, walk(b"bc")) == (2, (0b111 << SHIFT, 1))
