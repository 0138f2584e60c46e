"""Hosts LuaJIT: a runtime per program, with nothing in reach but what the program is given. The only module that knows lupa.

All numbers and bytes go in and come out by value; Lua never sees a Python object, Python never holds a Lua table of the program.
"""

from __future__ import annotations

import ctypes
import secrets
from array import array
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NoReturn

import lupa.luajit21 as luajit

from compiler.engine_program import LIBRARIES, RUNTIME, compile_program, runtime_source
from compiler.pattern_dfa import Dfa, Literal, Nfa, automaton_of

if TYPE_CHECKING:
    from compiler.engine_program import Program, Setting
    from compiler.pattern import Pattern
    from compiler.rule_set import RuleSet

MEMORY_MAX_BYTES = 512 * 2**20

# LuaJIT's defaults give up compiling past some fifty rules: traces overflow and are thrown away again and again.
_JIT_OPTIONS = (
    *(b"maxtrace=30000", b"maxmcode=65536", b"maxside=2000", b"maxirconst=4000", b"maxrecord=16000"),
    *(b"maxsnap=2000", b"hotloop=40", b"hotexit=6"),
)
# Products of a secret number and 32 bits of an id stay exact in a double, four of them added up too.
_SECRET_BITS = 19
_PREPARE = b"""
local ffi, bit, jit_options, jit_on, eager = require("ffi"), require("bit"), ...
if jit_on then require("jit.opt").start(unpack(jit_options)) else require("jit").off() end
if eager then collectgarbage("setpause", 100) collectgarbage("setstepmul", 1000) end
local globals = _G
for _, name in ipairs { "os", "io", "require", "package", "debug", "python", "load", "loadstring", "loadfile", "dofile", "module", "jit", "_G",
  "getfenv", "setfenv", "newproxy" } do
  globals[name] = nil
end
return ffi, bit
"""


def _refuse(*_arguments: object) -> NoReturn:
    raise AttributeError("no Python object is in reach of Lua")


class LuaProgram:
    """A program that runs: its functions, called with numbers and bytes.

    `jit` off and `collect_eagerly` are for tests. Raises MemoryError where `memory_max_bytes` of Lua's own heap do not suffice; the
    runtime is of no use then.
    """

    def __init__(
        self,
        program: Program,
        skew_tolerance_ns: int = 0,
        *,
        jit: bool = True,
        collect_eagerly: bool = False,
        memory_max_bytes: int = MEMORY_MAX_BYTES,
    ) -> None:
        self.program = program
        self._lua = luajit.LuaRuntime(
            encoding=None,
            register_eval=False,
            register_builtins=False,
            unpack_returned_tuples=True,
            attribute_filter=_refuse,
            max_memory=memory_max_bytes,
        )
        loaded = self._lua.execute(_PREPARE, self._table(list(_JIT_OPTIONS)), jit, collect_eagerly)
        self._ffi, self._bit = loaded
        self._functions = self._load(program, skew_tolerance_ns)

    def __getattr__(self, name: str) -> Callable[..., object]:
        """Return a function of compiler/runtime/engine.lua."""
        function: Callable[..., object] = self._functions[name.encode()]
        return function

    def _load(self, program: Program, skew_tolerance_ns: int) -> object:
        setup = self._function(b"setup", runtime_source("setup"))
        libraries = {name: self._lua.execute(runtime_source(name), name=b"=" + name.encode()) for name in LIBRARIES}
        parts = [self._lua.execute(runtime_source(name), name=b"=" + name.encode()) for name in RUNTIME]
        secret = [secrets.randbits(_SECRET_BITS) | 1 for _ in range(6)]
        settings = {**program.settings, "secret": secret}
        chunk = self._function(b"rules", program.chunk.encode("latin-1"))
        return setup(
            self._ffi,
            self._bit,
            self._table(settings),
            self._table({name.encode(): library for name, library in libraries.items()}),
            self._table(parts),
            self._table([self._matcher(pattern) for pattern in program.patterns]),
            skew_tolerance_ns,
            chunk,
        )

    def _function(self, name: bytes, source: bytes) -> object:
        """Return a chunk as a function of its arguments."""
        return self._lua.execute(b"return function(...) " + source + b"\nend", name=b"=" + name)

    def _table(self, value: object) -> object:
        """Return a Lua table of a list or a mapping, and what is in them."""
        if isinstance(value, dict):
            return self._lua.table_from({_key(key): self._table(item) for key, item in value.items()})
        if isinstance(value, list | tuple):
            return self._lua.table_from([self._table(item) for item in value])
        return value

    def _matcher(self, pattern: Pattern) -> object:
        return self._table(_form(automaton_of(pattern)))


def address_of(value: bytes) -> int:
    """Return the address of the first byte; it holds as long as the bytes are kept alive. A NUL stands behind the last."""
    return id(value) + _BYTES_OFFSET


_BYTES_OFFSET = bytes.__basicsize__ - 1
_PROBE = b"\x07probe"
if ctypes.string_at(address_of(_PROBE), len(_PROBE) + 1) != _PROBE + b"\0":
    raise ImportError("this Python keeps bytes in another way: no address can be handed to LuaJIT")


def _key(key: object) -> object:
    return key.encode() if isinstance(key, str) else key


def _form(automaton: Dfa | Literal | Nfa) -> list[object]:
    """Return the kind of an automaton and the fields that runtime/patterns.lua makes a matcher of, arrays as bytes."""
    if isinstance(automaton, Literal):
        return [b"literal", automaton.kind.value.encode(), automaton.text]
    if isinstance(automaton, Dfa):
        return [b"dfa", automaton.classes, automaton.class_count, automaton.table.tobytes(), automaton.start, automaton.accepting_from]
    fields = {name: getattr(automaton, name) for name in automaton.__slots__}
    return [b"nfa", {name: value.tobytes() if isinstance(value, array) else value for name, value in fields.items()}]
