"""The host of LuaJIT: what Lua can reach, and what becomes of an engine whose memory does not suffice."""

from __future__ import annotations

import ctypes
from dataclasses import replace

import pytest

from compiler import Closing
from compiler.engine_program import compile_program
from processor.lua_engine import LuaProgram, address_of
from processor.lua_traces import LuaTraceEngine
from processor.trace_engine import Asked, EngineLostError, TakenRecord, TakePolicy, batch_of
from tests.processor.logs import KEY, Log, believed
from tests.processor.played import NEEDS_CHECK, NO_BYPASS, rules, span
from topics.otlp import encode_protobuf
from topics.span import Resource, Span

REACHABLE = frozenset(
    (
        *(
            "_VERSION",
            "assert",
            "collectgarbage",
            "error",
            "getmetatable",
            "ipairs",
            "next",
            "pairs",
            "pcall",
            "rawequal",
            "rawget",
            "rawset",
        ),
        *("select", "setmetatable", "tonumber", "tostring", "type", "unpack", "math", "string", "table"),
        *(
            "math." + name
            for name in ("abs", "acos", "asin", "atan", "atan2", "ceil", "cos", "cosh", "deg", "exp", "floor", "fmod", "frexp")
        ),
        *("math." + name for name in ("huge", "ldexp", "log", "log10", "max", "min", "modf", "pi", "pow", "rad", "sin", "sinh", "sqrt")),
        *("math." + name for name in ("tan", "tanh")),
        *("string." + name for name in ("byte", "char", "find", "format", "gfind", "gmatch", "gsub", "len", "lower", "match", "rep")),
        *("string." + name for name in ("reverse", "sub", "upper")),
        *("table." + name for name in ("concat", "foreach", "foreachi", "getn", "insert", "maxn", "move", "remove", "sort")),
    )
)
# Every name that leads from the globals of a runtime somewhere, through tables and metatables.
WALK = b"""
local found, seen = {}, {}
local function walk(prefix, value)
  local meta = getmetatable(value)
  if type(meta) == "table" and not seen[meta] then
    seen[meta] = true
    walk(prefix .. "<meta>.", meta)
  end
  if type(value) ~= "table" or seen[value] then return end
  seen[value] = true
  for key, item in pairs(value) do
    found[#found + 1] = prefix .. tostring(key)
    walk(prefix .. tostring(key) .. ".", item)
  end
end
for _, start in ipairs { 0, true, walk } do
  if getmetatable(start) then found[#found + 1] = "metatable of a " .. type(start) end
end
for key, item in pairs(getmetatable("")) do
  if key ~= "__index" or item ~= string then found[#found + 1] = "metatable of strings: " .. key end
end
walk("", GLOBALS)
return table.concat(found, "\\n")
"""
NOTHING_TO_REACH = (
    *("os", "io", "require", "package", "debug", "python", "load", "loadstring", "loadfile", "dofile", "module", "jit", "_G", "ffi"),
    *("getfenv", "setfenv", "newproxy", "print", "coroutine", "bit", "gcinfo", "string.dump", "math.random", "math.randomseed"),
)


def program(*, memory_max_bytes: int = 2**26) -> LuaProgram:
    return LuaProgram(compile_program(rules(NEEDS_CHECK, NO_BYPASS)), memory_max_bytes=memory_max_bytes)


def names_reachable(held: LuaProgram) -> set[str]:
    """Return the names that a chunk finds; `GLOBALS` is the table that names without a local are looked up in."""
    held._lua.globals()[b"GLOBALS"] = held._lua.globals()
    found = held._lua.execute(WALK).decode().split("\n")
    held._lua.globals()[b"GLOBALS"] = None
    return set(found) - {"GLOBALS"}


def test_lua_reaches_nothing_but_what_computes() -> None:
    assert names_reachable(program()) <= REACHABLE


@pytest.mark.parametrize("name", NOTHING_TO_REACH)
def test_lua_does_not_know(name: str) -> None:
    """What reaches files, processes, C, code, Python or chance is no name any more."""
    assert program()._lua.execute(f"return {name} == nil".encode()) is True


def test_a_python_object_handed_to_lua_by_mistake_shows_nothing() -> None:
    held = program()
    peek = held._lua.execute(b"return function(given) return given.__class__ end")
    with pytest.raises(AttributeError, match="no Python object is in reach"):
        peek(object())


