"""The engines by name: what a worker, a check or a demo is told to judge with."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING

from processor.reference_traces import ReferenceTraceEngine

if TYPE_CHECKING:
    from compiler.rule_set import RuleSet
    from processor.trace_engine import TraceEngine

# Makes an engine of a rule set, a tolerance for clocks in nanoseconds, and how many offenders are named at most.
EngineMaker = Callable[["RuleSet", int, int], "TraceEngine"]


class EngineName(StrEnum):
    """`luajit`: rules compiled to a program, for all real work. `reference`: the definition of what a rule means, slow, to compare with."""

    LUAJIT = "luajit"
    REFERENCE = "reference"


DEFAULT_ENGINE = EngineName.LUAJIT


def make_engine(name: EngineName, rule_set: RuleSet, skew_tolerance_ns: int = 0, offender_count_max: int = 16) -> TraceEngine:
    """Return a fresh engine for a rule set.

    `skew_tolerance_ns` widens time relations; `offender_count_max` bounds the offenders named in a violation.
    """
    if name is EngineName.REFERENCE:
        return ReferenceTraceEngine(rule_set, skew_tolerance_ns, offender_count_max)
    # The LuaJIT runtime is a library of its own: who asks for the reference engine need not have it.
    from processor.lua_traces import LuaTraceEngine  # noqa: PLC0415

    return LuaTraceEngine(rule_set, skew_tolerance_ns, offender_count_max)
