"""`betrace rules apply` and `betrace rules diff` where no broker answers; with one they are tried in tests/e2e."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.cli.run import NEEDS_CHECK, run, written

if TYPE_CHECKING:
    from pathlib import Path

NOBODY = ("--bootstrap-servers", "127.0.0.1:1", "--rules-timeout-s", "0.5")


@pytest.mark.parametrize("command", ["apply", "diff"])
def test_no_broker_ends_with_status_2_in_the_time_set(tmp_path: Path, command: str) -> None:
    began = time.monotonic()
    result = run("rules", command, written(tmp_path, "a.yaml", NEEDS_CHECK), *NOBODY)
    assert result.exit_code == 2
    assert result.stderr.startswith("betrace: no broker tells its topics: ")
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("command", ["apply", "diff"])
def test_refused_rules_end_with_status_2_before_a_broker_is_asked(tmp_path: Path, command: str) -> None:
    result = run("rules", command, written(tmp_path, "a.yaml", "rules: [{id: a, rule: x}]\n"), *NOBODY)
    assert result.exit_code == 2
    assert "[needs-always-or-never]" in result.stderr
    assert "refused: 1 error" in result.stderr
    assert "broker" not in result.output


def test_settings_that_do_not_fit_together_are_refused_by_name(tmp_path: Path) -> None:
    result = run("rules", "apply", written(tmp_path, "a.yaml", NEEDS_CHECK), "--sasl-username", "me")
    assert result.exit_code == 2
    assert "sasl_username" in result.stderr


def test_nothing_to_read_ends_with_status_2(tmp_path: Path) -> None:
    assert run("rules", "apply", tmp_path, *NOBODY).exit_code == 2
