"""The public runner of the conformance suite: `run_cases(ReferenceEngine)`.

An engine of the flow joins with one line in tests/trace_engines.py; one that only judges, with one in `ENGINES`.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, assert_never

from compiler import ReferenceEngine
from processor.lua_traces import LuaTraceEngine
from processor.reference_traces import ReferenceTraceEngine
from tests import trace_engines
from tests.conformance.behind_the_flow import behind_the_flow
from tests.conformance.case import Case, CheckCase, JudgeCase, ParseCase, StreamCase, load_cases
from tests.conformance.run_judge import run_judge
from tests.conformance.run_stream import run_stream
from tests.conformance.run_text import run_check, run_parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tests.conformance.run_judge import EngineMaker

# From so many calls on LuaJIT has compiled what a case runs: a loop is hot after 40.
WARM_TIMES = 100

ENGINES: Mapping[str, EngineMaker] = MappingProxyType(
    {
        "reference": ReferenceEngine,
        **{f"{name} behind the flow": behind_the_flow(make) for name, make in trace_engines.EVERY_WAY.items()},
        "luajit warm behind the flow": behind_the_flow(LuaTraceEngine, warm_times=WARM_TIMES),
    }
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """A case and what is wrong with it: nothing where it passes."""

    case: Case
    problems: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether everything the case says holds."""
        return not self.problems

    def __str__(self) -> str:
        return "\n  ".join([f"{'passed' if self.passed else 'FAILED'}  {self.case.label}", *self.problems])


def run_case(case: Case, make_engine: EngineMaker) -> Outcome:
    """Run one case; only `judge/` asks the engine."""
    return Outcome(case, tuple(_problems(case, make_engine)))


def _problems(case: Case, make_engine: EngineMaker) -> list[str]:
    match case:
        case ParseCase():
            return run_parse(case)
        case CheckCase():
            return run_check(case)
        case JudgeCase():
            return run_judge(case, make_engine)
        case StreamCase():
            return run_stream(case, ReferenceTraceEngine)
    assert_never(case)


def run_cases(make_engine: EngineMaker, cases: Iterable[Case] | None = None) -> Iterator[Outcome]:
    """Run cases (all of the suite unless some are given) with an engine, one when it is asked for."""
    return (run_case(case, make_engine) for case in (load_cases() if cases is None else cases))
