"""The machine-readable forms of `betrace check`, each against what its readers expect."""

from __future__ import annotations

import json
import time
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from rich.console import Console

from cli.check_formats import FORMATS
from cli.check_text import print_outcome
from compiler import RuleSet, SourceFile, compile_sources
from processor.finite import FiniteOutcome, judge_finite
from processor.inputs import read_inputs
from processor.reference_traces import ReferenceTraceEngine
from tests.cli.run import document, run, span, written

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "reference" / "violation.schema.json").read_text())
FOUR_RULES = """
rules:
  - {id: broken, severity: high, rule: "never { charge }"}
  - {id: shadowed, mode: shadow, rule: "never { charge.where(amount > 10) }"}
  - {id: kept, severity: low, rule: "when { charge } always { checkout }"}
  - {id: elsewhere, rule: "when { refund } always { checkout }"}
  - {id: asleep, enabled: false, rule: "never { charge }"}
"""
# What SARIF 2.1.0 requires of the parts that are written (sections 3.13, 3.14, 3.19, 3.27, 3.28, 3.33, 3.35, 3.49).
SARIF: dict[str, Any] = {
    "type": "object",
    "required": ["version", "runs"],
    "additionalProperties": False,
    "properties": {
        "$schema": {"type": "string", "format": "uri"},
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["tool"],
                "additionalProperties": False,
                "properties": {"tool": {"$ref": "#/$defs/tool"}, "results": {"type": "array", "items": {"$ref": "#/$defs/result"}}},
            },
        },
    },
    "$defs": {
        "level": {"enum": ["none", "note", "warning", "error"]},
        "message": {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}},
        "tool": {
            "type": "object",
            "required": ["driver"],
            "properties": {
                "driver": {
                    "type": "object",
                    "required": ["name"],
                    "properties": {"rules": {"type": "array", "uniqueItems": True, "items": {"$ref": "#/$defs/rule"}}},
                }
            },
        },
        "rule": {
            "type": "object",
            "required": ["id"],
            "additionalProperties": False,
            "properties": {
                "id": {"type": "string"},
                "shortDescription": {"$ref": "#/$defs/message"},
                "fullDescription": {"$ref": "#/$defs/message"},
                "defaultConfiguration": {"type": "object", "properties": {"level": {"$ref": "#/$defs/level"}}},
            },
        },
        "result": {
            "type": "object",
            "required": ["message"],
            "additionalProperties": False,
            "properties": {
                "ruleId": {"type": "string"},
                "ruleIndex": {"type": "integer", "minimum": 0},
                "level": {"$ref": "#/$defs/level"},
                "message": {"$ref": "#/$defs/message"},
                "partialFingerprints": {"type": "object", "additionalProperties": {"type": "string"}},
                "locations": {"type": "array", "items": {"$ref": "#/$defs/location"}},
                "suppressions": {
                    "type": "array",
                    "items": {"type": "object", "required": ["kind"], "properties": {"kind": {"enum": ["inSource", "external"]}}},
                },
                "properties": {"type": "object"},
            },
        },
        "location": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "physicalLocation": {
                    "type": "object",
                    "required": ["artifactLocation"],
                    "properties": {
                        "artifactLocation": {"type": "object", "properties": {"uri": {"type": "string", "pattern": r"^[!-~]+$"}}},
                        "region": {"type": "object", "properties": {"startLine": {"type": "integer", "minimum": 1}}},
                    },
                },
                "logicalLocations": {
                    "type": "array",
                    "uniqueItems": True,
                    "items": {
                        "type": "object",
                        "properties": {
                            "name": {"type": "string"},
                            "fullyQualifiedName": {"type": "string"},
                            "kind": {"type": "string"},
                        },
                    },
                },
            },
        },
    },
}


