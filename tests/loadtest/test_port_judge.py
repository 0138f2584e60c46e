"""An engine is measured as the flow uses it, and says what it says there."""

from __future__ import annotations

import sys

from compiler import Verdict
from loadtest.candidates import REFERENCE, reference_verdicts
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


def judge(engine: ReferenceTraceEngine, memory: Memory | None = None) -> PortJudge:
    return PortJudge(engine, lambda: memory or Memory(0, 0), dict)


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


def test_what_all_open_traces_hold_is_counted_for_one() -> None:
    trace_count = corpus().facts().trace_count
    held = judge(ReferenceTraceEngine(RULES), Memory(100 * trace_count, 30 * trace_count)).memory(corpus().records)
    assert held == Memory(100, 30)
