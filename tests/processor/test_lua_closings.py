"""Traces that are asked together, each closed in its own way, get the verdicts that they get alone and by the reference engine."""

from __future__ import annotations

import random
from itertools import product

from compiler import Closing
from processor.lua_traces import LuaTraceEngine
from processor.reference_traces import ReferenceTraceEngine
from processor.trace_engine import Asked, TakenRecord, TakePolicy, TraceEngine, batch_of
from tests.processor.played import rules, span
from topics.otlp import encode_protobuf

RULES = """
rules:
  - {id: seen, rule: 'when { pay } always { check }'}
  - {id: unseen, rule: 'never { bypass }'}
  - {id: counted, rule: 'when { pay or count(check) >= 2 } always { count(check) == 1 } never { count(bypass) > 1 }'}
  - {id: every, rule: 'when { pay.all(ok == true) } never { check.all(ok == true) }'}
  - {id: whole, rule: 'always { check under root }'}
  - {id: rooted, rule: 'when { root.where(span:name == pay) } always { not bypass }'}
  - {id: related, rule: 'when { pay } always { check before pay }'}
  - {id: each, rule: 'for each pay as p always { check before p }'}
  - {id: excused, rule: 'never { pay }', exceptions: [{name: checked, reason: it is, when: check}]}
"""
NAMES = ("pay", "check", "bypass")


def traces() -> list[list[tuple[str, bool]]]:
    """Spans by name of every kind of trace, and whether the first is a root: up to two of each name."""
    counts = product(range(3), repeat=len(NAMES))
    named = [[name for name, count in zip(NAMES, one, strict=True) for _ in range(count)] for one in counts]
    return [[(name, is_rooted and not at) for at, name in enumerate(names)] for names in named if names for is_rooted in (True, False)]


def taken(engine: TraceEngine) -> list[int]:
    """The handles of all traces."""
    spans = [
        span(name, number, of=of, parent=None if is_root else 1 if number > 1 else 99, attributes={"ok": number % 2 == 0})
        for of, trace in enumerate(traces(), 1)
        for number, (name, is_root) in enumerate(trace, 1)
    ]
    return [
        touch.handle for touch in engine.take(0, batch_of([TakenRecord(encode_protobuf(spans), "protobuf", 0)]), TakePolicy(100)).touches
    ]


def test_traces_of_any_closing_are_judged_together() -> None:
    rule_set = rules(RULES)
    engine, reference = LuaTraceEngine(rule_set), ReferenceTraceEngine(rule_set)
    handles, others = taken(engine), taken(reference)
    assert len(handles) == len(others) == 52
    chosen = list(product(range(len(handles)), Closing))
    random.Random(5).shuffle(chosen)
    together = engine.judge([Asked(handles[at], closing, None) for at, closing in chosen])
    assert together == [engine.judge([Asked(handles[at], closing, None)])[0] for at, closing in chosen]
    assert together == reference.judge([Asked(others[at], closing, None) for at, closing in chosen])
    assert {code for codes in together for code in codes} == set(range(6))
