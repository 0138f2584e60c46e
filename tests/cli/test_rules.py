"""`betrace rules check` and `betrace rules test`."""

from __future__ import annotations

import json
from pathlib import Path

from cli.shop_rules import SHOP_RULES
from tests.cli.run import NEEDS_CHECK, run, written

TESTS = """    tests:
      - name: a charge without a check
        trace: |
          checkout  0ms..90ms
            charge  1ms..9ms  amount=5000
        expect: violated
        offenders: [charge]
      - name: a check that comes late
        trace: |
          checkout  0ms..90ms
            charge  1ms..9ms  amount=5000
            check   20ms..21ms  arrives=7s
        expect: {4s: unknown, 6s: violated}
"""


def test_rules_without_errors_end_with_status_0_warnings_included(tmp_path: Path) -> None:
    result = run("rules", "check", written(tmp_path, "a.yaml", NEEDS_CHECK))
    assert result.exit_code == 0
    assert "a.yaml:3:9: warning: the rule has no tests [no-tests]" in result.output
    assert result.output.splitlines()[-1] == "1 rule checked, 0 errors, 1 warning"


def test_an_error_is_shown_in_its_line_with_a_caret_and_a_hint(tmp_path: Path) -> None:
    bad = written(tmp_path, "a.yaml", "rules:\n  - id: a\n    rule: |\n      always { charge.amount = 5 }\n")
    result = run("rules", "check", bad)
    assert result.exit_code == 1
    assert f"{bad}:4:30: error: unexpected `=`" in result.output
    assert "  4 |       always { charge.amount = 5 }\n    |                              ^\n  hint: equality is `==`" in result.output
    assert result.output.splitlines()[-1] == "refused: 1 error, 1 warning"


def test_a_directory_is_one_set_over_all_its_files(tmp_path: Path) -> None:
    written(tmp_path, "a.yaml", NEEDS_CHECK)
    written(tmp_path, "b.yml", NEEDS_CHECK)
    result = run("rules", "check", tmp_path)
    assert result.exit_code == 1
    assert "[duplicate-id]" in result.output


def test_json_holds_reports_and_diagnostics(tmp_path: Path) -> None:
    body = json.loads(run("rules", "check", written(tmp_path, "a.yaml", NEEDS_CHECK), "-o", "json").stdout)
    assert body["accepted"] is True
    assert body["rules"][0]["class"] == "early violation"
    assert body["rules"][0]["demand"] == ["attribute amount", "attribute amount (evidence)", "span:endTime", "span:name", "span:startTime"]
    assert [(found["code"], found["severity"], found["line"]) for found in body["diagnostics"]] == [("no-tests", "warning", 3)]


def test_a_report_says_what_a_rule_reads_when_it_decides_and_what_it_keeps(tmp_path: Path) -> None:
    result = run("rules", "check", written(tmp_path, "a.yaml", NEEDS_CHECK), "--report")
    assert "  class: early violation\n  reads: attribute amount, " in result.output
    assert "\n  state: " in result.output


def test_json_of_refused_rules_says_so(tmp_path: Path) -> None:
    result = run("rules", "check", written(tmp_path, "a.yaml", "rules: [{id: a, rule: charge}]"), "-o", "json")
    body = json.loads(result.stdout)
    assert result.exit_code == 1
    assert (body["accepted"], body["fingerprint"], body["rules"]) == (False, None, [])
    assert "needs-always-or-never" in {found["code"] for found in body["diagnostics"]}


def test_offenders_missing_and_not_expected_are_named(tmp_path: Path) -> None:
    wrong = TESTS.replace("offenders: [charge]", "offenders: [check]")
    output = run("rules", "test", written(tmp_path, "a.yaml", NEEDS_CHECK + wrong)).output
    assert "    verdict: violated\n  - offenders: expected [check]\n  + offenders: got      [charge]\n" in output
    assert "    missing: [check]\n    not expected: [charge]\n  why:\n    needs-check: violated  trace " in output
    assert "\n          check: false\n              there is no `check` in this trace\n1 passed, 1 failed\n" in output


def test_a_name_that_another_test_of_the_files_has_is_not_misspelt(tmp_path: Path) -> None:
    rule = (
        "rules:\n  - id: {}\n    rule: |\n      always {{ authorise }}\n    tests: [{{name: t, trace: '{} 0ms..5ms', expect: satisfied}}]\n"
    )
    written(tmp_path, "a.yaml", rule.format("a", "authorize"))
    assert "did you mean `authorize`?" in run("rules", "test", tmp_path / "a.yaml").output
    written(tmp_path, "b.yaml", rule.format("b", "authorise"))
    assert "there is no `authorise` in this trace" in run("rules", "test", tmp_path).output


def test_nothing_to_read_ends_with_status_2(tmp_path: Path) -> None:
    for command in ("check", "test"):
        assert run("rules", command, tmp_path).exit_code == 2
        assert run("rules", command, tmp_path / "none.yaml").exit_code == 2


def test_tests_that_pass_end_with_status_0(tmp_path: Path) -> None:
    result = run("rules", "test", written(tmp_path, "a.yaml", NEEDS_CHECK + TESTS))
    assert result.exit_code == 0, result.output
    assert result.output == "2 passed, 0 failed\n"


def test_a_test_that_fails_shows_expected_beside_actual(tmp_path: Path) -> None:
    wrong = TESTS.replace("expect: violated", "expect: satisfied").replace("[charge]", "[check]").replace("6s: violated", "6s: satisfied")
    result = run("rules", "test", written(tmp_path, "a.yaml", NEEDS_CHECK + wrong))
    assert result.exit_code == 1
    assert "FAILED  needs-check: a charge without a check" in result.output
    assert "  - verdict: expected satisfied\n  + verdict: got      violated\n" in result.output
    assert "  - offenders: expected [check]\n  + offenders: got      [charge]\n" in result.output
    assert "    at 4s: unknown\n  - at 6s: expected satisfied\n  + at 6s: got      violated\n" in result.output
    assert result.output.splitlines()[-1] == "0 passed, 2 failed"


def test_results_are_said_as_json_too(tmp_path: Path) -> None:
    body = json.loads(run("rules", "test", written(tmp_path, "a.yaml", NEEDS_CHECK + TESTS), "-o", "json").stdout)
    assert (body["passed"], body["failed"]) == (2, 0)
    assert [found["actual"] for found in body["tests"]] == ["violated", {"4000000000": "unknown", "6000000000": "violated"}]


def test_refused_rules_run_no_test(tmp_path: Path) -> None:
    bad = written(tmp_path, "a.yaml", "rules: [{id: a, rule: 'always { x > 1 }'}]")
    assert run("rules", "test", bad).exit_code == 2
    refused = run("rules", "test", bad, "-o", "json")
    assert refused.exit_code == 2
    assert json.loads(refused.stdout)["diagnostics"][0]["code"] == "comparison-needs-attribute"


def test_the_rules_of_the_shop_pass_their_tests() -> None:
    result = run("rules", "test", SHOP_RULES)
    assert result.exit_code == 0
    assert result.output == "75 passed, 0 failed\n"
    assert run("rules", "check", SHOP_RULES).output == "20 rules checked, 0 errors, 0 warnings\n"
