"""What the flow may expect of every engine (processor.trace_engine.TraceEngine)."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from compiler import Closing, Verdict
from processor.engines import DEFAULT_ENGINE, EngineName, make_engine
from processor.lua_traces import LuaTraceEngine
from processor.reference_traces import ReferenceTraceEngine
from processor.trace_engine import NONE, ORDER_BITS, VERDICTS, Asked, TakenRecord, TakePolicy, Touch, TraceEngine, TraceFacts, batch_of
from tests.differential.comparison import Key, added_up
from tests.processor.played import NEEDS_CHECK, NO_BYPASS, START_NS, rules, span, trace_id
from tests.topics.otlp_spans import json_of
from tests.trace_engines import engine_for
from topics.otlp import encode_protobuf
from topics.refusal import RefusalReason
from topics.span import Resource, Span

pytestmark = pytest.mark.usefixtures("engine")

UNLIMITED = TakePolicy(10_000)
BY_RECORD = UNLIMITED._replace(by_record=True)
EXPIRING = """
rules:
  - id: expiring
    rule: never { bypass }
    exceptions: [{name: known, when: bypass, owner: sre, reason: known, expires: 2026-01-01}]
"""


def fresh(*texts: str) -> TraceEngine:
    """Return an engine for rules about charges and bypasses, unless other ones are given."""
    return engine_for(rules(*(texts or (NEEDS_CHECK, NO_BYPASS))))


def record(*spans: Span, at: int = 0) -> TakenRecord:
    return TakenRecord(encode_protobuf(spans), "protobuf", at)


def take(engine: TraceEngine, *records: TakenRecord, partition: int = 0, policy: TakePolicy = UNLIMITED) -> list[Touch]:
    """Take in some records and return what each brought to each trace."""
    return engine.take(partition, batch_of(records), policy._replace(by_record=True)).touches


def words(engine: TraceEngine, handle: int, closing: Closing = Closing.COMPLETE, opened_ns: int | None = None) -> list[str]:
    (codes,) = engine.judge([Asked(handle, closing, opened_ns)])
    return [str(VERDICTS[code]) for code in codes]


def test_touches_come_in_order_of_records_and_of_first_spans_in_them() -> None:
    touches = take(fresh(), record(span("a", 1, of=2), span("a", 2, of=1), span("a", 3, of=2)), record(span("a", 4, of=1)))
    assert [(it.record, it.trace_id, it.span_count, it.new_count, it.opened) for it in touches] == [
        (0, trace_id(2), 2, 2, True),
        (0, trace_id(1), 1, 1, True),
        (1, trace_id(1), 1, 1, False),
    ]
    assert touches[1].handle == touches[2].handle != touches[0].handle


def test_records_may_be_json_and_are_told_apart_by_their_format_alone() -> None:
    written = TakenRecord(json_of([span("charge", 1)]), "json", 0)
    assert [it.new_count for it in take(fresh(), written, record(span("charge", 2)))] == [1, 1]
    assert take(fresh(), written._replace(format="protobuf")) == []


def test_spans_that_came_before_are_counted_and_the_first_stands() -> None:
    engine = fresh()
    first = span("charge", 1)
    touches = take(engine, record(first), record(first, span("check", 1), span("charge", 2)), record(first))
    assert [(it.span_count, it.new_count, it.redelivered_count + it.differing_count) for it in touches] == [(1, 1, 0), (3, 1, 2), (1, 0, 1)]
    assert words(engine, touches[0].handle)[0] == "violated"


def test_the_reference_engine_tells_differing_spans_from_redelivered_ones() -> None:
    engine = ReferenceTraceEngine(rules(NEEDS_CHECK))
    first = span("charge", 1)
    touches = take(engine, record(first), record(first, span("check", 1)))
    assert [(it.redelivered_count, it.differing_count) for it in touches] == [(0, 0), (1, 1)]


def test_a_span_that_comes_twice_in_one_record_is_kept_once() -> None:
    (touch,) = take(fresh(), record(span("a", 1), span("a", 1), span("b", 1)))
    assert (touch.span_count, touch.new_count, touch.redelivered_count + touch.differing_count) == (3, 1, 2)


def test_spans_beyond_the_limit_are_counted_and_not_kept() -> None:
    engine = fresh()
    spans = [span("charge", number) for number in range(1, 6)]
    (first,) = take(engine, record(*spans), policy=TakePolicy(3))
    assert (first.new_count, first.over_limit_count) == (3, 2)
    (second,) = take(engine, record(spans[0], span("check", 9)), policy=TakePolicy(3))
    assert (second.new_count, second.redelivered_count, second.over_limit_count) == (0, 1, 1)
    assert engine.facts(first.handle).span_count == 3
    assert words(engine, first.handle)[0] == "violated"


def test_a_root_is_seen_with_the_record_that_brings_it_and_only_if_it_is_kept() -> None:
    engine, root = fresh(), span("checkout", 1, parent=None)
    touches = take(engine, record(span("charge", 2)), record(root), record(root), policy=TakePolicy(2))
    assert [it.first_root != NONE for it in touches] == [False, True, False]
    (late,) = take(engine, record(span("other", 3, parent=None)), policy=TakePolicy(2))
    assert (late.first_root, late.over_limit_count) == (NONE, 1)


def test_traces_of_different_partitions_never_meet() -> None:
    engine = fresh()
    (here,) = take(engine, record(span("charge", 1)), partition=0)
    (there,) = take(engine, record(span("check", 2)), partition=1)
    assert here.opened
    assert there.opened
    assert words(engine, here.handle)[0] == "violated"
    assert words(engine, there.handle)[0] == "not_applicable"


def test_what_is_refused_is_counted_by_record_and_the_rest_is_taken() -> None:
    engine = fresh()
    bad = TakenRecord(b"\xff\xff\xff", "protobuf", 0)
    half = record(span("charge", 1), replace(span("charge", 2), span_id=""))
    taken = engine.take(0, batch_of([bad, half, record(span("charge", 3))]), BY_RECORD)
    assert [(it.record, it.new_count) for it in taken.touches] == [(1, 1), (2, 1)]
    assert taken.refused[1] == Counter({RefusalReason.SPAN_WITHOUT_SPAN_ID: 1})
    assert sum(taken.refused[0].values()) == 1
    assert taken.refused.keys() == {0, 1}


@pytest.mark.parametrize(
    ("policy", "times", "opened"),
    [
        (TakePolicy(9), [0, 10**6, 10**9], [True, False, False]),
        (TakePolicy(9, 100), [0, 100, 200], [True, False, False]),
        (TakePolicy(9, 100), [0, 101, 201, 302], [True, True, False, True]),
        (TakePolicy(9, 100), [100, 20, 200, 301], [True, False, False, True]),
    ],
)
def test_a_record_begins_its_trace_anew_after_silence_and_never_by_age(policy: TakePolicy, times: list[int], opened: list[bool]) -> None:
    records = [record(span("charge", 1), at=at) for at in times]
    together, one_by_one = fresh(), fresh()
    assert [it.opened for it in take(together, *records, policy=policy)] == opened
    assert [it.opened for one in records for it in take(one_by_one, one, policy=policy)] == opened


def test_a_displaced_trace_keeps_its_spans_under_its_own_handle_until_it_is_dropped() -> None:
    engine, policy = fresh(), TakePolicy(9, 100)
    first, second = take(engine, record(span("charge", 1)), record(span("check", 2), at=101), policy=policy)
    assert (second.opened, first.handle == second.handle) == (True, False)
    assert [words(engine, it.handle)[0] for it in (first, second)] == ["violated", "not_applicable"]
    engine.drop_many([first.handle])
    (third,) = take(engine, record(span("charge", 3), at=102), policy=policy)
    assert (third.opened, third.handle) == (False, second.handle)


def test_a_dropped_trace_is_forgotten_and_its_handle_used_again() -> None:
    engine = fresh()
    handles = {it.handle for it in take(engine, *[record(span("charge", 1, of=number)) for number in range(1, 5)])}
    for handle in handles:
        engine.drop_many([handle])
    again = take(engine, *[record(span("check", 1, of=number)) for number in range(1, 5)])
    assert all(it.opened and it.new_count == 1 for it in again)
    assert {it.handle for it in again} == handles
    assert words(engine, again[0].handle)[0] == "not_applicable"


def test_many_traces_are_judged_at_once_each_as_it_is_asked_about() -> None:
    engine = fresh()
    touches = take(engine, record(span("charge", 1, of=1), span("bypass", 2, of=2)))
    closed, open_ = touches
    asked = [
        Asked(open_.handle, Closing.OPEN, None),
        Asked(closed.handle, Closing.INCOMPLETE, None),
        Asked(closed.handle, Closing.COMPLETE, None),
    ]
    assert [[str(VERDICTS[code]) for code in codes] for codes in engine.judge(asked)] == [
        ["unknown", "violated"],
        ["inconclusive", "inconclusive"],
        ["violated", "satisfied"],
    ]
    assert engine.judge([]) == []


def test_a_trace_judged_grows_and_is_judged_again() -> None:
    engine = fresh()
    (touch,) = take(engine, record(span("charge", 1)))
    assert words(engine, touch.handle)[0] == "violated"
    take(engine, record(span("check", 2)))
    assert words(engine, touch.handle)[0] == "satisfied"
    assert engine.facts(touch.handle).span_count == 2


def test_an_explanation_has_the_offenders_and_what_the_rule_declares_as_evidence() -> None:
    engine = fresh()
    charges = [span("charge", number, attributes={"amount": number, "customer": "ann"}) for number in (2, 1)]
    (touch,) = take(engine, record(*charges, span("other", 9)))
    asked = Asked(touch.handle, Closing.COMPLETE, None)
    engine.judge([asked])
    explained = [engine.explain(asked, 0) for _ in range(2)]
    # What is said of a trace is kept when the trace is gone.
    engine.drop_many([touch.handle])
    for said in explained:
        assert (said.rule_id, said.verdict, said.clauses, said.offender_count) == ("needs-check", Verdict.VIOLATED, ("always",), 2)
        assert [(it.span_id, it.name, it.start_ns, it.end_ns, it.parent_id) for it in said.offenders] == [
            (it.span_id, "charge", it.start_ns, it.end_ns, it.parent_id) for it in sorted(charges, key=lambda it: it.start_ns)
        ]
        assert [(it.attributes["amount"], it.attributes["customer"]) for it in said.offenders] == [(1, "ann"), (2, "ann")]
        assert {it.resource.attributes["region"] for it in said.offenders} == {"eu"}
        assert {it.resource.attributes["service.name"] for it in said.offenders} == {"shop"}


def test_an_explanation_can_be_asked_for_without_a_judgement_before_it() -> None:
    engine = fresh()
    (touch,) = take(engine, record(span("bypass", 1)))
    assert engine.explain(Asked(touch.handle, Closing.OPEN, None), 1).verdict is Verdict.VIOLATED
    assert engine.explain(Asked(touch.handle, Closing.COMPLETE, None), 0).verdict is Verdict.NOT_APPLICABLE


def test_an_exception_excuses_traces_that_opened_before_it_expires_or_at_no_known_time() -> None:
    engine = fresh(EXPIRING)
    (touch,) = take(engine, record(span("bypass", 1)))
    expires_ns = (1_767_225_600 + 24 * 3600) * 10**9  # the first moment after the day
    assert words(engine, touch.handle, opened_ns=expires_ns - 1) == ["excused"]
    assert words(engine, touch.handle, opened_ns=expires_ns) == ["violated"]
    assert words(engine, touch.handle, opened_ns=None) == ["excused"]
    assert engine.explain(Asked(touch.handle, Closing.COMPLETE, None), 0).exception == "known"


def test_facts_tell_root_services_times_and_orphans_whatever_the_rules_read() -> None:
    engine = fresh(NO_BYPASS)
    root, other = span("late", 3, parent=None), span("first", 2, parent=None)
    child = replace(span("child", 7, parent=2), resource=Resource({"service.name": "api"}))
    orphan = replace(span("orphan", 8, parent=77), resource=Resource({"service.name": 5}))
    lost = replace(span("lost", 9, parent=9), start_ns=0, end_ns=START_NS * 2, resource=Resource())
    (touch,) = take(engine, record(root, lost, orphan, child, other))
    assert engine.facts(touch.handle) == TraceFacts("first", "shop", ("api", "shop"), other.start_ns, orphan.end_ns, 5, 2)


def test_facts_of_a_trace_without_root_or_times_are_none() -> None:
    engine = fresh()
    (touch,) = take(engine, record(replace(span("lost", 1), start_ns=0, resource=Resource())))
    facts = engine.facts(touch.handle)
    assert facts == TraceFacts(None, None, (), None, None, 1, 1)
    assert facts.duration_ns is None


@pytest.mark.parametrize("constant", [254, 255, 256])
def test_counts_are_told_apart_where_a_counter_of_one_byte_ends(constant: int) -> None:
    engine = fresh(f"rules: [{{id: it, rule: 'never {{ count(bypass) == {constant} }}'}}]")
    found = []
    for number, count in enumerate((constant - 1, constant, constant + 1, constant + 300), 1):
        (touch,) = take(engine, record(*[span("bypass", at, of=number) for at in range(1, count + 1)]))
        found += words(engine, touch.handle)
    assert found == ["satisfied", "violated", "satisfied", "satisfied"]


def test_a_trace_says_all_its_services_however_many_there_are() -> None:
    engine = fresh()
    names = [f"service-{number:03}" for number in range(100)]
    spans = [replace(span("a", number), resource=Resource({"service.name": name})) for number, name in enumerate(names, 1)]
    (first,) = take(engine, record(*spans[:50]))
    take(engine, record(*spans[30:]), record(span("a", 200, of=2)))
    assert engine.facts(first.handle).services == tuple(names)
    other = engine_for(engine.rule_set)
    take(other, record(span("a", 300, of=3)))
    (handle,) = other.load_many(0, engine.export_many([first.handle]))
    assert other.facts(handle).services == tuple(names)


def test_a_thousand_parents_may_come_after_their_children() -> None:
    engine = fresh()
    (touch,) = take(engine, record(*[span("a", number, parent=5_000 + number % 1_000) for number in range(1, 2_001)]))
    orphans = [engine.facts(touch.handle).orphan_count]
    for first in (5_000, 5_300, 5_600):
        take(engine, record(*[span("b", number, parent=None) for number in range(first, first + 400)]))
        orphans.append(engine.facts(touch.handle).orphan_count)
    assert orphans == [2_000, 1_200, 600, 0]


def test_a_rule_that_is_switched_off_has_no_byte() -> None:
    engine = fresh(NEEDS_CHECK.replace("id: needs-check", "id: needs-check\n    enabled: false"), NO_BYPASS)
    (touch,) = take(engine, record(span("bypass", 1), span("charge", 2)))
    assert words(engine, touch.handle) == ["violated"]
    assert engine.explain(Asked(touch.handle, Closing.COMPLETE, None), 0).rule_id == "no-bypass"


def test_offenders_are_named_up_to_the_number_the_engine_was_made_for() -> None:
    engine = engine_for(rules(NO_BYPASS), 0, 2)
    (touch,) = take(engine, record(*[span("bypass", number) for number in range(1, 6)]))
    said = engine.explain(Asked(touch.handle, Closing.COMPLETE, None), 0)
    assert ([it.span_id for it in said.offenders], said.offender_count) == ([f"{1:016x}", f"{2:016x}"], 5)


def test_clocks_may_differ_by_the_tolerance_the_engine_was_made_for() -> None:
    rule_set = rules("rules: [{id: order, rule: 'always { check before charge }'}]")
    check = replace(span("check", 1), start_ns=START_NS + 300, end_ns=START_NS + 1_000)
    charge = replace(span("charge", 2), start_ns=START_NS + 900)
    found = []
    for tolerance_ns in (99, 100):
        engine = engine_for(rule_set, tolerance_ns)
        (touch,) = take(engine, record(check, charge))
        found += words(engine, touch.handle)
    assert found == ["violated", "satisfied"]


def test_luajit_can_be_asked_for_by_name_and_is_what_judges_unless_told_otherwise() -> None:
    assert DEFAULT_ENGINE is EngineName.LUAJIT
    assert isinstance(make_engine(DEFAULT_ENGINE, rules(NO_BYPASS), 7, 3), LuaTraceEngine)


def test_the_reference_engine_can_be_asked_for_by_name() -> None:
    assert isinstance(make_engine(EngineName.REFERENCE, rules(NO_BYPASS), 7, 3), ReferenceTraceEngine)


def test_of_all_records_of_a_batch_together_a_trace_is_told_what_each_of_them_would_have_told() -> None:
    engine, root = fresh(), span("checkout", 9, parent=None)
    records = [record(span("a", 1), at=50), record(span("a", 1), at=90), record(root, at=40), record(span("a", 2), span("a", 3), at=60)]
    taken = engine.take(0, batch_of([record(span("a", 1), at=3), *records]), TakePolicy(3)).touches
    touches = list(added_up([(Key(0, trace_id(), 0), touch) for touch in taken], by_record=False).values())
    assert touches == [
        Touch(
            *(0, taken[0].handle, trace_id(), True, 6, 3, 2, 0, 1),
            arrived_ns=90,
            new_arrived_ns=60,
            new_order=0,
            last_new=4,
            first_over_limit=4,
            first_root=3,
            apart_order=NONE,
        )
    ]
    assert isinstance(engine, ReferenceTraceEngine) or taken == touches


@pytest.mark.parametrize("by_record", [True, False])
def test_a_record_is_apart_unless_its_key_is_the_id_of_the_one_trace_it_holds(by_record: bool) -> None:
    """Whoever else is touched by it is told so, and a record that holds nothing is none."""
    one, two = (trace_id(number).encode() for number in (0xAB, 2))
    rows = [
        *((record(span("a", 1, of=0xAB)), key) for key in (one, two, one.upper(), one[:-1], one[:-1] + b" ", b"", None)),
        *((record(span("a", 2, of=0xAB), span("a", 2, of=2)), key) for key in (one, two)),
        *((record(span("a", 3, of=2)), two), (record(), None), (TakenRecord(b"\xff", "protobuf", 0), one)),
        (TakenRecord(json_of([span("a", 4, of=2), span("a", 4, of=0xAB)]), "json", 0), two),
    ]
    batch = batch_of([row._replace(key=key) for row, key in rows], is_keyed=True)
    taken = fresh().take(0, batch, TakePolicy(10, by_record=by_record))
    assert taken.apart == [1, 2, 3, 4, 5, 6, 7, 8, 12]
    first: dict[str, int] = {}
    for touch in taken.touches:
        if touch.apart_order != NONE:
            first.setdefault(touch.trace_id, touch.apart_order >> ORDER_BITS)
    assert first == {trace_id(0xAB): 1, trace_id(2): 7}
    assert fresh().take(0, batch._replace(is_keyed=False), UNLIMITED).apart == []


def test_keys_that_are_all_well_formed_are_read_like_any_others() -> None:
    rows = [record(span("a", 1, of=number))._replace(key=trace_id(number + number % 2).encode()) for number in range(1, 9)]
    taken = fresh().take(0, batch_of(rows, is_keyed=True), UNLIMITED)
    assert taken.apart == [0, 2, 4, 6]
    assert [touch.apart_order != NONE for touch in taken.touches] == [True, False] * 4


@pytest.mark.parametrize(("one", "other"), [(32, 32), (31, 33)])
def test_a_key_in_capitals_or_of_another_length_is_not_the_id_though_all_digits_of_the_batch_are_right(one: int, other: int) -> None:
    ids = [trace_id(number) for number in (0xAB, 0xCD)]
    written = "".join(ids) if one != other else "".join(ids).upper()
    keys = [written[:one].encode(), written[one:].encode()]
    assert [len(key) for key in keys] == [one, other]
    rows = [record(span("a", 1, of=number))._replace(key=key) for number, key in zip((0xAB, 0xCD), keys, strict=True)]
    assert fresh().take(0, batch_of(rows, is_keyed=True), UNLIMITED).apart == [0, 1]


def test_a_record_of_very_many_spans_that_is_decoded_here_is_told_as_one_record() -> None:
    """Its parts come one after the other, and where one of its traces is another, all of it is apart."""
    spans = [span("a", number, of=1 + number // 1_500) for number in range(1, 2_501)]
    row = TakenRecord(json_of(spans), "json", 0, trace_id(1).encode())
    taken = fresh().take(0, batch_of([record(span("b", 9, of=3))._replace(key=trace_id(3).encode()), row], is_keyed=True), UNLIMITED)
    orders = [touch.order for touch in taken.touches]
    assert orders == sorted(set(orders))
    assert [touch.record for touch in taken.touches] == [0] + [1] * (len(orders) - 1)
    assert [touch.trace_id for touch in taken.touches if touch.apart_order == NONE] == [trace_id(3)]
    assert sum(touch.new_count for touch in taken.touches) == 2_501
