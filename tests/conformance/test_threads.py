"""Compiler and engine hold no state that a second thread could disturb."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from compiler import ReferenceEngine
from tests.conformance.case import CheckCase, JudgeCase, ParseCase, load_cases
from tests.conformance.run import run_case

THREAD_COUNT = 8


def test_cases_run_at_once_in_several_threads_end_as_they_do_one_by_one() -> None:
    cases = [case for case in load_cases() if isinstance(case, ParseCase | CheckCase | JudgeCase)]
    one_by_one = [run_case(case, ReferenceEngine).problems for case in cases]
    with ThreadPoolExecutor(THREAD_COUNT) as threads:
        at_once = list(threads.map(lambda case: run_case(case, ReferenceEngine).problems, cases * 2))
    assert at_once == one_by_one * 2
