"""Hosts LuaJIT: a runtime per program, with nothing in reach but what the program is given. The only module that knows lupa.

All numbers and bytes go in and come out by value; Lua never sees a Python object, Python never holds a Lua table of the program.
"""

from __future__ import annotations

import ctypes
import secrets
from array import array
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn, ParamSpec, Protocol, TypeAlias, TypeVar
from typing import Literal as Exactly

import lupa.luajit21 as luajit

from compiler.engine_program import LIBRARIES, RUNTIME, runtime_source
from compiler.pattern_dfa import Dfa, Nfa, automaton_of
from processor.trace_engine import EngineLostError

if TYPE_CHECKING:
    from compiler.engine_program import Program
    from compiler.pattern import Pattern

Given = ParamSpec("Given")
Answer = TypeVar("Answer")

MEMORY_MAX_BYTES = 512 * 2**20
# A program that holds more than this share of its memory takes no further record: LuaJIT ends the process where memory runs out inside of
# compiled code, so the rest is what one call may need.
_HEAP_SHARE = 0.875
# Garbage that may lie in a heap before it is collected.
_GARBAGE_BYTES = 32 * 2**20

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
local kept, globals = {}, _G
for _, name in ipairs { "_VERSION", "assert", "collectgarbage", "error", "getmetatable", "ipairs", "math", "next", "pairs", "pcall",
  "rawequal", "rawget", "rawset", "select", "setmetatable", "string", "table", "tonumber", "tostring", "type", "unpack" } do
  kept[name] = true
end
for name in pairs(globals) do
  if not kept[name] then globals[name] = nil end
