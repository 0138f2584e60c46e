"""A report has the shape that was agreed, says what was missed, and is kept."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from compiler import RuleSet
from loadtest import __main__ as command
from loadtest import compile_beside, phase_profile, report, workloads
from loadtest.candidates import CANDIDATES, REFERENCE
from loadtest.corpora.corpus import Form, enough, written
from loadtest.corpora.shop_traces import shop_traces
from loadtest.corpora.wire import Layout
from loadtest.engine_benchmark import EngineRun
from loadtest.machine import machine
from loadtest.measured import Judge
from loadtest.measuring import Contestant, Effort, Timings, timed
from loadtest.phase_profile import Profile
from loadtest.report import Report, as_text, read_baseline
from loadtest.rows import COMPILE, FEW_RULES, PAUSE, Row
from loadtest.rule_sample import sampled
from loadtest.rule_writing import compiled, rule_file

ROW_KEYS = ["row", "name", "figure", "unit", "bar", "goal", "holds", "runs", "compared_with"]


@dataclass(frozen=True)
class Small:
    """The reference engine on so few spans that a test can wait for it."""

    name: str = "reference"
    span_count: int = 600
    quick_span_count: int = 600

    def start(self, rule_set: RuleSet, *, timed: bool = False) -> Judge:
        return REFERENCE.start(rule_set, timed=timed)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A benchmark small enough for a test, that keeps its files in the folder returned."""
    monkeypatch.setitem(CANDIDATES, REFERENCE.name, Small())
    monkeypatch.setattr(compile_beside, "RULE_COUNT", 20)
    monkeypatch.setattr(workloads, "DEEP_TRACE", 300)
    monkeypatch.setattr(EngineRun, "effort", Effort(1, 0.0, 0.0, 1))
    monkeypatch.setattr(workloads, "DRAWN_COUNT", 60)
    monkeypatch.setattr(report, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(report, "BASELINES", tmp_path / "baselines")
    return tmp_path


@pytest.mark.slow
def test_the_json_is_one_object_of_the_agreed_shape_and_a_missed_bar_is_status_one(small: Path) -> None:
    done = CliRunner().invoke(
        command.loadtest, ["engine", "--quick", "--engine", "reference", "--output", "json", "--baseline"], catch_exceptions=False
    )
    printed = json.loads(done.stdout)
    assert done.exit_code == 1
    assert list(printed)[:4] == ["machine", "commit", "versions", "rows"]
    assert {row["row"] for row in printed["rows"]} == {1, 2, 3, 10, 11, 12, 13}
    evidence = [row for row in printed["rows"] if "evidence" in row["name"]]
    assert [(row["row"], row["unit"], row["bar"], row["holds"]) for row in evidence] == [
        *((1, "µs", None, True), (10, "B", None, True), (10, "B", None, True), (13, "µs", None, True))
    ]
    assert all(row["figure"] > 0 for row in evidence)
    assert all(list(row) == ROW_KEYS for row in printed["rows"])
    assert all(isinstance(row["figure"], float) and isinstance(row["holds"], bool) for row in printed["rows"])
    assert printed["quick"] is True
    assert {corpus["layout"] for corpus in printed["corpora"]} == {"collector layout", "ascending layout"}
    assert all(rules["fired"] > 0 for rules in printed["rules"])
    [kept] = (small / "results").iterdir()
    assert json.loads(kept.read_bytes())["measurements"]
    baseline = read_baseline("engine", "reference", small / "baselines")
    assert baseline == {(row["row"], row["name"]): row["figure"] for row in printed["rows"]}
    assert read_baseline("engine", "other", small / "baselines") == {}


def test_a_profile_says_where_the_time_of_a_span_goes(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Phases and the rest are the whole; nothing is kept."""
    monkeypatch.setattr(phase_profile, "PROFILED_NS", 1)
    done = CliRunner().invoke(command.loadtest, ["profile", "--quick", "--engine", "reference", "-o", "json"], catch_exceptions=False)
    printed = json.loads(done.stdout)
    assert list(printed) == ["machine", "commit", "versions", "engine", "quick", "profiles"]
    assert [one["workload"].split(";")[0] for one in printed["profiles"]][:2] == ["10 rules", "200 rules"]
    for one in printed["profiles"]:
        assert set(one["phases"]) == {"decode", "judge"}
        assert 0.5 * one["timed"] < sum(one["phases"].values()) <= one["timed"]
        assert one["c_parser"] < one["untimed"]
    assert list(small.iterdir()) == []


def test_the_text_of_a_profile_has_the_longest_phase_first_and_the_rest_last() -> None:
    lines = list(Profile("ten", {"decode": 60.0, "judge": 130.0}, 200.0, 180.0, 50.0).as_text())
    assert [" ".join(line.split()) for line in lines] == [
        "ten",
        "180.0 ns a span (200.0 with its phases timed); the C parser takes 50.0",
        "130.0 65.0% judge",
        "60.0 30.0% decode",
        "10.0 5.0% outside of any phase",
    ]


def test_the_text_holds_each_row_with_its_bar_and_baseline_the_corpora_and_the_rules() -> None:
    corpus = written("shop", enough(shop_traces(7), 200), Form.TRACES, Layout.COLLECTOR)
    rules = sampled("orders", compiled([rule_file(["always { audit.log }", "never { nothing }"], "rule")]), corpus)
    rows = [Row(1, "10 rules", 0.4321, "x C", FEW_RULES, 5, "C"), Row(11, "compile", 1.5, "s", COMPILE, 5, "traffic")]
    found = Report("engine", "reference", True, machine(), "c0ffee", {"python": "3"}, rows, [corpus.facts()], [rules], [])
    lines = list(as_text(found, {(1, "10 rules"): 0.4}))
    assert lines[0] == "engine: reference, quick, commit c0ffee"
    assert " ".join(next(line for line in lines if "MISSED" in line).split()) == "1 0.4321 0.55 0.75 0.4 x C MISSED 10 rules (5 runs)"
    assert " ".join(next(line for line in lines if " yes " in line).split()) == "11 1.5 5 2 - s yes compile (5 runs)"
    assert sum("shop, a record per trace, collector layout" in line for line in lines) == 1
    assert sum("1 of 2" in line and "orders" in line for line in lines) == 1
    assert not found.holds


@pytest.mark.parametrize(
    ("row", "holds"),
    [
        (Row(1, "fast", 0.55, "x", FEW_RULES, 5, "C"), True),
        (Row(1, "slow", 0.549, "x", FEW_RULES, 5, "C"), False),
        (Row(11, "quick", 5.0, "s", COMPILE, 5, "traffic"), True),
        (Row(11, "late", 5.1, "s", COMPILE, 5, "traffic"), False),
        (Row(11, "no bar", 1e9, "ms", PAUSE, 5, "traffic"), True),
    ],
)
def test_a_bar_holds_at_its_figure_and_on_its_better_side(row: Row, holds: bool) -> None:
    assert row.as_json()["holds"] is holds


def test_a_ratio_is_the_median_of_the_ratios_of_neighbouring_runs() -> None:
    timings = Timings({"a": [10.0, 10.0, 30.0], "b": [20.0, 30.0, 30.0]})
    assert timings.times_as_fast("a", "b") == 2.0
    assert timings.run_count == 3


def test_contestants_are_warm_before_they_run_in_turns() -> None:
    order: list[str] = []
    contestants = {name: Contestant(lambda name=name: order.append(name), 1) for name in "ab"}  # type: ignore[misc]  # bound early
    timed(contestants, Effort(2, 0.0, 0.0, 1))
    assert order == ["a", "b"] * 3
