"""`betrace check`: what it reads, what it says, and how it ends."""

from __future__ import annotations

import gzip
import json
import xml.etree.ElementTree as ET
from pathlib import Path

import jsonschema
import pytest

from cli.shop_rules import SHOP_RULES
from compiler import RuleSet
from processor.engines import EngineName, make_engine
from processor.lua_traces import LuaTraceEngine
from processor.trace_engine import TraceEngine
from tests.cli.run import COMPLIANT, NEEDS_CHECK, VIOLATING, document, run, span, written
from topics.recordings import SHOP_PROTO_KEYED, recording

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "reference" / "violation.schema.json").read_text())


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    return written(tmp_path, "rules.yaml", NEEDS_CHECK)


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    return written(tmp_path, "trace.json", VIOLATING)


def test_a_violation_is_explained_with_clause_offenders_and_evidence(rules: Path, trace: Path) -> None:
    result = run("check", trace, "--rules", rules)
    assert result.exit_code == 1
    assert "needs-check  critical  trace 4bf92f3577b34da6a3ce929d0e0e4736  checkout" in result.output
    assert "did not hold: always { check before charge }" in result.output
    assert "1 offender of 3 spans" in result.output
    assert next(line for line in result.output.splitlines() if line.startswith("  » ")).split()[1:3] == ["shop", "charge"]
    assert "charge: amount=5000" in result.output
    assert "1 record, 3 spans, 1 trace: 1 violation" in result.output


def _said(folder: Path, rule: str, *spans: dict[str, object], keys: str = "") -> list[str]:
    """Judge one trace by one rule; return the lines of the first violation."""
    rules = written(folder, "one.yaml", f"rules:\n  - id: one\n{keys}    rule: |\n      {rule}\n")
    return run("check", written(folder, "one.json", document(*spans)), "--rules", rules).output.split("\n\n")[0].splitlines()


def test_values_compared_are_said_with_their_margin(tmp_path: Path) -> None:
    charges = [span(number, "charge", number, number + 1, parent=1) for number in (2, 3, 4)]
    lines = _said(tmp_path, "always { count(charge) <= 1 }", span(1, "checkout", 0, 9), *charges)
    assert "  count(charge) <= 1: 3 against 1  (margin +2)" in lines


def test_durations_compared_are_said_as_durations(tmp_path: Path) -> None:
    lines = _said(tmp_path, "always { trace:duration > 100ms }", span(1, "checkout", 0, 90))
    assert "  trace:duration > 100ms: 90ms against 100ms  (margin -10ms)" in lines


def test_a_value_that_is_missing_is_said_to_be(tmp_path: Path) -> None:
    lines = _said(tmp_path, "when { a } always { max(b.amount) > 5 }", span(1, "a", 0, 90), span(2, "b", 0, 9, parent=1))
    assert "  max(b.amount) > 5: no value against 5" in lines


def test_where_nothing_came_nobody_is_blamed(tmp_path: Path) -> None:
    lines = _said(tmp_path, "always { check }", span(1, "checkout", 0, 90))
    assert "  no span to blame: what was required never came  (1 span)" in lines


def test_equal_evidence_is_said_once_and_only_some_of_much(tmp_path: Path) -> None:
    spans = [span(number, "bad", 0, 9, amount=5) for number in range(1, 4)]
    keys = "    evidence: [amount]\n    name: Nothing bad\n    mode: shadow\n"
    lines = _said(tmp_path, "never { bad }", *spans, keys=keys)
    assert lines[0].startswith("✗ one  medium  shadow  trace ")
    assert lines[1] == "  Nothing bad"
    assert lines[-1] == "  bad: amount=5  (3 times)"
    lines = _said(tmp_path, "never { bad }", *(span(number, "bad", 0, 9, amount=number) for number in range(1, 30)), keys=keys)
    assert "  29 offenders of 29 spans, the first 16 named" in lines
    assert lines[-1] == "  … 12 more"


