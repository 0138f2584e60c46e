"""Traces that move from one engine to another: nothing is lost on the way, and nothing that was damaged gets in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from itertools import islice, pairwise
from random import Random

import pytest

from cli.shop_rules import SHOP_RULES
from compiler import Closing, RuleSet, compile_sources
from compiler.verdict import Judgement
from processor.inputs import InputRecord, read_inputs
from processor.lua_traces import LuaTraceEngine
from processor.reference_traces import ReferenceTraceEngine
from processor.rule_directory import read_sources
from processor.trace_engine import Asked, TakenRecord, TakePolicy, TraceEngine, batch_of
from processor.trace_states import CHECK_SIZE, Seal, trace_id_of
from tests.processor.played import NEEDS_CHECK, NO_BYPASS, rules, span, trace_id
from tests.trace_engines import EVERY_WAY
from topics.otlp import encode_protobuf
from topics.recordings import SHOP_PROTO_KEYED, recording
from topics.span import Resource, Span

UNLIMITED = TakePolicy(10_000)
CLOSED = Closing.COMPLETE
# What a state holds besides bits: counters, captured rows, and with `under` the ids of all spans with their parents.
COUNTED = "rules: [{id: counted, rule: 'never { count(charge) > 400 }'}]"
TREE = "rules: [{id: tree, rule: 'always { check under charge }'}]"
RULES = rules(NEEDS_CHECK, NO_BYPASS, COUNTED)
TREE_RULES = rules(NEEDS_CHECK, TREE)


@pytest.fixture(params=EVERY_WAY)
def way(request: pytest.FixtureRequest) -> str:
    """Each way to run an engine in turn."""
    return str(request.param)


def record(*spans: Span, at: int = 0) -> TakenRecord:
    return TakenRecord(encode_protobuf(spans), "protobuf", at)


def opened(engine: TraceEngine, *records: TakenRecord, partition: int = 0, policy: TakePolicy = UNLIMITED) -> list[int]:
    return [touch.handle for touch in engine.take(partition, batch_of(records), policy).touches if touch.opened]


def said(engine: TraceEngine, handle: int) -> tuple[object, ...]:
    """Return all that an engine says of a trace: verdicts at every stage, facts, evidence of all rules."""
    asked = [Asked(handle, closing, None) for closing in Closing]
    count = len(engine.rule_set.enabled)
    evidence = [shown(engine.explain(one, rule)) for one in asked for rule in range(count)]
    return engine.judge(asked), engine.facts(handle), evidence


def shown(judgement: Judgement) -> str:
    """Return all that a judgement says, whatever kind of spans it names."""
    offenders = [[getattr(one, part.name) for part in fields(Span)] for one in judgement.offenders]
    return f"{replace(judgement, offenders=())} {offenders}"


def traces(chance: Random) -> Iterator[list[Span]]:
    """Yield traces of all sizes, with services, roots, orphans and spans whose parents come late."""
    for number, size in enumerate((1, 2, 7, 30, 255, 256, 257, 300, 1_000), 1):
        spans = []
        for at in range(1, size + 1):
            parent = None if chance.random() < 0.1 else chance.randrange(1, 2 * size + 2)
            made = span(chance.choice(("charge", "check", "other", "bypass")), at, of=number, parent=parent, attributes={"amount": at})
            service = {} if chance.random() < 0.1 else {"service.name": f"service {number} {chance.randrange(1 + size // 3)}"}
            spans.append(replace(made, resource=Resource(service)))
        yield spans


def strangers(engine: TraceEngine) -> None:
    """Let an engine have traces of its own, which have come and gone: other handles, other texts at other places."""
    made = [
        replace(span("bypass", 1, of=900 + at), name=f"name {at}", resource=Resource({"service.name": f"mine {at}"})) for at in range(90)
    ]
    for handle in opened(engine, *map(record, made), partition=5)[::3]:
        engine.drop_many([handle])


@pytest.mark.parametrize("rule_set", [RULES, TREE_RULES], ids=["bits and counters", "tree"])
def test_whatever_is_said_of_a_trace_is_said_where_it_was_moved_to_and_as_it_grows(way: str, rule_set: RuleSet) -> None:
    chance = Random(1)
    engine, other = (EVERY_WAY[way](rule_set, 0, 16) for _ in range(2))
    halves = [(spans[: (len(spans) + 1) // 2], spans[len(spans) // 3 :]) for spans in traces(chance)]
    handles = opened(engine, *[record(*first) for first, _ in halves])
    strangers(other)
    moved = other.load_many(7, engine.export_many(handles))
    for _ in range(2):
        assert [said(other, handle) for handle in moved] == [said(engine, handle) for handle in handles]
        later = [record(*second) for _, second in halves]
        here, there = (one.take(partition, batch_of(later), UNLIMITED).touches for one, partition in ((engine, 0), (other, 7)))
        assert [touch._replace(handle=0) for touch in here] == [touch._replace(handle=0) for touch in there]
        assert [touch.handle for touch in there] == moved


def test_a_moved_trace_is_over_when_it_would_have_been(way: str) -> None:
    """When its last record came goes with it, and its handle is dropped like any other."""
    policy = TakePolicy(9, 100)
    engine = EVERY_WAY[way](RULES, 0, 16)
    handles = opened(engine, record(span("charge", 1, of=1), at=50), record(span("charge", 1, of=2), at=51), policy=policy)
    other = EVERY_WAY[way](RULES, 0, 16)
    moved = other.load_many(0, engine.export_many(handles))
    late = [record(span("charge", 2, of=of), at=151) for of in (1, 2)]
    assert [touch.opened for touch in other.take(0, batch_of(late), policy).touches] == [True, False]
    for handle in moved:
        other.drop_many([handle])
    assert [touch.opened for touch in other.take(0, batch_of(late), policy).touches] == [False, True]


def test_the_traces_of_a_recorded_shop_are_moved_in_the_midst_of_their_spans(way: str) -> None:
    rule_set = compile_sources(read_sources(SHOP_RULES)).rule_set
    assert rule_set is not None
    values = [one.value for one in islice(read_inputs([str(recording(SHOP_PROTO_KEYED))]), 300) if isinstance(one, InputRecord)]
    engine, other = (EVERY_WAY[way](rule_set, 0, 16) for _ in range(2))
    handles = opened(engine, *[TakenRecord(value, "protobuf", 0) for value in values[:200]])
    moved = other.load_many(0, engine.export_many(handles))
    later = [TakenRecord(value, "protobuf", 0) for value in values[200:]]
    handles += opened(engine, *later)
    moved += opened(other, *later)
    assert len(handles) > 30
    assert [said(other, handle) for handle in moved] == [said(engine, handle) for handle in handles]


def test_a_state_begins_with_the_id_of_its_trace_and_knows_no_partition(way: str) -> None:
    engine = EVERY_WAY[way](RULES, 0, 16)
    handles = opened(engine, record(span("charge", 1, of=2), span("charge", 1, of=1)), partition=3)
    states = engine.export_many(handles)
    assert [state[:16].hex() for state in states] == list(map(trace_id_of, states)) == [trace_id(2), trace_id(1)]
    here, there = engine.load_many(1, states), engine.load_many(2, states)
    assert len({*handles, *here, *there}) == 6
    assert {engine.facts(handle).span_count for handle in (*handles, *here, *there)} == {1}
    (touch,) = engine.take(2, batch_of([record(span("charge", 2, of=1))]), UNLIMITED).touches
    assert (touch.handle, touch.trace_id, touch.opened) == (there[1], trace_id(1), False)


def test_no_trace_or_a_trace_asked_for_twice_may_be_exported(way: str) -> None:
    engine = EVERY_WAY[way](RULES, 0, 16)
    (handle,) = opened(engine, record(span("charge", 1)))
    assert (engine.export_many([]), engine.load_many(0, [])) == ([], [])
    one, other = engine.export_many([handle, handle])
    assert one == other


def test_no_byte_of_one_trace_gets_into_the_state_of_another(way: str) -> None:
    """States are written where others stood before."""
    engine = EVERY_WAY[way](RULES, 0, 16)
    handles = opened(engine, *[record(replace(span("charge", 1, of=of, parent=None), name="x" * of)) for of in range(1, 9)])
    others = opened(engine, *[record(replace(span("charge", 1, of=of, parent=None), name="y" * of)) for of in range(100, 200)])
    before = engine.export_many(handles)
    engine.export_many(others)
    assert engine.export_many(handles) == before


def test_states_of_any_size_and_number_are_exported_in_one_call(way: str) -> None:
    """Also such that do not find room together, or one alone."""
    engine, other = (EVERY_WAY[way](RULES, 0, 16) for _ in range(2))
    small = [record(span("charge", 1, of=of)) for of in range(1, 1_200)]
    large = record(*[span("charge", at, of=5_000, attributes={"customer": "x" * 400_000}) for at in range(1, 4)])
    handles = opened(engine, *small[:700], large, *small[700:])
    moved = other.load_many(0, engine.export_many(handles))
    assert [engine.facts(handle) for handle in handles] == [other.facts(handle) for handle in moved]
    assert said(engine, handles[700]) == said(other, moved[700])


# ---- what must not get in -----------------------------------------------------------------------------------------------------------


def refuses(engine: TraceEngine, states: list[bytes], partition: int = 0) -> None:
    with pytest.raises(ValueError, match=r"(is|are) (damaged|there)"):
        engine.load_many(partition, states)


def test_a_trace_that_is_there_already_is_refused_and_none_of_its_company_gets_in(way: str) -> None:
    engine, other = (EVERY_WAY[way](RULES, 0, 16) for _ in range(2))
    first, second, third = engine.export_many(opened(engine, *[record(span("charge", 1, of=of)) for of in (1, 2, 3)]))
    other.load_many(0, [second])
    refuses(other, [first, second, third])
    refuses(other, [first, third, first])
    assert [touch.opened for touch in other.take(0, batch_of(record(span("bypass", 9, of=of)) for of in (1, 2, 3)), UNLIMITED).touches] == [
        *(True, False, True)
    ]


def size(engine: TraceEngine) -> object:
    """Return what an engine's traces take; of LuaJIT without Lua's heap, where its compiler is at work as well."""
    return engine.program.memory()[:3] if isinstance(engine, LuaTraceEngine) else engine.memory_bytes


def test_a_refusal_leaves_the_engine_as_it_was(way: str) -> None:
    engine, other = (EVERY_WAY[way](RULES, 0, 16) for _ in range(2))
    many = [record(span("charge", 1, of=of)) for of in range(1, 1_200)]
    states = engine.export_many(opened(engine, *many))
    handles = opened(other, record(span("bypass", 1, of=7_000), span("charge", 2, of=1_199)))
    before, held = [said(other, handle) for handle in handles], size(other)
    refuses(other, states)
    refuses(other, [*states[:-1], states[0]])
    refuses(other, [*states[:-1], states[-1][:-1]])
    assert [said(other, handle) for handle in handles] == before
    assert size(other) == held
    assert len(other.load_many(0, states[:-1])) == 1_198


@pytest.mark.parametrize("rule_set", [RULES, TREE_RULES], ids=["bits and counters", "tree"])
def test_a_state_that_was_cut_or_of_which_a_byte_was_changed_is_refused(way: str, rule_set: RuleSet) -> None:
    engine, other = (EVERY_WAY[way](rule_set, 0, 16) for _ in range(2))
    spans = [span("charge", 1, parent=None), span("check", 2, parent=1), span("bypass", 3, parent=77)]
    state, whole = engine.export_many(opened(engine, record(*spans), record(span("charge", 1, of=2))))
    for at in range(len(state)):
        refuses(other, [whole, state[:at]])
        for bit in range(8):
            refuses(other, [whole, state[:at] + bytes([state[at] ^ 1 << bit]) + state[at + 1 :]])
    for one in (state + b"\0", b"\0" + state, state + state, state[1:], state[:16] + whole[16:], bytes(len(state))):
        refuses(other, [one, whole])
    assert other.load_many(0, [state, whole]) is not None


def test_a_state_cut_before_it_was_sealed_is_refused(way: str) -> None:
    """The checksum is sound: what the engine reads must have its size all the same."""
    engine, other = (EVERY_WAY[way](RULES, 0, 16) for _ in range(2))
    (state,) = engine.export_many(opened(engine, record(span("charge", 1), span("bypass", 2))))
    for size in range(CHECK_SIZE, len(state)):
        cut = bytearray(state[: size - CHECK_SIZE] + bytes(CHECK_SIZE))
        refuses(other, list(Seal(engine.layout).sealed(memoryview(cut), [size])))
    assert len(other.load_many(0, [state])) == 1


def test_a_state_of_other_rules_is_refused_by_a_program_and_of_no_matter_to_whole_spans() -> None:
    programs = [LuaTraceEngine(rules(text)) for text in (NEEDS_CHECK, NO_BYPASS, NO_BYPASS.replace("{ bypass }", "{ detour }"))]
    for one, other in pairwise(programs):
        assert one.layout != other.layout
        refuses(other, one.export_many(opened(one, record(span("charge", 1)))))
    whole, with_other_rules = ReferenceTraceEngine(rules(NEEDS_CHECK)), ReferenceTraceEngine(rules(NO_BYPASS))
    assert whole.layout == with_other_rules.layout != programs[0].layout
    (handle,) = with_other_rules.load_many(0, whole.export_many(opened(whole, record(span("bypass", 1)))))
    assert said(with_other_rules, handle) != said(whole, 0)
    refuses(programs[0], whole.export_many([0]))


# ---- whole spans --------------------------------------------------------------------------------------------------------------------


def test_the_reference_engine_moves_spans_whole_in_their_order_and_equal_traces_have_equal_bytes() -> None:
    engine, other = ReferenceTraceEngine(RULES), ReferenceTraceEngine(RULES)
    handles = opened(engine, *[record(*spans) for spans in traces(Random(2))])
    states = engine.export_many(handles)
    moved = other.load_many(0, states)
    assert [repr(other._traces[handle]) for handle in moved] == [repr(engine._traces[handle]) for handle in handles]
    assert other.export_many(moved) == states
    (touch,) = other.take(0, batch_of([record(span("other", 1, of=1), replace(span("other", 1, of=1), name="differs"))]), UNLIMITED).touches
    assert touch.differing_count == 2


# ---- memory -------------------------------------------------------------------------------------------------------------------------


def test_the_memory_of_traces_is_told_and_less_when_they_are_dropped(way: str) -> None:
    engine = EVERY_WAY[way](rules(NEEDS_CHECK), 0, 16)
    empty = engine.memory_bytes
    # So many that they are more than what comes and goes in a heap.
    count = 1_500
    handles = opened(engine, *[record(*[span("charge", at, of=of) for at in range(40)]) for of in range(1, count + 1)])
    full = engine.memory_bytes
    assert count * 40 * 16 < full - empty < count * 40 * 4_000
    for handle in handles:
        engine.drop_many([handle])
    assert engine.memory_bytes - empty < (full - empty) / 2
