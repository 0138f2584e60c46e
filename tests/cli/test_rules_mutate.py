"""`betrace rules test --coverage` and `betrace rules mutate`: how much the tests of a rule are worth."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.cli.run import run, written

if TYPE_CHECKING:
    from pathlib import Path

RULES = """
rules:
  - id: few-attempts
    rule: always { count(attempt) <= 2 }
    tests:
      - {name: one, trace: "attempt 0ms..1ms", expect: satisfied}
      - {name: many, trace: "attempt 0ms..1ms\\nattempt 0ms..1ms\\nattempt 0ms..1ms", expect: violated}
"""


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    return written(tmp_path, "rules.yaml", RULES)


def test_coverage_says_what_no_test_reaches(rules: Path) -> None:
    rules.write_text("\n".join(RULES.splitlines()[:-1]))
    result = run("rules", "test", rules, "--coverage")
    assert result.exit_code == 0
    assert " 50.0 %  2/4  few-attempts\n           no test expects `violated`\n" in result.output
    assert "           always: `count(attempt) <= 2` is never false\n" in result.output
    assert result.output.endswith("coverage: 50.0 % of 1 rule\n1 passed, 0 failed\n")


def test_a_rule_below_the_threshold_ends_with_status_one(rules: Path) -> None:
    assert run("rules", "test", rules, "--coverage", "--threshold", "100").exit_code == 0
    less = rules.with_name("less.yaml")
    less.write_text("\n".join(RULES.splitlines()[:-1]))
    assert run("rules", "test", less, "--coverage", "--threshold", "51").exit_code == 1
    assert run("rules", "test", less, "--coverage", "--threshold", "50").exit_code == 0


def test_coverage_is_said_to_a_program_too(rules: Path) -> None:
    body = json.loads(run("rules", "test", rules, "--coverage", "-o", "json").output)
    assert body["coverage"] == [{"rule": "few-attempts", "percent": 100.0, "reached": 4, "total": 4, "missing": []}]


def test_a_survivor_is_shown_with_what_was_changed(rules: Path) -> None:
    result = run("rules", "mutate", rules)
    assert result.exit_code == 0
    assert result.output == (
        " 66.7 %  2/3  few-attempts\n           survives: count(attempt) <= 2  →  count(attempt) < 2\nkilled: 2 of 3 mutants, 66.7 %\n"
    )


def test_a_boundary_test_kills_it(rules: Path) -> None:
    rules.write_text(RULES + '      - {name: two, trace: "attempt 0ms..1ms\\nattempt 0ms..1ms", expect: satisfied}\n')
    (one,) = json.loads(run("rules", "mutate", rules, "-o", "json").output)
    assert one == {"rule": "few-attempts", "percent": 100.0, "killed": 3, "total": 3, "survivors": []}


def test_few_killed_mutants_end_with_status_one_below_the_threshold(rules: Path) -> None:
    assert run("rules", "mutate", rules, "--threshold", "67").exit_code == 1
    assert run("rules", "mutate", rules, "--threshold", "66").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("rules", "mutate", "RULES", "--rule", "few-atempts"), "betrace: there is no rule few-atempts: did you mean `few-attempts`?\n"),
        (("rules", "test", "RULES", "--threshold", "50"), "--threshold says how much --coverage must find"),
        (("rules", "mutate", "RULES", "--threshold", "101"), "101"),
    ],
)
def test_what_cannot_be_asked_is_said(arguments: tuple[str, ...], said: str, rules: Path) -> None:
    result = run(*(str(rules) if one == "RULES" else one for one in arguments))
    assert result.exit_code == 2
    assert said in result.stderr


def test_rules_whose_tests_fail_are_not_changed(rules: Path) -> None:
    rules.write_text(RULES.replace("expect: violated", "expect: satisfied"))
    result = run("rules", "mutate", rules)
    assert result.exit_code == 2
    assert result.output == "betrace: 1 failing test as the rules stand, of few-attempts: see betrace rules test\n"