def test_a_compliant_trace_ends_with_status_0(rules: Path, tmp_path: Path) -> None:
    result = run("check", written(tmp_path, "ok.json", COMPLIANT), "--rules", rules)
    assert result.exit_code == 0
    assert "0 violations" in result.output


def test_json_holds_counts_violations_and_refusals(rules: Path, trace: Path, tmp_path: Path) -> None:
    written(tmp_path, "trace.json", trace.read_bytes() + b"\n{ no json")
    result = run("check", trace, "--rules", rules, "--output", "json")
    body = json.loads(result.stdout)
    assert result.exit_code == 1
    assert list(body) == ["rules", "violations", "unseen", "refused"]
    assert body["rules"] == [{"id": "needs-check", "applicable": 1, "satisfied": 0, "violated": 1, "excused": 0, "inconclusive": 0}]
    assert [one["name"] for one in body["unseen"]] == ["bypass"]
    assert body["refused"] == [{"reason": "malformed", "count": 1}]
    jsonschema.validate(body["violations"][0], SCHEMA)


def test_margins_are_shown_without_the_noise_of_their_subtraction_and_kept_in_json() -> None:
    arguments = ("check", recording(SHOP_PROTO_KEYED), "--rules", SHOP_RULES)
    margins = [part["margin"] for one in json.loads(run(*arguments, "-o", "json").stdout)["violations"] for part in one["comparisons"]]
    assert 329.63 - 299.66 in margins
    text = run(*arguments).output
    assert "329.63 against 299.66  (margin +29.97)" in text
    assert "against 299.66, margin 29.97" in run(*arguments, "-o", "junit").output


def test_ndjson_is_one_violation_record_a_line_and_nothing_else(rules: Path, trace: Path, tmp_path: Path) -> None:
    result = run("check", trace, "--rules", rules, "-o", "ndjson")
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(records) == 1
    jsonschema.validate(records[0], SCHEMA)
    assert records[0]["trace"]["close_reason"] == "drained"
    assert records[0]["input"] == {"topic": "trace.json", "partition": 0, "first_offset": 0, "last_offset": 0}
    assert run("check", written(tmp_path, "ok.json", COMPLIANT), "--rules", rules, "-o", "ndjson").stdout == ""


def test_junit_has_a_case_per_rule_and_a_failure_per_violation(rules: Path, trace: Path) -> None:
    root = ET.fromstring(run("check", trace, "--rules", rules, "-o", "junit").stdout.encode())  # noqa: S314  # our own output
    suite = root[0]
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("1", "1", "0")
    case = suite[0]
    assert case.get("name") == "needs-check"
    assert [failure.get("type") for failure in case] == ["critical"]


def test_junit_skips_a_rule_that_applied_to_no_trace(rules: Path, tmp_path: Path) -> None:
    other = written(tmp_path, "other.json", document(span(1, "other", 0, 1)))
    root = ET.fromstring(run("check", other, "--rules", rules, "-o", "junit").stdout.encode())  # noqa: S314  # our own output
    assert root[0].get("skipped") == "1"
    assert root[0][0][0].tag == "skipped"


def test_sarif_places_a_result_at_its_rule(rules: Path, trace: Path) -> None:
    log = json.loads(run("check", trace, "--rules", rules, "-o", "sarif").stdout)
    assert log["version"] == "2.1.0"
    driver, (result,) = log["runs"][0]["tool"]["driver"], log["runs"][0]["results"]
    assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"] == "needs-check"
    assert result["level"] == "error"
    assert result["locations"][0]["physicalLocation"] == {"artifactLocation": {"uri": rules.as_uri()}, "region": {"startLine": 3}}
    assert [place["name"] for place in result["locations"][0]["logicalLocations"]] == ["charge"]


def test_a_shadow_rule_is_said_and_leaves_the_status_at_0(trace: Path, tmp_path: Path) -> None:
    shadow = written(tmp_path, "shadow.yaml", NEEDS_CHECK.replace("severity: critical", "mode: shadow"))
    result = run("check", trace, "--rules", shadow)
    assert result.exit_code == 0
    assert "needs-check (shadow)" in result.output


