"""Captured rows of traces that are longer than those of the conformance suite, and come in many records: both engines say the same."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from compiler import Closing
from compiler.trace import Span as Offender
from processor.lua_traces import LuaTraceEngine
from processor.reference_traces import ReferenceTraceEngine
from processor.trace_engine import Asked, TakenRecord, TakePolicy, TraceEngine, batch_of
from tests.processor.played import rules, span
from topics.otlp import encode_protobuf
from topics.span import Resource, Span

RULES = {
    "children": "for each order as o always { audit child of o }",
    "children that say more": "for each order as o when { stock child of o } never { audit.where(bad) child of o }",
    "siblings": "for each stock as s always { audit sibling of s }",
    "children by id": "for each order as o always { audit.where(span:parentID == o.span:id) }",
    "parents by id": "for each audit as a always { order.where(span:id == a.span:parentID) }",
    "siblings by id": "for each stock as s always { audit.where(span:parentID == s.span:parentID) }",
    "the same by id": "for each stock as s never { audit.where(span:id == s.span:id) }",
    "counted children": "for each order as o always { count(span.where(span:parentID == o.span:id)) <= 3 }",
}
SIZES = (1, 2, 7, 8, 9, 40, 300)


def orders(number: int, size: int, *, whole: bool) -> list[Span]:
    """Return a trace of so many orders with a stock and an audit each; in one that is not `whole` some orders have none, or no parent."""
    r = Random(f"{number} {size}")
    spans = []
    for order in range(size):
        first = 10_000 * number + 10 * order + 1
        left_out = not whole and r.random() < 2 / size
        spans.append(span("order", first, of=number, parent=None if order == 0 or left_out else first - 10))
        spans.append(span("stock", first + 1, of=number, parent=None if left_out and r.random() < 0.3 else first))
        if not left_out:
            spans.append(span("audit", first + 2, of=number, parent=first, attributes={"bad": r.random() < 1 / size}))
    r.shuffle(spans)
    return spans


def records(size: int) -> list[TakenRecord]:
    """Return traces cut into records that mix them."""
    traces = [orders(number, size, whole=number % 2 == 0) for number in range(1, 7)]
    spans = [one for trace in traces for one in trace]
    Random(size).shuffle(spans)
    length = max(1, len(spans) // 9)
    return [TakenRecord(encode_protobuf(spans[start : start + length]), "protobuf", 0) for start in range(0, len(spans), length)]


def said(engine: TraceEngine, taken: list[TakenRecord]) -> object:
    """Return verdicts of each trace for each closing, and evidence."""
    handles = dict.fromkeys(touch.handle for touch in engine.take(0, batch_of(taken), TakePolicy(100_000)).touches)
    found = []
    for handle in handles:
        asked = [Asked(handle, closing, None) for closing in Closing]
        evidence = [engine.explain(asked[-1], index) for index in range(len(RULES))]
        found.append((engine.judge(asked), [(one.verdict, one.clauses, one.offender_count, one.comparisons) for one in evidence]))
    return found


@pytest.mark.parametrize("size", SIZES)
def test_relatives_are_found_however_many_rows_there_are(size: int) -> None:
    rule_set = rules("rules:\n" + "".join(f"  - {{id: rule-{n}, rule: '{text}'}}\n" for n, text in enumerate(RULES.values())))
    assert said(LuaTraceEngine(rule_set), records(size)) == said(ReferenceTraceEngine(rule_set), records(size))


def test_what_is_said_of_a_trace_outlives_its_texts_and_others_that_take_their_place_are_read() -> None:
    engine = LuaTraceEngine(rules("rules: [{id: no-bypass, rule: 'never { bypass }'}]"))

    def offender(service: str, of: int) -> tuple[Offender, int]:
        given = replace(span("bypass", 1, of=of), resource=Resource({"service.name": service}))
        (touch,) = engine.take(0, batch_of([TakenRecord(encode_protobuf([given]), "protobuf", 0)]), TakePolicy(10_000)).touches
        (found,) = engine.explain(Asked(touch.handle, Closing.OPEN, None), 0).offenders
        return found, touch.handle

    def flood(of: int, size: int) -> None:
        spans = [
            replace(span("other", number, of=of), resource=Resource({"service.name": f"{of} {number}"})) for number in range(1, size + 1)
        ]
        engine.take(0, batch_of([TakenRecord(encode_protobuf(spans), "protobuf", 0)]), TakePolicy(10_000))

    # The first services keep their places for ever.
    flood(12, 64)
    gone, handle = offender("gone", 1)
    engine.drop_many([handle])
    # More texts than the pool holds before it looks for some that nobody needs.
    for of in range(2, 10):
        flood(of, 9_000)
    new, _ = offender("new", 11)
    assert [one.resource.attributes["service.name"] for one in (gone, new)] == ["gone", "new"]
