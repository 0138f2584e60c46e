"""`betrace rules init` and `betrace rules from-trace`: drafts that are to be rewritten, and say so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from compiler import SourceFile, compile_sources
from tests.cli.run import run, written
from topics.otlp import encode_protobuf
from topics.recordings import SHOP_OTLP_LINES, recording
from topics.span import Resource, Span

if TYPE_CHECKING:
    from pathlib import Path

QUIET = "09143b380a7eb391c3b8099932ab1604"
RULE = "rules:\n  - id: checked\n    rule: |\n      when   { payment.charge }\n      always { fraud.check }\n    tests:\n"


def failing(folder: Path) -> Path:
    """A trace in which a span failed."""
    resource = Resource({"service.name": "shop"})
    root = Span("ab" * 16, "01" * 8, "checkout", 10**9, 2 * 10**9, resource=resource, attributes={"user.id": "u-17"})
    charge = Span("ab" * 16, "02" * 8, "charge", 10**9, 10**9 + 5, parent_id="01" * 8, status=2, resource=resource)
    path = folder / "trace.pb"
    path.write_bytes(encode_protobuf([root, charge]))
    return path


def test_a_draft_begins_with_rules_and_tests_that_pass(tmp_path: Path) -> None:
    path = tmp_path / "refunds.yaml"
    assert run("rules", "init", "Refunds", "--to", path).exit_code == 0
    assert run("rules", "test", path).stdout == "4 passed, 0 failed\n"
    assert run("rules", "init", "Refunds", "--to", path).exit_code == 2


@pytest.mark.parametrize("has_failed", [True, False])
def test_the_draft_of_a_trace_says_in_its_id_name_and_text_that_it_is_none_yet_and_alerts_nobody(
    tmp_path: Path, *, has_failed: bool
) -> None:
    source = failing(tmp_path) if has_failed else recording(SHOP_OTLP_LINES)
    result = run("rules", "from-trace", source, *(() if has_failed else ("--trace", QUIET)))
    assert result.exit_code == 0
    compilation = compile_sources([SourceFile("draft.yaml", result.stdout.encode())])
    assert compilation.rule_set is not None, compilation.errors
    (rule,) = compilation.rule_set.rules
    assert rule.id.startswith("draft-")
    assert rule.text.name.startswith("DRAFT ")
    assert rule.text.mode == "shadow"
    assert "// DRAFT, " in result.stdout


def test_the_test_of_a_draft_fails_until_the_rule_finds_what_was_wrong(tmp_path: Path) -> None:
    quiet = written(tmp_path, "quiet.yaml", run("rules", "from-trace", recording(SHOP_OTLP_LINES), "--trace", QUIET).stdout)
    assert run("rules", "test", quiet).exit_code == 1
    failed = written(tmp_path, "failed.yaml", run("rules", "from-trace", failing(tmp_path)).stdout)
    assert run("rules", "test", failed).exit_code == 0


def test_what_is_copied_of_a_trace_is_warned_of_on_standard_error(tmp_path: Path) -> None:
    draft = run("rules", "from-trace", failing(tmp_path))
    assert "user.id=u-17" in draft.stdout
    rules = written(tmp_path, "rules.yaml", RULE.replace("    tests:\n", ""))
    test = run("rules", "from-trace", recording(SHOP_OTLP_LINES), "--trace", QUIET, "--rules", rules, "--rule", "checked")
    for result in (draft, test):
        assert "before you commit it, take out what is personal or secret" in result.stderr
        assert "betrace:" not in result.stdout


def test_a_test_of_a_rule_stands_as_it_has_to_below_tests(tmp_path: Path) -> None:
    rules = written(tmp_path, "rules.yaml", RULE.replace("    tests:\n", ""))
    result = run(
        "rules", "from-trace", recording(SHOP_OTLP_LINES), "--trace", QUIET, "--rules", rules, "--rule", "checked", "--name", "May"
    )
    whole = written(tmp_path, "whole.yaml", RULE + result.stdout)
    assert run("rules", "test", whole).stdout == "1 passed, 0 failed\n"
