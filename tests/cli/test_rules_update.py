"""`betrace rules test --update`: expectations become what a test got, and nothing else changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.run import run, written

if TYPE_CHECKING:
    from pathlib import Path

RULES = """# Kept as it is.
rules:
  - id: few-attempts
    rule: never { attempt.where(n > 2) }
    tests:
      - name: wrong   # the verdict
        trace: "attempt 0ms..1ms n=5"
        expect: satisfied  # it was
      - {name: whose, trace: "attempt 0ms..1ms n=5", expect: violated, offenders: [other]}
      - name: in a list
        trace: |
          attempt 0ms..1ms n=5
        expect: violated
        offenders:
          - other
      - {name: right, trace: "attempt 0ms..1ms n=1", expect: satisfied}
      - name: timed
        trace: "attempt 0s..1s n=3"
        expect: {1s: unknown, 40s: satisfied}
"""


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    return written(tmp_path, "rules.yaml", RULES)


def test_what_failed_expects_what_it_got_and_says_why(rules: Path) -> None:
    result = run("rules", "test", rules, "--update")
    assert (result.exit_code, result.output.splitlines()[-1]) == (0, "4 updated, 0 left")
    assert "UPDATED  few-attempts: wrong\n" in result.output
    assert "      ✗ never attempt.where(n > 2)\n" in result.output
    text = rules.read_text("utf-8")
    assert "      - name: wrong   # the verdict\n" in text
    assert "        expect: violated  # it was\n" in text
    assert 'expect: violated, offenders: ["attempt"]}' in text
    assert text.startswith("# Kept as it is.\nrules:\n")
    assert run("rules", "test", rules).output == "5 passed, 0 failed\n"


def test_a_file_whose_tests_pass_is_left_alone(rules: Path) -> None:
    run("rules", "test", rules, "--update")
    text = rules.read_bytes()
    assert run("rules", "test", rules, "--update").output == "0 updated, 0 left\n"
    assert rules.read_bytes() == text


def test_an_example_that_is_not_found_has_no_expectation_to_change(tmp_path: Path) -> None:
    example = "rules: [{id: a, rule: never { x }, example_violation: {description: old, trace: [{span: y}]}}]\n".replace(
        "never { x }", "'never { x }'"
    )
    path = written(tmp_path, "old.yaml", example)
    result = run("rules", "test", path, "--update")
    assert (result.exit_code, result.output.splitlines()[-1]) == (1, "0 updated, 1 left")
    assert path.read_text("utf-8") == example


def test_an_update_stands_alone(rules: Path) -> None:
    result = run("rules", "test", rules, "--update", "--coverage")
    assert result.exit_code == 2
    assert "--update is done by itself" in result.stderr