@pytest.fixture
def found(tmp_path: Path) -> dict[str, str]:
    """What each form says of two traces: one breaks a rule, one breaks that and the shadowed one."""
    rules = written(tmp_path, "the rules.yaml", FOUR_RULES)
    first = document(span(1, "checkout", 0, 9, trace_id="a" * 32), span(2, "charge", 1, 2, parent=1, amount=5, trace_id="a" * 32))
    second = document(span(3, "checkout", 0, 9, trace_id="b" * 32), span(4, "charge", 1, 2, parent=3, amount=50, trace_id="b" * 32))
    trace = written(tmp_path, "trace.json", first + "\n" + second)
    results = {form: run("check", trace, "--rules", rules, "-o", form) for form in FORMATS}
    assert {result.exit_code for result in results.values()} == {1}
    return {form: result.stdout for form, result in results.items()}


def test_json_has_exactly_the_promised_members(found: dict[str, str]) -> None:
    body = json.loads(found["json"])
    assert list(body) == ["rules", "violations", "unseen", "refused"]
    assert [tuple(rule.values()) for rule in body["rules"]] == [
        ("broken", 2, 0, 2, 0, 0),
        ("shadowed", 2, 1, 1, 0, 0),
        ("kept", 2, 2, 0, 0, 0),
        ("elsewhere", 0, 0, 0, 0, 0),
    ]
    assert {tuple(rule) for rule in body["rules"]} == {("id", "applicable", "satisfied", "violated", "excused", "inconclusive")}
    assert body["refused"] == []


def test_ndjson_has_the_records_of_json_one_a_line_and_each_is_valid(found: dict[str, str]) -> None:
    records = [json.loads(line) for line in found["ndjson"].splitlines()]
    assert records == json.loads(found["json"])["violations"]
    assert len({record["id"] for record in records}) == len(records) == 3
    for record in records:
        jsonschema.validate(record, SCHEMA, cls=jsonschema.Draft202012Validator)


def test_junit_counts_cases_failures_and_skips_and_fails_nothing_for_shadow(found: dict[str, str]) -> None:
    root = ET.fromstring(found["junit"].encode())  # noqa: S314  # our own output
    assert root.tag == "testsuites"
    (suite,) = root
    assert {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "4",
        "failures": "1",
        "errors": "0",
        "skipped": "1",
    }
    assert [(case.get("name"), [child.tag for child in case]) for case in suite] == [
        ("broken", ["failure", "failure"]),
        ("shadowed", ["system-out"]),
        ("kept", []),
        ("elsewhere", ["skipped"]),
    ]
    message = suite[0][0].get("message") or ""
    assert message.startswith("trace ")
    assert message.endswith("violates broken (never): charge")