def test_an_address_is_that_of_the_first_byte_before_a_nul() -> None:
    value = b"some bytes"
    assert ctypes.string_at(address_of(value), len(value) + 1) == value + b"\0"


# ---- memory -------------------------------------------------------------------------------------------------------------------------


def record(number: int) -> TakenRecord:
    """Return a record of a trace of its own, whose service name is large and its own too: the runtime pools it."""
    resource = Resource({"service.name": f"{number:06d}" * 2_000})
    span = Span(f"{number:032x}", f"{number:016x}", "charge", 1, 2, resource=resource)
    return TakenRecord(encode_protobuf([span]), "protobuf", 0)


def starved() -> tuple[LuaTraceEngine, EngineLostError]:
    """Return an engine that has run out of memory while it took records in, and what it raised."""
    engine = LuaTraceEngine(rules(NEEDS_CHECK), memory_max_bytes=2**20)
    for number in range(1, 1_000):
        try:
            engine.take(0, batch_of([record(number)]), TakePolicy(10))
        except EngineLostError as error:
            return engine, error
    raise AssertionError("a thousand texts of 12 kB found room in 1 MiB")


def test_a_program_that_finds_no_room_is_not_loaded() -> None:
    with pytest.raises(EngineLostError, match=r"out of memory: its 0\.0625 MiB do not suffice"):
        program(memory_max_bytes=2**16)


def test_an_engine_that_runs_out_of_memory_says_how_much_it_had() -> None:
    _, error = starved()
    assert str(error) == "the engine is out of memory: its 1 MiB do not suffice"


def test_an_engine_that_is_lost_answers_nothing_more() -> None:
    """Whatever it kept may be halfway between two records: a verdict of it could be wrong."""
    engine, _ = starved()
    with pytest.raises(EngineLostError):
        engine.take(0, batch_of([record(1)]), TakePolicy(10))
    with pytest.raises(EngineLostError):
        engine.judge([Asked(0, Closing.COMPLETE, None)])
    with pytest.raises(EngineLostError):
        engine.explain(Asked(0, Closing.COMPLETE, None), 0)
    with pytest.raises(EngineLostError):
        engine.facts(0)
    with pytest.raises(EngineLostError):
        engine.export_many([0])
    with pytest.raises(EngineLostError):
        engine.load_many(0, [])
    with pytest.raises(EngineLostError):
        assert engine.memory_bytes


def test_the_traces_of_an_engine_that_is_lost_can_be_dropped() -> None:
    """Whoever ends because of it lets go of its partitions first."""
    engine, _ = starved()
    engine.drop_many([0])
    engine.drop_many([1])


def test_another_engine_of_the_process_goes_on_when_one_is_lost() -> None:
    other = LuaTraceEngine(rules(NEEDS_CHECK))
    before = other.take(0, batch_of([record(1)]), TakePolicy(10)).touches
    starved()
    assert other.take(0, batch_of([record(2)]), TakePolicy(10)).touches[0].new_count == before[0].new_count == 1
    assert len(other.judge([Asked(before[0].handle, Closing.COMPLETE, None)])[0]) == 1


def test_a_fault_inside_of_lua_loses_the_engine_too() -> None:
    held = program()
    with pytest.raises(EngineLostError, match="the engine is broken"):
        held.trace_id(b"no number")  # type: ignore[arg-type]  # on purpose
    with pytest.raises(EngineLostError, match="the engine is broken"):
        held.memory()


def test_what_a_lost_engine_held_is_read_again_from_the_last_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The crash costs time, not violations: the next worker says all that one would have said that never crashed."""
    log, calm = Log(), Log()
    for one in (log, calm):
        for number in range(1, 120):
            one.append(number, replace(span("charge", 1, of=number), resource=Resource({"service.name": f"{number:06d}" * 2_000})))
    with monkeypatch.context() as patch:
        patch.setattr("tests.processor.logs.engine_for", lambda rule_set: LuaTraceEngine(rule_set, memory_max_bytes=2**20))
        owner = log.own()
        owner.read(20)
        owner.checkpoint()
        with pytest.raises(EngineLostError):
            owner.read()
        owner.handler.released([KEY], lost=True)
    monkeypatch.setattr("tests.processor.logs.engine_for", LuaTraceEngine)
    for one in (log, calm):
        owner = one.own()
        owner.read()
        owner.idle(1_000)
    assert len(believed(calm.outbox.sent)) == 119
    assert believed(log.outbox.sent) == believed(calm.outbox.sent)
