"""The language is what the cases say: every engine, the compiler and the flow pass all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from compiler import ReferenceEngine
from tests.conformance.case import JudgeCase, StreamCase, load_cases
from tests.conformance.run import ENGINES, run_case, run_cases
from tests.conformance.run_stream import run_stream
from tests.trace_engines import EVERY_WAY

if TYPE_CHECKING:
    from processor.engines import EngineMaker as TraceEngineMaker
    from tests.conformance.case import Case
    from tests.conformance.run_judge import EngineMaker

CASES = load_cases()
OF_THE_ENGINE = [case for case in CASES if isinstance(case, JudgeCase)]
OF_THE_FLOW = [case for case in CASES if isinstance(case, StreamCase)]
OF_THE_COMPILER = [case for case in CASES if not isinstance(case, JudgeCase | StreamCase)]


@pytest.mark.parametrize("case", OF_THE_COMPILER, ids=lambda case: case.label)
def test_the_compiler_does_as_the_case_says(case: Case) -> None:
    outcome = run_case(case, ReferenceEngine)
    assert outcome.passed, str(outcome)


@pytest.mark.parametrize("case", OF_THE_FLOW, ids=lambda case: case.label)
@pytest.mark.parametrize("make_engine", EVERY_WAY.values(), ids=EVERY_WAY.keys())
def test_the_flow_does_as_the_case_says(case: StreamCase, make_engine: TraceEngineMaker) -> None:
    assert run_stream(case, make_engine) == []


@pytest.mark.parametrize("case", OF_THE_ENGINE, ids=lambda case: case.label)
@pytest.mark.parametrize("make_engine", ENGINES.values(), ids=ENGINES.keys())
def test_engine_judges_as_the_case_says(case: JudgeCase, make_engine: EngineMaker) -> None:
    outcome = run_case(case, make_engine)
    assert outcome.passed, str(outcome)


def test_the_suite_has_cases_in_every_corpus() -> None:
    counts = {corpus: sum(case.corpus == corpus for case in CASES) for corpus in ("parse", "check", "judge", "stream")}
    floor = {"parse": 90, "check": 130, "judge": 180, "stream": 20}
    assert all(counts[corpus] >= least for corpus, least in floor.items()), counts


def test_an_engine_that_says_nothing_fails_every_judging_case() -> None:
    class Silent:
        def __init__(self, *_: object, **__: object) -> None:
            pass

        def judge(self, *_: object) -> list[object]:
            return []

    assert not any(outcome.passed for outcome in run_cases(Silent, OF_THE_ENGINE[:50]))  # type: ignore[arg-type]  # on purpose no engine
