"""Evidence that is remembered by situation is that of each trace: both engines say the same, whatever was asked before."""

from __future__ import annotations

import gc
import weakref
from itertools import product
from random import Random

import pytest

from compiler import Closing, outlines
from compiler.outlines import asks_numbers_alone
from compiler.verdict import Judgement
from processor.lua_traces import LuaTraceEngine
from processor.reference_traces import ReferenceTraceEngine
from processor.trace_engine import Asked, TakenRecord, TakePolicy, TraceEngine, batch_of
from tests.processor.played import rules, span
from topics.otlp import encode_protobuf
from topics.span import Span

NUMBERS = """
rules:
  - {id: never, rule: 'never { a }'}
  - {id: either, rule: 'when { b } never { a.where(k == 1) or a.where(j == 1) or count(c) > 2 }'}
  - {id: both, rule: 'always { a.all(k == 1) and not b.where(j == 1) and count(a) + 1 < 2 * count(b) }'}
  - {id: head, rule: 'when { a.where(k == 1) and a } always { c }'}
  - {id: counted, rule: 'never { count(a) > 63 } always { count(b) != 1 }'}
  - {id: whole, requires: complete, rule: 'when { a } always { b }'}
  - id: excused
    rule: never { a }
    exceptions:
      - {name: old, when: b, owner: o, reason: r, expires: 2026-01-01}
      - {name: kept, when: c.where(k == 1), owner: o, reason: r}
"""
MORE = """
rules:
  - {id: long, rule: 'never { a and trace:spanCount > 3 }'}
  - {id: child, rule: 'never { a child of b }'}
  - {id: summed, rule: 'never { sum(a.k) > 1 }'}
  - {id: each, rule: 'for each a as x never { b.where(k == x.k) }'}
"""


def made(number: int, r: Random) -> list[Span]:
    """Return the spans of a trace: few of some names, or of one very many."""
    names = [name for name in "abc" for _ in range(r.choice((0, 0, 1, 2, 3, 70 if name == "a" else 1)))] or ["d"]
    r.shuffle(names)
    parents = [r.choice((None, 99, 1)) for _ in names]
    values = [{"k": r.randint(1, 2), "j": r.randint(1, 2)} for _ in names]
    return [span(name, at, of=number, parent=parents[at - 1], attributes=values[at - 1]) for at, name in enumerate(names, 1)]


def told(judgement: Judgement) -> tuple[object, ...]:
    named = [(one.span_id, one.name, one.start_ns) for one in judgement.offenders]
    return judgement.verdict, judgement.clauses, named, judgement.offender_count, judgement.comparisons, judgement.exception


def test_rules_are_told_apart_by_what_they_ask() -> None:
    assert [asks_numbers_alone(rule) for text in (NUMBERS, MORE) for rule in rules(text).enabled] == [True] * 7 + [False] * 4


@pytest.mark.parametrize("remembered_max", [4_096, 3])
def test_the_engines_explain_alike_whatever_was_asked_before(remembered_max: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlines, "_REMEMBERED_MAX", remembered_max)
    rule_set, r = rules(NUMBERS, MORE), Random(5)
    engines: list[TraceEngine] = [engine(rule_set, 0, 3) for engine in (ReferenceTraceEngine, LuaTraceEngine)]
    batch = batch_of([TakenRecord(encode_protobuf(made(number, r)), "protobuf", 0) for number in range(1, 61)])
    handles = [[touch.handle for touch in engine.take(0, batch, TakePolicy(10_000)).touches] for engine in engines]
    asked = list(product(range(60), range(len(rule_set.enabled)), Closing, (None, 0, 2**62)))
    r.shuffle(asked)
    for trace, rule, closing, opened_ns in asked:
        pairs = zip(engines, handles, strict=True)
        expected, found = (told(engine.explain(Asked(some[trace], closing, opened_ns), rule)) for engine, some in pairs)
        assert found == expected, (trace, rule_set.enabled[rule].id, closing, opened_ns)


def test_nothing_that_was_read_back_waits_for_the_garbage_collector() -> None:
    engine = LuaTraceEngine(rules(MORE))
    spans = [span("b", 1), span("a", 2, parent=1, attributes={"k": 1})]
    (touch,) = engine.take(0, batch_of([TakenRecord(encode_protobuf(spans), "protobuf", 0)]), TakePolicy(10_000)).touches
    gc.disable()
    try:
        for rule in range(len(engine.rule_set.enabled)):
            engine.explain(Asked(touch.handle, Closing.COMPLETE, None), rule)
        kept = weakref.ref(engine._read_back)
        engine.drop_many([touch.handle])
        assert kept() is None
    finally:
        gc.enable()
