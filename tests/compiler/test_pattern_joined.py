"""Automata of several patterns say of a text what each of them says."""

from __future__ import annotations

from functools import cache
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st
from lupa import luajit21

from compiler.engine_program import runtime_source
from compiler.pattern import Pattern
from compiler.pattern_dfa import build_dfa
from tests.compiler.test_pattern_dfa import TEXTS, WRITTEN, says
from tests.compiler.written_patterns import pattern

#: Pattern `n` of a list has the bit `n`, shifted by so much.
SHIFT = 5
# Walks each question byte by byte; what is decided must stay as it is.
WALK = b"""
local patterns, joined, ffi, bit = ...
local make = loadstring(joined, "joined")()
return function(forms)
  local E, asked = { ffi = ffi, bit = bit, automata = {}, matchers = {} }, {}
  make(E)
  for k = 1, #forms do
    if forms[k] then E.matchers[k], E.automata[k] = patterns.dfa(unpack(forms[k])) else E.matchers[k] = "none" end
    asked[k] = { k, bit.lshift(1, k + 4) }
  end
  local questions = E.join_patterns(asked)
  return #questions, function(text)
    local bits, automata = 0, 0
    for _, question in ipairs(questions) do
      local one = question.automaton
      if one then
        local state = one.start
        for at = 1, #text do
          local before = state
          state = one.following[state + one.class[text:byte(at)]]
          assert(before > one.decided or state == before, "what was decided changed")
          assert(one.following[state] == state)
        end
        bits, automata = bit.bor(bits, question.said[one.following[state + one.last]]), automata + 1
      else
        assert(question.match == "none")
        bits = bit.bor(bits, question.bits)
      end
    end
    return bits, automata
  end
end
"""


@cache
def runtime() -> tuple[luajit21.LuaRuntime, Any]:
    """A Lua state and what joins forms in it."""
    lua = luajit21.LuaRuntime(encoding=None, register_eval=False, register_builtins=False)
    ffi, bit = (lua.execute(b"return require '" + name + b"'") for name in (b"ffi", b"bit"))
    made = lua.execute(runtime_source("patterns"))(ffi, bit)
    return lua, lua.execute(WALK, made, runtime_source("joined"), ffi, bit)


def walked(found: list[Pattern]) -> tuple[int, Any]:
    """How many questions some patterns are, and the function that asks them; what has no table says yes here."""
    lua, join = runtime()
    tables = [build_dfa(one) for one in found]
    forms = [
        False
        if table is None
        else lua.table_from([table.classes, table.class_count, table.table.tobytes(), table.start, table.accepting_from])
        for table in tables
    ]
    count, walk = join(lua.table_from(forms))
    return count, walk


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
