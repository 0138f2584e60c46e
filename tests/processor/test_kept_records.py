"""Traces seen again, out of the records they came in."""

from __future__ import annotations

import pytest

from processor.finite import FiniteRun
from processor.kept_records import KeepingEngine, KeptRecords
from processor.trace_engine import TakenRecord, TakePolicy, batch_of
from tests.processor.logs import Log
from tests.processor.played import NEEDS_CHECK, rules, span, trace_id
from tests.trace_engines import engine_for
from topics.otlp import encode_protobuf

pytestmark = pytest.mark.usefixtures("engine")


def kept_of(*records: TakenRecord, size_max: int = 2**20, span_count_max: int = 10_000) -> KeptRecords:
    """Keep records as an engine takes them."""
    kept = KeptRecords(span_count_max, size_max)
    engine = engine_for(rules(NEEDS_CHECK))
    for one in records:
        kept.keep(batch_of([one]), engine.take(0, batch_of([one]), TakePolicy(span_count_max)))
    return kept


def record(*numbers: int, of: int = 1, name: str = "charge") -> TakenRecord:
    return TakenRecord(encode_protobuf([span(name, number, of=of) for number in numbers]), "protobuf", 0)


def names(kept: KeptRecords, of: int = 1) -> list[str] | None:
    view = kept.view(trace_id(of))
    return None if view is None else [f"{it.name} {int(it.span_id, 16)}" for it in view.spans]


def test_a_trace_is_seen_whole_over_all_of_its_records() -> None:
    kept = kept_of(record(1, 3), record(1, of=2), record(2))
    assert names(kept) == ["charge 1", "charge 2", "charge 3"]
    assert names(kept, of=2) == ["charge 1"]
    assert names(kept, of=3) is None


def test_of_one_span_id_the_first_to_come_is_seen_as_it_was_judged() -> None:
    assert names(kept_of(record(1), record(1, 2, name="check"))) == ["charge 1", "check 2"]


def test_no_more_spans_are_seen_than_were_judged() -> None:
    assert names(kept_of(record(1, 2, 3), record(4), span_count_max=2)) == ["charge 1", "charge 2"]


def test_a_trace_touched_by_a_record_for_which_there_was_no_room_is_not_seen() -> None:
    size = len(record(1).value)
    kept = kept_of(record(1), record(1, of=2), record(2), size_max=2 * size)
    assert names(kept) is None
    assert names(kept, of=2) == ["charge 1"]


def test_records_are_decoded_anew_when_too_many_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("processor.kept_records._DECODED_SIZE_MAX", 3 * len(record(1).value))
    kept = kept_of(*[record(number, of=number) for number in range(1, 10)])
    for _ in range(2):
        assert [names(kept, of=number) for number in range(1, 10)] == [[f"charge {number}"] for number in range(1, 10)]
        assert len(kept._decoded) == 3


@pytest.mark.parametrize("keeps_records", [True, False])
def test_a_finite_run_shows_its_traces_only_if_it_was_asked_to_keep_its_records(keeps_records: bool) -> None:
    log = Log(rules(NEEDS_CHECK))
    log.append(0, span("charge", 1))
    log.append(1, span("other", 2))
    run = FiniteRun(engine_for(log.rule_set), keeps_records=keeps_records)
    run.take(log.records)
    outcome = run.finish()
    view = outcome.view(trace_id())
    assert len(outcome.records) == 1
    assert (None if view is None else len(view.spans)) == (2 if keeps_records else None)


def test_traces_move_from_and_to_an_engine_that_keeps_records_as_from_and_to_any_other() -> None:
    rule_set = rules(NEEDS_CHECK)
    keeping, other = KeepingEngine(engine_for(rule_set), KeptRecords(10)), engine_for(rule_set)
    (touch,) = keeping.take(0, batch_of([record(1)]), TakePolicy(10)).touches
    states = keeping.export_many([touch.handle])
    assert keeping.layout == other.layout
    assert keeping.memory_bytes == pytest.approx(keeping.engine.memory_bytes, rel=0.1)
    (there,), (back,) = other.load_many(0, states), keeping.load_many(1, states)
    assert keeping.facts(back) == keeping.facts(touch.handle) == other.facts(there)
