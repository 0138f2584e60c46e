"""An engine is measured as the flow uses it, and says what it says there."""

from __future__ import annotations

import sys
import time

import pytest

from compiler import Verdict
from loadtest.agreement import check_verdicts
from loadtest.candidates import CANDIDATES, REFERENCE, reference_verdicts
from loadtest.corpora.corpus import Corpus, Form, enough, written
from loadtest.corpora.shop_traces import shop_traces
from loadtest.corpora.wire import Layout
from loadtest.measured import Memory
from loadtest.port_judge import PortJudge
from loadtest.rule_writing import compiled, rule_file
from processor.reference_traces import ReferenceTraceEngine

RULES = compiled([rule_file(["always { audit.log }", "never { count(span) > 20 }", "never { nothing }"], "some")])


def corpus() -> Corpus:
    return written("shop", enough(shop_traces(7), 300), Form.BATCHES, Layout.COLLECTOR)


def judge(engine: ReferenceTraceEngine) -> PortJudge:
    return PortJudge(engine, lambda handles: Memory(len(handles), 0))


def test_it_finds_what_the_reference_engine_finds_each_time_anew() -> None:
    records, ported = corpus().records, judge(ReferenceTraceEngine(RULES))
    for _ in range(2):
        ported.judge(records)
        assert ported.verdicts() == reference_verdicts(RULES, corpus().survey(sys.maxsize).sample)


def test_each_violation_is_explained_once_by_either_way_of_asking() -> None:
    found = judge(ReferenceTraceEngine(RULES)).evidence(corpus().records)
    verdicts = reference_verdicts(RULES, corpus().survey(sys.maxsize).sample)
    count = sum(verdict is Verdict.VIOLATED for of_trace in verdicts.values() for verdict in of_trace)
    assert found.violation_count == REFERENCE.start(RULES).evidence(corpus().records).violation_count == count > 0
    assert found.taken_ns >= 0


def test_memory_is_asked_for_while_all_traces_are_open() -> None:
    assert judge(ReferenceTraceEngine(RULES)).memory(corpus().records) == Memory(corpus().facts().trace_count, 0)


@pytest.mark.parametrize("name", list(CANDIDATES))
def test_every_candidate_says_what_the_reference_engine_says_and_can_be_asked_everything(name: str) -> None:
    """Judged twice, and once more after memory and evidence, which leave nothing behind."""
    records, survey = corpus().records, corpus().survey(sys.maxsize)
    judge = CANDIDATES[name].start(RULES)
    for _ in range(2):
        judge.judge(records)
        check_verdicts(name, RULES, survey, judge.verdicts())
    held = judge.memory(records)
    assert held.state > 0
    assert held.evidence >= 0
    assert judge.evidence(records).violation_count == REFERENCE.start(RULES).evidence(records).violation_count
    judge.judge(records)
    check_verdicts(name, RULES, survey, judge.verdicts())


@pytest.mark.parametrize("name", list(CANDIDATES))
def test_a_candidate_whose_phases_are_timed_says_the_same_and_where_the_time_went(name: str) -> None:
    records, survey = corpus().records, corpus().survey(sys.maxsize)
    judge = CANDIDATES[name].start(RULES, timed=True)
    judge.judge(records)
    before, began_ns = dict(judge.phases()), time.perf_counter_ns()
    for _ in range(20):
        judge.judge(records)
    taken_ns = time.perf_counter_ns() - began_ns
    check_verdicts(name, RULES, survey, judge.verdicts())
    spent = {phase: found - before[phase] for phase, found in judge.phases().items()}
    assert 0.3 * taken_ns < sum(spent.values()) <= taken_ns
    assert spent["judge"] > 0
