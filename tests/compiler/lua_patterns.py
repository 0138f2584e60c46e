"""Runs the forms of patterns in LuaJIT, with its compiler and without."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

from lupa import luajit21

from compiler.engine_program import runtime_source
from compiler.pattern_dfa import Automaton, Dfa

# No global is read or written.
LOADED = b"""
local source = ...
local function refused(_, name) error("global " .. name) end
return setfenv(loadstring(source, "patterns"), setmetatable({}, { __index = refused, __newindex = refused }))()
"""
# The text is matched again and again, so that the code the JIT compiler makes is asked, too. What stands around it must not matter.
ASKED = b"""
local ffi, is_compiled = ...
if is_compiled then jit.opt.start("hotloop=2", "hotexit=2") else jit.off() end
return function(match, before, text, after, times)
  local around = before .. text .. after
  local buffer = ffi.new("uint8_t[?]", #around)
  ffi.copy(buffer, around, #around)
  local p, yes = ffi.cast("const uint8_t *", buffer) + #before, 0
  for i = 1, times do if match(p, #text) then yes = yes + 1 end end
  assert(buffer ~= nil)
  return yes
end
"""

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

Match = Callable[[bytes], bool]
#: The bits of the patterns that a text matches, and how many automata were run.
Walk = Callable[[bytes], tuple[int, int]]


class LuaPatterns:
    """One Lua state with the runtime of patterns."""

    def __init__(self, *, is_compiled: bool, times: int = 9) -> None:
        lua = luajit21.LuaRuntime(encoding=None, register_eval=False, register_builtins=False)
        ffi, bit = (lua.execute(b"return require '" + name + b"'") for name in (b"ffi", b"bit"))
        self._lua = lua
        self._forms = lua.execute(LOADED, runtime_source("patterns"))(ffi, bit)
        self._asked = lua.execute(ASKED, ffi, is_compiled)
        self._join = lua.execute(WALK, self._forms, runtime_source("joined"), ffi, bit)
        self._times = times

    def match(self, form: Automaton, before: bytes = b"a\xc3", after: bytes = b"\xa9ab\n") -> Match:
        """Return the function that runs a form on a text between others; it fails if a text matches one time and not another."""
        made = self._made(form)

        def match(text: bytes) -> bool:
            yes = self._asked(made, before, text, after, self._times)
            assert yes in (0, self._times), "the answer changed"
            return bool(yes)

        return match

    def joined(self, forms: list[Dfa | None]) -> tuple[int, Walk]:
        """Return how many questions joined.lua makes of forms, and the function that asks them; None matches each text."""
        count, walk = self._join(self._lua.table_from([False if form is None else self._lua.table_from(_fields(form)) for form in forms]))
        return count, walk

    def _made(self, form: Automaton) -> object:
        if isinstance(form, Dfa):
            return self._forms[b"dfa"](*_fields(form))[0]
        named = {name.encode(): value if isinstance(value, bytes | bool | int) else value.tobytes() for name, value in asdict(form).items()}
        return self._forms[b"nfa"](self._lua.table_from(named))


def _fields(form: Dfa) -> tuple[bytes, int, bytes, int, int]:
    return form.classes, form.class_count, form.table.tobytes(), form.start, form.accepting_from
