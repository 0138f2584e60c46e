"""The engines that the tests of the flow run on: another one joins with a line in ENGINES."""

from __future__ import annotations

from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING

from processor.lua_traces import LuaTraceEngine
from processor.reference_traces import ReferenceTraceEngine

if TYPE_CHECKING:
    from collections.abc import Mapping

    from compiler import RuleSet
    from processor.engines import EngineMaker
    from processor.trace_engine import TraceEngine

ENGINES: Mapping[str, EngineMaker] = MappingProxyType({"reference": ReferenceTraceEngine, "luajit": LuaTraceEngine})
# They and further ways to run them, for the conformance suite.
EVERY_WAY: Mapping[str, EngineMaker] = MappingProxyType(
    {
        **ENGINES,
        "luajit interpreted": partial(LuaTraceEngine, jit=False),
        "luajit collecting eagerly": partial(LuaTraceEngine, collect_eagerly=True),
    }
)


class EngineInUse:
    """The engine that the running test is for; the fixture `engine` sets it."""

    name = "reference"


def engine_for(rule_set: RuleSet, skew_tolerance_ns: int = 0, offender_count_max: int = 16) -> TraceEngine:
    """Make the engine in use for a rule set."""
    return ENGINES[EngineInUse.name](rule_set, skew_tolerance_ns, offender_count_max)
