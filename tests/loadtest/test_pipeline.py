"""Workers are measured on Apache Kafka and a store: tiny amounts of the real thing, and refused where they say something else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from loadtest import __main__ as command
from loadtest import checkpoint_cost, collector, consumption, half_load, latency, pipeline_benchmark, recovery_times, report, soak
from loadtest.agreement import DisagreementError
from loadtest.consumption import Load, NotMeasuredError, consume, judge, preload
from loadtest.half_load import Trial
from loadtest.kafka_broker import VERSION
from loadtest.loops import NS
from loadtest.pipeline_benchmark import TIMES_BARE, TIMES_COLLECTOR, TIMES_ONE, PipelineEffort, PipelineRun
from loadtest.pipeline_stage import Stage, pipeline_stage
from loadtest.pipeline_work import PipelineWork, recorded_shop
from loadtest.rows import KEYED, Row
from loadtest.soak import SoakEffort
from tests.e2e.brokers import skipping_without_kafka

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with skipping_without_kafka(pipeline_stage) as found:
        yield found


@pytest.fixture(scope="module")
def shop() -> PipelineWork:
    return PipelineWork(200)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> PipelineRun:
    """A benchmark with tiny amounts, whose rows are measured one by one."""
    monkeypatch.setattr(pipeline_benchmark, "QUICK", PipelineEffort(1, 40_000, 40_000, 0, 8, 4, 6, 1))
    return PipelineRun(quick=True)


def positive(rows: list[Row]) -> bool:
    return all(row.figure is not None and row.figure > 0 for row in rows)


def test_one_worker_and_two_are_measured_beside_bare_clients(stage: Stage, shop: PipelineWork, run: PipelineRun) -> None:
    per_s = run._ten_spans(stage, shop.ten_spans())
    assert [(row.row, row.unit) for row in run.rows] == [
        *((4, "spans/s"), (4, "spans/CPU-s"), (4, TIMES_BARE), (4, TIMES_BARE)),
        *((6, TIMES_ONE), (6, TIMES_ONE), (6, TIMES_ONE)),
    ]
    assert positive(run.rows)
    assert run.rows[0].figure == pytest.approx(10 * per_s)
    assert run.rows[2].figure is not None
    assert run.rows[2].figure < 1
    assert len({(row.row, row.name) for row in run.rows}) == len(run.rows)


def test_the_keyed_recording_has_no_figure_beside_a_collector_that_is_not_there(
    stage: Stage, run: PipelineRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OTELCOL", raising=False)
    work = recorded_shop(3)
    assert len(work.rules.violated) == work.rules.fired == 3
    assert work.facts.spans_per_record == pytest.approx(1.9, abs=0.1)
    run._keyed(stage, work, KEYED)
    assert [row.unit for row in run.rows] == ["records/s", "records/CPU-s", TIMES_BARE, TIMES_BARE, TIMES_COLLECTOR]
    assert positive(run.rows[:-1])
    assert (run.rows[-1].figure, run.rows[-1].compared_with) == (None, "no figure: $OTELCOL names no Collector")


def test_copies_of_the_recording_that_overlap_are_judged_by_all_rules_as_it_was(stage: Stage) -> None:
    work = recorded_shop()
    judge(stage, preload(stage, work, 2, work.loop.pieces[-1].offset_ns // 2), 1)


def test_records_that_were_read_before_anybody_looked_have_no_figure(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumption, "_SEEN_MIN", 1.1)
    with pytest.raises(NotMeasuredError, match="records were left once the workers were warm: too few for a figure"):
        consume(stage, preload(stage, recorded_shop(3), 1, NS), 1)


def test_a_worker_that_says_something_else_than_the_reference_engine_is_refused(stage: Stage, shop: PipelineWork) -> None:
    work = shop.ten_spans()
    load = preload(stage, replace(work, loop=work.loop.paced(NS // 1000)), 2, NS)
    trace = next(number for number, rules in work.expected.violated.items() if not rules)
    wrong = replace(work.expected, violated={**work.expected.violated, trace: frozenset({"named-10-0001"})})
    with pytest.raises(DisagreementError, match="expected are"):
        judge(stage, Load(replace(work, expected=wrong), load.topic, load.copy_count, load.rules), 1)


def test_a_collector_that_ends_is_told_by_its_last_words(stage: Stage, shop: PipelineWork, tmp_path: Path) -> None:
    program = tmp_path / "collector"
    program.write_text('#!/bin/sh\necho "no such receiver: $TOPIC"\nexit 3\n')
    program.chmod(0o755)
    load = Load(shop.ten_spans(), "some-topic", 1, tmp_path)
    with pytest.raises(NotMeasuredError, match=r"(?s)\(3\).*no such receiver: some-topic"):
        collector.spans_per_cpu_second(stage, load, str(program))


def test_checkpoints_are_measured_against_none(stage: Stage, shop: PipelineWork) -> None:
    work = shop.changing(6, NS // 2, 100)
    assert {piece.span_count for piece in work.loop.pieces} == {1}
    for checkpoints in (True, False):
        assert checkpoint_cost.cpu_per_record(stage, work, 1_000, NS // 2, checkpoints=checkpoints) > 0


def test_latency_is_taken_of_early_verdicts_and_of_those_at_close(stage: Stage, shop: PipelineWork) -> None:
    found = latency.latencies(stage, shop.ten_spans(), 300, 8)
    assert found.fed.record_count == 2_400
    assert min(found.early_s) > 0
    # Nothing is said before its trace closes, but for the millisecond to which stamps are cut.
    assert min(found.close_s) > -0.01


def test_half_of_what_a_worker_bears_is_that_of_alone_or_of_what_it_reads_beside_its_feed(
    stage: Stage, shop: PipelineWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = Trial(8, latency.LATENCY_SETTINGS)
    # In so short a time it is not known to a twentieth: a worker says where it stands once a second.
    for keeps_up, borne in ((0.5, 300), (2, pytest.approx(150, rel=0.4))):
        monkeypatch.setattr(half_load, "_KEEPS_UP", keeps_up)
        assert half_load.half_load(stage, shop.ten_spans(), 600, trial) == borne


def test_partitions_of_a_killed_worker_are_judged_again(stage: Stage, shop: PipelineWork, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery_times, "_SETTLE_S", 3.0)
    found = recovery_times.silences(stage, shop, 500)
    assert 0 <= found.recovery_s < 60
    assert 0 < found.joining_s < 60
    assert 0 < found.leaving_s < 60
    assert found.open_count >= 500


@pytest.mark.usefixtures("stage")  # where the parts cannot be had, it is skipped as the others are
def test_the_soak_prints_one_object_and_says_by_its_status_whether_bars_hold(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    monkeypatch.setattr(soak, "QUICK", SoakEffort(20, 20_000, 0, 8))
    done = CliRunner().invoke(command.loadtest, ["soak", "--quick", "--output", "json"], catch_exceptions=False)
    assert done.exit_code != 2, done.stderr
    printed = json.loads(done.stdout)
    assert list(printed)[:4] == ["machine", "commit", "versions", "rows"]
    assert printed["quick"] is True
    assert printed["versions"]["kafka"] == VERSION
    assert [(row["row"], row["unit"]) for row in printed["rows"]] == [(15, "%"), (15, "%"), (15, "partitions"), (15, "MiB")]
    assert done.exit_code == (1 if any(row["holds"] is False for row in printed["rows"]) else 0)
    [kept] = tmp_path.iterdir()
    assert len(json.loads(kept.read_bytes())["measurements"][0]["resident_mib"]) >= 10
