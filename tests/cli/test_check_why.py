"""`betrace check --why`: why a rule judges a trace as it does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.shop_rules import SHOP_RULES
from tests.cli.run import COMPLIANT, NEEDS_CHECK, VIOLATING, document, run, span, written
from topics.recordings import SHOP_PROTO_KEYED, recording

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    return written(tmp_path, "rules.yaml", NEEDS_CHECK)


def test_a_violation_says_which_relation_the_nearest_spans_miss(rules: Path, tmp_path: Path) -> None:
    result = run("check", written(tmp_path, "trace.json", VIOLATING), "--rules", rules, "--why", "needs-check")
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert lines[0] == f"needs-check: violated  trace {TRACE}  checkout"
    assert any(line.startswith("  ✗ always check before charge") for line in lines)
    assert any("check ends" in line and "after charge starts" in line for line in lines), result.output


def test_a_satisfied_rule_names_what_satisfies_it(rules: Path, tmp_path: Path) -> None:
    result = run("check", written(tmp_path, "trace.json", COMPLIANT), "--rules", rules, "--why", "needs-check")
    assert result.output.startswith("needs-check: satisfied")
    assert "  ✓ always check before charge\n      1 span: check" in result.output


def test_as_json_it_is_the_same_tree(rules: Path, tmp_path: Path) -> None:
    result = run("check", written(tmp_path, "trace.json", VIOLATING), "--rules", rules, "--why", "needs-check", "-o", "json")
    (answer,) = json.loads(result.output)
    assert (answer["rule"], answer["trace"], answer["verdict"]) == ("needs-check", TRACE, "violated")
    always = answer["instances"][0]["parts"]["always"]
    assert (always["text"], always["truth"]) == ("check before charge", False)
    assert always["parts"][0]["spans"][0].keys() == {"name", "span_id", "start_ns", "end_ns"}


def test_the_first_digits_of_an_id_name_a_trace(rules: Path, tmp_path: Path) -> None:
    trace = written(tmp_path, "trace.json", VIOLATING)
    assert run("check", trace, "--rules", rules, "--why", "needs-check", "--trace", "4BF9").output.startswith("needs-check: violated")
    result = run("check", trace, "--rules", rules, "--why", "needs-check", "--trace", "77")
    assert (result.exit_code, result.stderr) == (2, "betrace: no trace has an id that begins with 77\n")


CLASHING = """
rules:
  - id: same-amount
    rule: |
      for each check as c
      never { charge.where(order == c.order and amount != c.amount) }
"""


def test_values_that_clash_are_shown_in_both_forms(tmp_path: Path) -> None:
    rules = written(tmp_path, "clashing.yaml", CLASHING)
    spans = (span(1, "charge", 10, 31, order=7, amount=5000), span(2, "check", 1, 5, order=7, amount=50))
    trace = written(tmp_path, "trace.json", document(*spans))
    text = run("check", trace, "--rules", rules, "--why", "same-amount").output
    assert "          amount != c.amount: true, amount = 5000, c.amount = 50\n" in text
    (answer,) = json.loads(run("check", trace, "--rules", rules, "--why", "same-amount", "-o", "json").output)
    found = [part["found"] for part in answer["instances"][0]["parts"]["never"]["parts"]]
    assert found[1] == [{"text": "amount", "value": 5000}, {"text": "c.amount", "value": 50}]


OTHER_TRACE = "5" * 32


@pytest.mark.parametrize(
    ("elsewhere", "said"),
    [("check", "there is no `check` in this trace"), ("other", "no span is named `check`: did you mean `chek`?")],
)
def test_a_name_is_misspelt_only_where_the_whole_input_lacks_it(elsewhere: str, said: str, rules: Path, tmp_path: Path) -> None:
    spans = (span(1, "chek", 0, 9), span(2, "charge", 10, 31, amount=5000))
    written(tmp_path, "a.json", document(*spans))
    written(tmp_path, "b.json", document(span(3, elsewhere, 0, 9, trace_id=OTHER_TRACE)))
    inputs = (tmp_path / "a.json", tmp_path / "b.json")
    output = run("check", *inputs, "--rules", rules, "--why", "needs-check", "--trace", TRACE).output
    assert f"          {said}\n" in output, output


def test_of_many_traces_ten_are_told_the_violated_ones_first() -> None:
    result = run("check", recording(SHOP_PROTO_KEYED), "--rules", SHOP_RULES, "--why", "tool-with-effects-is-approved")
    headings = [line.split("  ")[0] for line in result.output.splitlines() if line.startswith("tool-with-effects-is-approved: ")]
    assert len(headings) == 10
    assert headings == sorted(headings, reverse=True)
    assert headings[0].endswith(": violated")
    assert result.output.splitlines()[-1].endswith("traces more: name one with --trace, or ask with -o json")


def test_an_id_that_several_traces_have_in_common_names_none() -> None:
    result = run("check", recording(SHOP_PROTO_KEYED), "--rules", SHOP_RULES, "--why", "tool-with-effects-is-approved", "--trace", "")
    assert result.exit_code == 2
    assert result.stderr.endswith("traces have an id that begins with \n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--why", "need-check"], "there is no rule need-check: did you mean `needs-check`?"),
        (["--why", "needs-check", "-o", "sarif"], "--why is answered as text or json"),
        (["--trace", "4b"], "--trace says of which trace --why is asked"),
    ],
)
def test_what_cannot_be_asked_is_said(arguments: list[str], said: str, rules: Path, tmp_path: Path) -> None:
    result = run("check", written(tmp_path, "trace.json", VIOLATING), "--rules", rules, *arguments)
    assert result.exit_code == 2
    assert said in result.stderr


def test_a_rule_that_is_not_enabled_judges_nothing(tmp_path: Path) -> None:
    rules = written(tmp_path, "rules.yaml", NEEDS_CHECK.replace("    rule:", "    enabled: false\n    rule:", 1))
    result = run("check", written(tmp_path, "trace.json", VIOLATING), "--rules", rules, "--why", "needs-check")
    assert (result.exit_code, result.stderr) == (2, "betrace: the rule needs-check is not enabled: it judges nothing\n")
