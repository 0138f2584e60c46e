"""The worker's core does as the timed cases say, also where every moment finds another owner of the partition."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conformance.case import StreamCase, load_cases
from tests.conformance.run_handler import HandlerRun
from tests.conformance.timed import timed
from tests.trace_engines import ENGINES

if TYPE_CHECKING:
    from processor.engines import EngineMaker

CASES = [case for case in load_cases() if isinstance(case, StreamCase)]

of_every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.label)
on_every_engine = pytest.mark.parametrize("make_engine", ENGINES.values(), ids=ENGINES.keys())


@of_every_case
@on_every_engine
def test_the_core_says_by_each_moment_what_the_case_says(case: StreamCase, make_engine: EngineMaker) -> None:
    assert HandlerRun(timed(case), make_engine).problems() == []


@of_every_case
@on_every_engine
@pytest.mark.parametrize("has_store", [False, True], ids=["input read again", "state from the store"])
def test_the_core_says_the_same_when_every_moment_finds_another_owner(
    case: StreamCase, make_engine: EngineMaker, *, has_store: bool
) -> None:
    assert HandlerRun(timed(case), make_engine, is_taken_over=True, has_store=has_store).problems() == []
