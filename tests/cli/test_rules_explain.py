"""`betrace rules explain`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from cli.shop_rules import SHOP_RULES
from tests.cli.run import NEEDS_CHECK, run, written

if TYPE_CHECKING:
    from pathlib import Path


def test_a_rule_is_explained_as_text(tmp_path: Path) -> None:
    result = run("rules", "explain", written(tmp_path, "a.yaml", NEEDS_CHECK))
    assert result.exit_code == 0
    assert result.output.startswith(
        "needs-check: Charges are checked\n\n"
        "  Applies to a trace in which there is a `charge` span where `amount` is more than 1000.\n"
        "  Then there must be a `check` span that ends before the start of some `charge` span.\n"
        "  And the number of `bypass` spans must not be more than 1.\n\n"
        "      check   [=======]\n"
    )
    assert max(map(len, result.output.splitlines())) <= 100


def test_json_and_markdown_say_the_same(tmp_path: Path) -> None:
    path = written(tmp_path, "a.yaml", NEEDS_CHECK)
    body = json.loads(run("rules", "explain", path, "-o", "json").stdout)[0]
    assert body["rule_id"] == "needs-check"
    assert body["facts"]["Severity"] == "critical, enforced"
    page = run("rules", "explain", path, "-o", "markdown").stdout
    assert page.startswith("## `needs-check`\n\n**Charges are checked**\n\nApplies to a trace")
    assert "\n```text\ncheck   [" in page
    assert all(line in page for line in (*body["meaning"], *body["fine_print"]))
    assert "| Severity | critical, enforced |" in page


def test_one_rule_is_asked_for_by_its_id() -> None:
    result = run("rules", "explain", SHOP_RULES, "--rule", "agent-does-not-loop", "-o", "json")
    assert [one["rule_id"] for one in json.loads(result.stdout)] == ["agent-does-not-loop"]
    unknown = run("rules", "explain", SHOP_RULES, "--rule", "none")
    assert (unknown.exit_code, unknown.stdout) == (2, "")
    assert "no rule none in" in unknown.stderr


def test_a_name_cannot_move_the_cursor_of_a_terminal(tmp_path: Path) -> None:
    rules = 'rules: [{id: a, name: "x\\u202Ey", rule: "never { b.where(k == \\"\\u202E\\") }"}]'
    for form in ("text", "markdown"):
        assert "\u202e" not in run("rules", "explain", written(tmp_path, "a.yaml", rules), "-o", form).output
