"""The engine means what the reference engine means: rules, traces and deliveries at random; and the comparison can fail."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from itertools import takewhile
from pathlib import Path

import pytest
import yaml

from compiler import INSTANT_NS, ReferenceEngine
from processor.reference_traces import ReferenceTraceEngine
from processor.trace_engine import TakenRecord
from tests.conformance.case import JudgeCase
from tests.conformance.run_judge import run_judge
from tests.differential.comparison import Disagreement, Tally, compare
from tests.differential.engines import BROKEN, luajit, of_class
from tests.differential.example import MODES, Example, Mode, Step, read_example
from tests.differential.exploring import explore
from tests.topics.otlp_spans import span
from topics.otlp import encode_protobuf

FOUND = Path(__file__).with_name("found")
SLICE = 65


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
def test_no_example_shows_a_difference_between_the_engine_and_the_reference(mode: Mode) -> None:
    """Verdicts at every stage, evidence, facts, what became of each span, what was refused, and traces that are moved."""
    explore(partial(compare, make_engine=luajit, mode=mode), MODES.index(mode), range(SLICE))


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
def test_what_once_differed_and_no_notation_can_say_does_not_differ(mode: Mode) -> None:
    for path in sorted(FOUND.glob("*.json")):
        compare(read_example(path.read_text()), luajit, mode)


def test_every_engine_that_is_wrong_in_one_thing_is_caught() -> None:
    uncaught = set(BROKEN)

    def try_all(example: Example) -> None:
        uncaught.difference_update([engine for engine in uncaught if _differs(example, engine)])

    explore(try_all, 1, takewhile(lambda _: uncaught, range(500)))
    assert not uncaught


def _differs(example: Example, engine: type[ReferenceTraceEngine]) -> bool:
    try:
        compare(replace(example, copy_count=min(1, example.copy_count)), of_class(engine), Mode())
    except Disagreement:
        return True
    return False


def test_the_reference_agrees_with_itself_and_every_verdict_is_met() -> None:
    tally = Tally()
    explore(lambda example: tally.add(compare(example, of_class(ReferenceTraceEngine), Mode())), 1, range(40))
    assert len(tally.verdicts) == 6
    assert min(tally.explained, tally.moved, tally.refused) > 0


def test_a_failing_example_is_made_smaller_and_named_by_seed_and_number() -> None:
    first: list[Example] = []

    def check(example: Example) -> None:
        if len(example.steps) > 1:
            first.append(example)
            raise Disagreement("a step too many", example)

    with pytest.raises(Disagreement) as failure:
        explore(check, 1, range(20), reduce_seconds=3)
    assert len(failure.value.example.write()) < len(first[0].write())
    assert "of seed 1" in failure.value.__notes__[0]


def test_a_disagreement_is_shown_as_a_case_of_the_conformance_suite() -> None:
    """Which holds of the reference."""
    spans = [
        span(trace_id="ab" * 16, span_id="11" * 8, name="GET /x", start_ns=INSTANT_NS, end_ns=INSTANT_NS + 5, attributes={"k": 2**53 + 1}),
        span(trace_id="ab" * 16, span_id="22" * 8, name="b", start_ns=INSTANT_NS, end_ns=0, parent_id="11" * 8, attributes={"v": ("a", 1)}),
    ]
    rule = {"id": "rule", "rule": "never { max(span.k) == 9007199254740993 }"}
    record = TakenRecord(encode_protobuf(spans), "protobuf", 0)
    example = Example(json.dumps({"rules": [rule]}), (Step(0, (record,)),), skew_tolerance_ns=1)
    with pytest.raises(Disagreement) as failure:
        compare(example, of_class(BROKEN[0]), Mode())
    content = yaml.safe_load(str(failure.value)[str(failure.value).index("  - name") :])
    case = JudgeCase.model_validate({**content[0], "feature": "made"})
    assert run_judge(case, ReferenceEngine) == []
    assert case.traces[0].offenders == ("11" * 8,)


def test_an_example_is_read_as_it_was_written() -> None:
    def same(example: Example) -> None:
        assert read_example(example.write()) == example

    explore(same, 1, range(10))