end
string.dump, math.random, math.randomseed = nil, nil, nil
return ffi, bit
"""


def _refuse(*_arguments: object) -> NoReturn:
    raise AttributeError("no Python object is in reach of Lua")


class _Functions(Protocol):
    """What compiler/runtime/engine.lua returns."""

    def take(self, *numbers: int) -> tuple[int, int, bytes, bytes]: ...
    def judge(self, asked: int, count: int, /) -> bytes: ...
    def trace_id(self, handle: int, /) -> bytes: ...
    def seen(self, handle: int, /) -> bytes: ...
    def tree(self, handle: int, /) -> bytes: ...
    def captured(self, handle: int, /) -> bytes: ...
    def facts(self, handle: int, /) -> Facts: ...
    def pooled(self, place: int, /) -> bytes: ...
    def watch(self, class_id: int, column: int, is_root: bool, tag: int, key: bytes, /) -> None: ...  # noqa: FBT001
    def occurred(self) -> bytes: ...
    def export_many(self, handles: int, first: int, count: int, out: int, room: int, ends: int, /) -> int: ...
    def load_many(self, partition: int, addresses: int, sizes: int, offset: int, count: int, handles: int, /) -> int: ...
    def drop_many(self, handles: int, count: int, /) -> None: ...
    def held(self) -> float: ...
    def memory(self) -> tuple[int, int, int, int, float]: ...


# The id; the names of services, each behind its length in four bytes; name and service of the first root; the number of spans, orphans and
# roots; first start and last end as two int64.
Facts: TypeAlias = "tuple[bytes, bytes, bytes | Exactly[False], bytes | Exactly[False], int, int, int, bytes]"


class LuaProgram:
    """A program that runs: its functions, called with numbers and bytes.

    `jit` off and `collect_eagerly` are for tests. Addresses are those of arrays of 64-bit numbers. Everything
    raises EngineLostError where `memory_max_bytes` of Lua's own heap do not suffice, or the program is broken, and from then on: what it
    held of its traces may be halfway between two records.
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
        self._memory_max_bytes = memory_max_bytes
        self._lost = ""
        self._lua = luajit.LuaRuntime(
            encoding=None,
            register_eval=False,
            register_builtins=False,
            unpack_returned_tuples=True,
            attribute_filter=_refuse,
            max_memory=memory_max_bytes,
        )
        self._functions = self._safe(self._loaded, skew_tolerance_ns, jit, collect_eagerly)

    # ---- what engine.lua answers ----------------------------------------------------------------------------------------------------

    def take(self, *numbers: int) -> tuple[int, int, bytes, bytes]:
        """Take in records.

        Numbers: addresses of the arrays of their addresses, lengths and arrivals and of the ids that their keys write, which to begin with,
        how many, partition, policy, and how far behind its address each record begins.

        Return the record it came to, why it stopped there, what the records touched, and which of them have another key.
        """
        return self._safe(self._functions.take, *numbers)

    def judge(self, asked: int, count: int) -> bytes:
        """Return the codes of the verdicts of each trace asked."""
        return self._safe(self._functions.judge, asked, count)

    def trace_id(self, handle: int) -> bytes:
        """Return a trace id as hexadecimal digits."""
        return self._safe(self._functions.trace_id, handle)

    def seen(self, handle: int) -> bytes:
        """Return the bits of the selections that have selected something."""
        return self._safe(self._functions.seen, handle)

    def tree(self, handle: int) -> bytes:
        """Return the ids of all spans, each with its parent's, where a rule asks for them."""
        return self._safe(self._functions.tree, handle)

    def captured(self, handle: int) -> bytes:
        """Return the captured rows."""
        return self._safe(self._functions.captured, handle)

    def facts(self, handle: int) -> Facts:
        """Return what there is to say of a trace itself."""
        return self._safe(self._functions.facts, handle)

    def pooled(self, place: int) -> bytes:
        """Return a text of the pool."""
        return self._safe(self._functions.pooled, place)

    def watch(self, class_id: int, column: int, is_root: bool, tag: int, key: bytes) -> None:  # noqa: FBT001  # as Lua takes it
        """Look for a name from now on: compiler/runtime/occurring.lua says what each argument means."""
        self._safe(self._functions.watch, class_id, column, is_root, tag, key)

    def occurred(self) -> bytes:
        """Return of each name that is looked for a byte: 1 where it has occurred."""
        return self._safe(self._functions.occurred)

    def export_many(self, *numbers: int) -> int:
        """Write states of traces one behind the other.

        Numbers: address of the handles, which to begin with, how many, address of the place to write to and its size, address of the array
        that is to say where each state ends. Return the first that found no room.
        """
        return self._safe(self._functions.export_many, *numbers)

    def load_many(self, *numbers: int) -> int:
        """Take in states.

        Numbers: partition, addresses of the arrays of their addresses and sizes, how far behind its address each begins, how many, address
        of the array for their handles. Return 0, or where none was taken in: 1, one does not fit; 2, one's trace is there already.
        """
        return self._safe(self._functions.load_many, *numbers)

    def drop_many(self, handles: int, count: int) -> None:
        """Forget the traces of some handles; a program that is lost has forgotten all."""
        if not self._lost:
            self._safe(self._functions.drop_many, handles, count)

    def held(self) -> int:
        """Return the bytes that traces take, and those in use of Lua's heap."""
        return int(self._safe(self._functions.held))

    def memory(self) -> tuple[int, int, int, int, float]:
        """Return the number of traces, bytes of their blocks, of captured rows among these, of one state, and KiB of Lua's heap."""
        return self._safe(self._functions.memory)

    def _safe(self, function: Callable[Given, Answer], *given: Given.args, **named: Given.kwargs) -> Answer:
        if self._lost:
            raise EngineLostError(self._lost)
        try:
            return function(*given, **named)
        except luajit.LuaMemoryError as error:
            self._lost = f"the engine is out of memory: its {self._memory_max_bytes / 2**20:g} MiB do not suffice"
            raise EngineLostError(self._lost) from error
        except luajit.LuaError as error:
            self._lost = f"the engine is broken: {error}"
            raise EngineLostError(self._lost) from error

    # ---- loading --------------------------------------------------------------------------------------------------------------------

    def _loaded(self, skew_tolerance_ns: int, jit: bool, collect_eagerly: bool) -> _Functions:  # noqa: FBT001  # called once, just above
        ffi, bit = self._lua.execute(_PREPARE, self._table(list(_JIT_OPTIONS)), jit, collect_eagerly)
        program = self.program
        setup = self._function(b"setup", runtime_source("setup"))
        libraries = {name: self._lua.execute(runtime_source(name), name=b"=" + name.encode()) for name in LIBRARIES}
        parts = [self._lua.execute(runtime_source(name), name=b"=" + name.encode()) for name in RUNTIME]
        secret = [secrets.randbits(_SECRET_BITS) | 1 for _ in range(6)]
        settings = {
            **program.settings,
            "secret": secret,
            "heap_max_kib": int(self._memory_max_bytes * _HEAP_SHARE) >> 10,
            "garbage_kib": 0 if collect_eagerly else _GARBAGE_BYTES >> 10,
        }
        chunk = self._function(b"rules", program.chunk.encode("latin-1"))
        functions: _Functions = setup(
            ffi,
            bit,
            self._table(settings),
            self._table({name.encode(): library for name, library in libraries.items()}),
            self._table(parts),
            self._table([self._matcher(pattern) for pattern in program.patterns]),
            skew_tolerance_ns,
            chunk,
        )
        return functions

    def _function(self, name: bytes, source: bytes) -> Callable[..., _Functions]:
        """Return a chunk as a function of its arguments."""
        function: Callable[..., _Functions] = self._lua.execute(b"return function(...) " + source + b"\nend", name=b"=" + name)
        return function

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
    return id(value) + BYTES_OFFSET


# Where the bytes of a bytes object begin, behind its id.
BYTES_OFFSET = bytes.__basicsize__ - 1
_PROBE = b"\x07probe"
if ctypes.string_at(address_of(_PROBE), len(_PROBE) + 1) != _PROBE + b"\0":
    raise ImportError("this Python keeps bytes in another way: no address can be handed to LuaJIT")


def _key(key: object) -> object:
    return key.encode() if isinstance(key, str) else key


def _form(automaton: Dfa | Nfa) -> list[object]:
    """Return the kind of an automaton and the fields that runtime/patterns.lua makes a matcher of, arrays as bytes."""
    if isinstance(automaton, Dfa):
        return [b"dfa", automaton.classes, automaton.class_count, automaton.table.tobytes(), automaton.start, automaton.accepting_from]
    fields = {name: getattr(automaton, name) for name in automaton.__slots__}
    return [b"nfa", {name: value.tobytes() if isinstance(value, array) else value for name, value in fields.items()}]
