"""Runs the forms of patterns in LuaJIT, with its compiler and without."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from lupa import luajit21

import compiler
from compiler.pattern_dfa import Automaton, Dfa

RUNTIME = Path(compiler.__file__).parent / "runtime" / "patterns.lua"
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

Match = Callable[[bytes], bool]


class LuaPatterns:
    """One Lua state with the runtime of patterns."""

    def __init__(self, *, is_compiled: bool, times: int = 9) -> None:
        lua = luajit21.LuaRuntime(encoding=None, register_eval=False, register_builtins=False)
        ffi, bit = (lua.execute(b"return require '" + name + b"'") for name in (b"ffi", b"bit"))
        self._lua = lua
        self._forms = lua.execute(LOADED, RUNTIME.read_bytes())(ffi, bit)
        self._asked = lua.execute(ASKED, ffi, is_compiled)
        self._times = times

    def match(self, form: Automaton, before: bytes = b"a\xc3", after: bytes = b"\xa9ab\n") -> Match:
        """Return the function that runs a form on a text between others; it fails if a text matches one time and not another."""
        made = self._made(form)

        def match(text: bytes) -> bool:
            yes = self._asked(made, before, text, after, self._times)
            assert yes in (0, self._times), "the answer changed"
            return bool(yes)

        return match

    def _made(self, form: Automaton) -> object:
        if isinstance(form, Dfa):
            fields = (form.classes, form.class_count, form.table.tobytes(), form.start, form.accepting_from)
            return self._forms[b"dfa"](*fields)[0]
        named = {name.encode(): value if isinstance(value, bytes | bool | int) else value.tobytes() for name, value in asdict(form).items()}
        return self._forms[b"nfa"](self._lua.table_from(named))
