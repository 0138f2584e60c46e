"""The LuaJIT engine as the load test asks it: whole lists of records and of traces at once, no Python object per span or trace."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import compress
from typing import Protocol, cast

from compiler import RuleSet
from compiler.engine_program import compile_program
from loadtest.lua_phases import watched
from loadtest.measured import Evidence, Memory, Verdicts
from loadtest.port_judge import PortJudge
from processor.lua_batch import HANDLE_PLACE, SUM_SIZE
from processor.lua_engine import BYTES_OFFSET, LuaProgram
from processor.lua_traces import LuaTraceEngine
from processor.trace_engine import VERDICTS

_COMPLETE, _NO_EXPIRY, _FOREVER = 2, -1, -1
_SPAN_COUNT_MAX = 2**31 - 1
_DONE, _MORE = 0, 1
# In numbers of four bytes: what tells of a trace, where its handle is, and where it is said that it began.
_SUM_SIZE, _HANDLE, _OPENED = SUM_SIZE // 4, HANDLE_PLACE // 4, HANDLE_PLACE // 4 + 1


class _Program(Protocol):
    """The functions of compiler/runtime/engine.lua that are called here."""

    def take(self, addresses: int, sizes: int, arrived: int, keys: int, *numbers: int) -> tuple[int, int, bytes, bytes]: ...
    def judge(self, asked: int, count: int) -> bytes: ...
    def drop_many(self, handles: int, count: int) -> None: ...
    def trace_id(self, handle: int) -> bytes: ...
    def memory(self) -> tuple[int, int, int, int, float]: ...


def held_per_trace(program: _Program, handles: Sequence[int]) -> Memory:
    """Return what a program holds per trace outside of Lua's own heap; captured rows are evidence, unless a rule reads them again."""
    _, block_size, evidence, state_size, _ = program.memory()
    count = max(1, len(handles))
    return Memory(state_size + (block_size - evidence) / count, evidence / count)


def port_judge(engine: LuaTraceEngine) -> PortJudge:
    """Return the engine as the flow asks it: a touch for each trace of each record, a question for each trace."""
    return PortJudge(engine, partial(held_per_trace, cast("_Program", engine.program)))


class _Table:
    """Records with the table of their addresses and sizes, as the program takes them: like the C parser's, made once for all runs."""

    def __init__(self, records: Sequence[bytes]) -> None:
        self.records = records
        self._arrays = array("Q", map(id, records)), array("q", map(len, records)), array("q", bytes(8 * len(records)))
        self.pointers = [one.buffer_info()[0] for one in self._arrays]


class LuaJudge:
    """A program of the rules; `timed`: with its phases watched.

    Traces of a run are forgotten at the start of the next one, so that their ids can be asked in between.
    """

    def __init__(self, rule_set: RuleSet, *, timed: bool = False) -> None:
        self._engine = LuaTraceEngine(rule_set)
        self._program = cast("_Program", self._engine.program)
        self._spent: Callable[[], Mapping[str, int]] = dict
        if timed:
            program, self._spent = watched(compile_program(rule_set))
            self._program = cast("_Program", LuaProgram(program))
        self._width = len(rule_set.enabled)
        self._table = _Table(())
        self._handles = array("q")
        self._codes = b""

    def judge(self, records: Sequence[bytes]) -> None:
        """Forget the traces of the last run, take in all records, judge every trace as complete."""
        self._forget()
        self._handles = self._taken(records)
        count = len(self._handles)
        asked = array("q", bytes(24 * count))
        asked[0::3] = self._handles
        asked[1::3] = array("q", [_COMPLETE]) * count
        asked[2::3] = array("q", [_NO_EXPIRY]) * count
        self._codes = self._program.judge(asked.buffer_info()[0], count)

    def verdicts(self) -> Verdicts:
        """Return what the last call found."""
        codes, width = self._codes, self._width
        return {
            self._program.trace_id(handle).decode(): tuple([VERDICTS[code] for code in codes[place * width : (place + 1) * width]])
            for place, handle in enumerate(self._handles)
        }

    def memory(self, records: Sequence[bytes]) -> Memory:
        """Return what the engine holds for each trace."""
        self._forget()
        self._handles = self._taken(records)
        return held_per_trace(self._program, self._handles)

    def evidence(self, records: Sequence[bytes]) -> Evidence:
        """Ask for the evidence of each violation through the port of the flow."""
        self._forget()
        return port_judge(self._engine).evidence(records)

    def phases(self) -> Mapping[str, int]:
        """Return the time in each of the watched functions; nothing without `timed`."""
        return self._spent()

    def _taken(self, records: Sequence[bytes]) -> array[int]:
        if self._table.records is not records:
            self._table = _Table(records)
        opened = array("q")
        at, why = 0, _MORE
        while why == _MORE:
            at, why, wire, _ = self._program.take(*self._table.pointers, 0, at, len(records), 0, _SPAN_COUNT_MAX, _FOREVER, 0, BYTES_OFFSET)
            sums = memoryview(wire).cast("i")
            opened.extend(compress(sums[_HANDLE::_SUM_SIZE].tolist(), sums[_OPENED::_SUM_SIZE].tolist()))
        if why != _DONE:
            raise ValueError(f"record {at} is not what a sender writes")
        return opened

    def _forget(self) -> None:
        self._program.drop_many(*self._handles.buffer_info())
        self._handles = array("q")
