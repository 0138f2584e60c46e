"""The worker on real brokers: what it says of the recorded shop equals what a finite run says, also when it is killed in the middle."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from compiler import compile_sources
from loadtest.worker_process import WorkerEndedError
from processor.finite import FiniteOutcome, judge_finite
from processor.reference_traces import ReferenceTraceEngine
from processor.rule_directory import read_sources
from tests.captured import captured
from tests.e2e.stage import RULES, last_revisions, substance, wait_for
from tests.trace_engines import ENGINES
from topics.cloudevents import read_event
from topics.recordings import SHOP_PROTO_KEYED

if TYPE_CHECKING:
    from loadtest.worker_process import Worker
    from tests.e2e.stage import Stage


@cache
def finite() -> FiniteOutcome:
    rule_set = compile_sources(read_sources(RULES)).rule_set
    assert rule_set is not None
    return judge_finite(captured(SHOP_PROTO_KEYED), ReferenceTraceEngine(rule_set))


def _expected() -> dict[str, dict[str, object]]:
    return {record.id: substance(record) for record in finite().records}


def _read_all(worker: Worker) -> None:
    count = len(captured(SHOP_PROTO_KEYED))
    # Every partition begins at offset 0, so the positions add up to what was read, be it by this worker or the one before it.
    wait_for(f"reading {count} records", lambda: worker.metric("betrace_position") >= count, worker)


@pytest.mark.parametrize("engine_name", ENGINES)
def test_the_worker_says_what_a_finite_run_says(engine_name: str, stage: Stage) -> None:
    worker = stage.start(drains_on_stop=True, engine=engine_name)
    stage.play(captured(SHOP_PROTO_KEYED))
    _read_all(worker)
    assert worker.get("/readyz")[0] == 200
    assert worker.get("/healthz")[0] == 200
    assert worker.stop() == 0, worker.log()
    said = stage.violations()
    assert {key: substance(record) for key, record in last_revisions(said).items()} == _expected()
    assert {record.rule.id for record in said} == {rule for rule, counts in finite().counts.items() if counts.violated}


def test_every_violation_is_a_cloud_event_keyed_by_its_trace(stage: Stage) -> None:
    worker = stage.start(drains_on_stop=True)
    stage.play(captured(SHOP_PROTO_KEYED))
    _read_all(worker)
    worker.stop()
    records = stage.read(stage.violations_topic)
    assert records
    for found in records:
        body = json.loads(found.value)
        event = read_event(found.headers)
        assert event is not None
        assert found.key == body["trace"]["id"].encode()
        assert (event.id, event.time) == (f"{body['id']}.{body['revision']}", body["decided_at"])


def test_a_worker_killed_in_the_middle_loses_nothing_and_says_the_same_violations(stage: Stage) -> None:
    records = captured(SHOP_PROTO_KEYED)
    half = len(records) // 2
    # Traces close while the test plays, so that some violations are said before the kill and some after it.
    first = stage.start(root_grace_s=1, idle_timeout_s=5)
    stage.play(records[:half])
    wait_for("a violation", lambda: first.metric("betrace_violations_total") >= 3, first)
    wait_for("reading", lambda: first.metric("betrace_records_read_total") >= half, first)
    stage.play(records[half : half + 500])
    first.kill()
    before = {record.id for record in stage.violations()}
    assert before
    second = stage.start(root_grace_s=1, idle_timeout_s=5, drains_on_stop=True)
    stage.play(records[half + 500 :])
    _read_all(second)
    assert second.stop() == 0, second.log()
    said = last_revisions(stage.violations())
    assert {key: substance(record) for key, record in said.items()} == _expected()
    assert before <= {record.id for record in stage.violations()}


def test_a_record_that_cannot_be_read_becomes_a_dead_letter_and_the_rest_is_judged(stage: Stage) -> None:
    records = captured(SHOP_PROTO_KEYED)[:50]
    broken = [replace(record, value=record.value[: len(record.value) // 2]) for record in records[:3]]
    worker = stage.start(drains_on_stop=True)
    stage.play([*broken, *records])
    wait_for("reading", lambda: worker.metric("betrace_records_read_total") >= 53, worker)
    assert worker.stop() == 0
    letters = stage.read(stage.dead_letters_topic)
    assert len(letters) == 3
    assert {letter.value for letter in letters} == {record.value for record in broken}
    assert all("betrace_dead_reason" in dict(letter.headers) for letter in letters)


def test_a_worker_with_rules_that_do_not_compile_ends_at_once_and_says_why(stage: Stage, tmp_path: Path) -> None:
    rules = tmp_path / "broken"
    rules.mkdir()
    (rules / "rules.yaml").write_text("rules:\n  - id: a\n    rule: always { charge and }\n")
    with pytest.raises(WorkerEndedError, match=r"ended with 2:[^$]*rules\.yaml:3:"):
        stage.start(rules=rules)