def test_sarif_has_what_the_standard_requires(found: dict[str, str]) -> None:
    log = json.loads(found["sarif"])
    jsonschema.validate(log, SARIF, cls=jsonschema.Draft202012Validator)
    (ran,) = log["runs"]
    rules = ran["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == ["broken", "shadowed", "kept", "elsewhere"]
    assert all(rules[result["ruleIndex"]]["id"] == result["ruleId"] for result in ran["results"])
    assert len({result["partialFingerprints"]["violationId/v1"] for result in ran["results"]}) == len(ran["results"]) == 3
    assert [(result["ruleId"], "suppressions" in result) for result in ran["results"] if result["ruleId"] == "shadowed"] == [
        ("shadowed", True)
    ]
    assert {result["level"] for result in ran["results"] if result["ruleId"] == "broken"} == {"error"}
    uri = ran["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri.startswith("file:///")
    assert uri.endswith("/the%20rules.yaml")


def test_a_sarif_uri_is_relative_where_the_name_of_the_rules_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rules").mkdir()
    written(tmp_path / "rules", "a b.yaml", FOUR_RULES)
    trace = written(tmp_path, "trace.json", document(span(2, "charge", 1, 2)))
    monkeypatch.chdir(tmp_path)
    log = json.loads(run("check", trace, "--rules", "rules", "-o", "sarif").stdout)
    place = log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert place == {"artifactLocation": {"uri": "rules/a%20b.yaml"}, "region": {"startLine": 3}}


def test_what_is_refused_is_said_on_stderr_where_the_form_has_no_place_for_it(tmp_path: Path) -> None:
    rules = written(tmp_path, "rules.yaml", FOUR_RULES)
    spans = (span(1, "charge", 0, 9), span(2, "charge", 0, 9) | {"spanId": "zz"}, span(3, "charge", 0, 9) | {"traceId": ""})
    trace = written(tmp_path, "trace.json", document(*spans))
    for form in ("ndjson", "junit", "sarif"):
        said = run("check", trace, "--rules", rules, "-o", form).stderr
        assert "refused: 1 span_without_trace_id" in said
        assert len([line for line in said.splitlines() if not line.startswith("note: ")]) == 2
    assert run("check", trace, "--rules", rules, "-o", "json").stderr == ""


HOSTILE = "a\x00\x07\x1b[31m\x7f\x9b2J\u202e\u2066\u2028\ufffe]]>&<\"'\n\r\tz"


@pytest.mark.parametrize("form", [*FORMATS, "text"])
def test_no_name_of_a_trace_breaks_a_form_or_reaches_the_terminal_as_control(form: str, tmp_path: Path) -> None:
    rules = written(tmp_path, "rules.yaml", 'rules:\n  - {id: a, evidence: [note, color], rule: "never { span.where(note exists) }"}\n')
    hostile = span(1, HOSTILE, 0, 9)
    hostile["attributes"] = [{"key": "note", "value": {"stringValue": HOSTILE}}]
    trace = written(tmp_path, "trace.json", document(hostile, service=HOSTILE))
    result = run("check", trace, "--rules", rules, "-o", form)
    assert result.exit_code == 1
    assert not set(result.stdout) & {chr(code) for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}
    if form == "junit":
        ET.fromstring(result.stdout.encode())  # noqa: S314  # our own output
    elif form == "ndjson":
        assert json.loads(result.stdout)["offenders"][0]["name"] == HOSTILE
    elif form != "text":
        assert HOSTILE in _texts(json.loads(result.stdout))


def _texts(value: object) -> set[str]:
    if isinstance(value, str):
        return {value}
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return {text for part in parts for text in _texts(part)}


@pytest.fixture(scope="module")
def thousands(tmp_path_factory: pytest.TempPathFactory) -> tuple[FiniteOutcome, RuleSet]:
    """Six thousand violations in three thousand traces."""
    rules = compile_sources([SourceFile("rules.yaml", FOUR_RULES.encode())]).rule_set
    assert rules is not None
    spans = [
        one
        for number in range(1, 3_001)
        for one in (
            span(2 * number, "root", 0, 9, trace_id=f"{number:032x}"),
            span(2 * number + 1, "charge", 1, 2, parent=2 * number, trace_id=f"{number:032x}", amount=5),
        )
    ]
    file = written(tmp_path_factory.mktemp("thousands"), "in.json", document(*spans))
    outcome = judge_finite(read_inputs([str(file)]), ReferenceTraceEngine(rules), keeps_records=True)
    assert len(outcome.records) == 6_000
    return outcome, rules


@pytest.mark.parametrize("form", FORMATS)
def test_thousands_of_violations_are_written_in_seconds(form: str, thousands: tuple[FiniteOutcome, RuleSet]) -> None:
    began = time.monotonic()
    assert FORMATS[form](*thousands).count("00bb8") >= 2  # the last trace, in both of its violations
    assert time.monotonic() - began < 10


def test_thousands_of_violations_are_explained_in_seconds(
    thousands: tuple[FiniteOutcome, RuleSet], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    began = time.monotonic()
    with (tmp_path / "out").open("w") as out:
        monkeypatch.setattr("cli.check_text.stdout_console", lambda: Console(file=out, width=140))
        print_outcome(*thousands)
    assert (tmp_path / "out").read_text().count("✗") == 6_000
    assert time.monotonic() - began < 20