def test_refused_rules_end_with_status_2_and_every_diagnostic(trace: Path, tmp_path: Path) -> None:
    bad = written(tmp_path, "bad.yaml", "rules:\n  - {id: a, rule: 'always { x > 1 }'}\n  - {id: b, rule: 'charge', nme: x}\n")
    result = run("check", trace, "--rules", bad)
    assert result.exit_code == 2
    for code in ("comparison-needs-attribute", "needs-always-or-never", "unknown-key"):
        assert f"[{code}]" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("content", [b"", b"\x00\xff\x12garbage", b"{ no json", b"[]"])
def test_an_input_of_which_nothing_can_be_read_ends_with_status_2(rules: Path, tmp_path: Path, content: bytes) -> None:
    result = run("check", written(tmp_path, "in.json", content), "--rules", rules)
    assert result.exit_code == 2
    assert "no input could be read" in result.stderr


@pytest.mark.parametrize("content", [COMPLIANT, VIOLATING])
def test_a_missing_input_beside_others_is_named_and_ends_with_status_2_after_they_were_judged(
    rules: Path, tmp_path: Path, content: str
) -> None:
    trace, missing = written(tmp_path, "trace.json", content), tmp_path / "none.json"
    assert run("check", missing, "--rules", rules).exit_code == 2
    for inputs in ((missing, trace), (trace, missing)):
        result = run("check", *inputs, "--rules", rules)
        assert result.exit_code == 2
        assert result.stderr == f"betrace: {missing}: no input could be read (unreadable)\n"
        assert "refused: 1 unreadable" in result.stdout
        assert "1 record, 3 spans, 1 trace" in result.stdout


def test_every_input_that_could_not_be_used_is_named(rules: Path, tmp_path: Path) -> None:
    good, bad = written(tmp_path, "good.json", COMPLIANT), written(tmp_path, "bad.json", "nonsense")
    result = run("check", bad, good, "-", tmp_path / "none.json", "--rules", rules, stdin=b"\x00")
    named = [line.split(": ")[1] for line in result.stderr.splitlines()]
    assert (result.exit_code, named) == (2, [str(bad), "standard input", str(tmp_path / "none.json")])


def test_an_empty_input_beside_others_is_no_failure(rules: Path, tmp_path: Path) -> None:
    good, empty = written(tmp_path, "good.json", COMPLIANT), written(tmp_path, "empty.json", "")
    assert run("check", empty, good, "--rules", rules).exit_code == 0


def test_a_file_of_a_directory_that_cannot_be_read_is_counted(rules: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    written(folder, "good.json", COMPLIANT)
    written(folder, "other.json", '{"resourceLogs": []}')
    result = run("check", folder, "--rules", rules)
    assert result.exit_code == 0
    assert "refused: 1 not_traces" in result.stdout


def test_bad_spans_are_counted_and_the_rest_is_judged(rules: Path, tmp_path: Path) -> None:
    bad = span(4, "charge", 1, 2) | {"spanId": ""}
    spans = (span(1, "checkout", 0, 9), span(2, "charge", 1, 2, parent=1, amount=5000), bad)
    result = run("check", written(tmp_path, "in.json", document(*spans)), "--rules", rules)
    assert result.exit_code == 1
    assert "refused: 1 span_without_span_id" in result.output


def test_bad_items_beside_good_ones_leave_the_status_at_0(rules: Path, tmp_path: Path) -> None:
    spans = (span(1, "a", 0, 1), span(2, "a", 0, 1) | {"spanId": ""})
    assert run("check", written(tmp_path, "in.json", document(*spans)), "--rules", rules).exit_code == 0


def test_an_input_whose_every_span_is_refused_ends_with_status_2_and_is_named(rules: Path, tmp_path: Path) -> None:
    bad = written(tmp_path, "bad.json", document(span(1, "a", 0, 1) | {"spanId": ""}))
    for inputs in ((bad,), (written(tmp_path, "good.json", COMPLIANT), bad)):
        result = run("check", *inputs, "--rules", rules)
        assert result.exit_code == 2
        assert f"betrace: {bad}: no input could be read (span_without_span_id)" in result.stderr


def test_a_trace_is_assembled_over_files_directories_and_standard_input(rules: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    written(folder, "a.json", document(span(1, "checkout", 0, 90)))
    written(folder, "b.jsonl.gz", gzip.compress(document(span(2, "charge", 10, 31, parent=1, amount=5000)).encode()))
    assert run("check", folder, "--rules", rules).exit_code == 1
    check = document(span(3, "check", 1, 5, parent=1)).encode()
    assert run("check", folder, "-", "--rules", rules, stdin=check).exit_code == 0


def test_usage_errors_end_with_status_2(rules: Path, trace: Path) -> None:
    assert run("check", trace).exit_code == 2
    assert run("check", "--rules", rules).exit_code == 2
    assert run("check", trace, "--rules", rules, "--output", "xml").exit_code == 2
    assert run("check", trace, "--rules", "/nowhere").exit_code == 2


def test_the_engine_may_be_named_by_the_environment_and_must_be_one(rules: Path, trace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def noted(name: EngineName, rule_set: RuleSet) -> TraceEngine:
        made.append(name)
        return make_engine(name, rule_set)

    monkeypatch.setattr("cli.check_command.make_engine", noted)
    run("check", trace, "--rules", rules)
    monkeypatch.setenv("BETRACE_ENGINE", "reference")
    run("check", trace, "--rules", rules)
    run("check", trace, "--rules", rules, "--engine", "luajit")
    assert made == ["luajit", "reference", "luajit"]
    assert run("check", trace, "--rules", rules, "--engine", "python").exit_code == 2


def test_a_terminal_never_sees_control_characters_of_a_trace(rules: Path, tmp_path: Path) -> None:
    evil = "\x1b[2J\x07evil\u202e\nname"
    spans = (span(1, evil, 0, 9), span(2, "charge", 1, 2, parent=1, amount=5000))
    for output in ("text", "junit", "sarif", "json", "ndjson"):
        result = run("check", written(tmp_path, "in.json", document(*spans, service="\x1b]0;x\x07")), "--rules", rules, "-o", output)
        assert result.exit_code == 1
        assert "\x1b" not in result.output
        assert "\x07" not in result.output
        assert output != "text" or "\u202e" not in result.output


@pytest.mark.parametrize("engine", EngineName)
def test_the_recorded_shop_is_judged_by_its_rules(engine: EngineName) -> None:
    result = run("check", recording(SHOP_PROTO_KEYED), "--rules", SHOP_RULES, "-o", "json", "--engine", engine)
    body = json.loads(result.stdout)
    assert result.exit_code == 1
    assert len(body["violations"]) == 48
    assert len(body["rules"]) == 20
    for record in body["violations"]:
        jsonschema.validate(record, SCHEMA)


def test_a_trace_of_50_000_spans_is_judged_on_its_first_10_000(rules: Path, tmp_path: Path) -> None:
    spans = [span(1, "checkout", 0, 90), *(span(number, "charge", 1, 2, parent=1, amount=5000) for number in range(2, 50_001))]
    result = run("check", written(tmp_path, "in.json", document(*spans)), "--rules", rules, "-o", "json")
    body = json.loads(result.stdout)
    assert body["refused"] == [{"reason": "span_limit", "count": 40_000}]
    assert body["rules"][0]["inconclusive"] == 1
    said = run("check", tmp_path / "in.json", "--rules", rules).output
    assert "refused: 40000 span_limit: Spans beyond the limit of their trace: they are not judged, the trace is incomplete." in said


def test_an_engine_out_of_memory_ends_the_check_with_status_2_and_says_so(
    rules: Path, trace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def starved(_name: EngineName, rule_set: RuleSet) -> TraceEngine:
        return LuaTraceEngine(rule_set, memory_max_bytes=2**18)

    monkeypatch.setattr("cli.check_command.make_engine", starved)
    result = run("check", trace, "--rules", rules)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "betrace: the engine is out of memory: its 0.25 MiB do not suffice\n"
