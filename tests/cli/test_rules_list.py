"""`betrace rules list`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from cli.shop_rules import SHOP_RULES
from tests.cli.run import run, written

if TYPE_CHECKING:
    from pathlib import Path

RULES = """
rules:
  - id: charge-is-checked
    name: Charges are checked
    severity: critical
    tags: [payments, fraud]
    controls: ["SOC2:CC7.2"]
    rule: |
      when   { charge }
      always { check }
    tests:
      - {name: one, trace: "charge 0ms..1ms", expect: violated}
  - id: no-bypass
    enabled: false
    mode: shadow
    tags: [fraud]
    controls: ["SOC20:A", "PCI-DSS:10.2"]
    rule: never { bypass }
  - id: bounded
    rule: always { count(retry) < 3 }
"""


def _ids(folder: Path, *options: str) -> list[str]:
    body = json.loads(run("rules", "list", written(folder, "a.yaml", RULES), "-o", "json", *options).stdout)
    return [rule["id"] for rule in body]


def test_rules_stand_in_columns_in_the_order_of_the_file(tmp_path: Path) -> None:
    result = run("rules", "list", written(tmp_path, "a.yaml", RULES))
    assert result.exit_code == 0
    assert result.output.splitlines() == [
        "id                 severity  mode     enabled  class               tests  name",
        "charge-is-checked  critical  enforce  yes      early satisfaction      1  Charges are checked",
        "no-bypass          medium    shadow   no       early violation         0",
        "bounded            medium    enforce  yes      early violation         0",
    ]


def test_json_says_the_same_and_who_it_concerns(tmp_path: Path) -> None:
    first = json.loads(run("rules", "list", written(tmp_path, "a.yaml", RULES), "-o", "json").stdout)[0]
    version = first.pop("version")
    assert len(version) == 12
    assert first == {
        "id": "charge-is-checked",
        "severity": "critical",
        "mode": "enforce",
        "enabled": True,
        "class": "early satisfaction",
        "tests": 1,
        "name": "Charges are checked",
        "owner": "",
        "tags": ["payments", "fraud"],
        "controls": ["SOC2:CC7.2"],
    }


def test_options_of_one_kind_widen_and_those_of_several_kinds_narrow(tmp_path: Path) -> None:
    assert _ids(tmp_path, "--tag", "fraud") == ["charge-is-checked", "no-bypass"]
    assert _ids(tmp_path, "--tag", "fraud", "--tag", "none") == ["charge-is-checked", "no-bypass"]
    assert _ids(tmp_path, "--tag", "fraud", "--severity", "critical") == ["charge-is-checked"]
    assert _ids(tmp_path, "--severity", "medium", "--severity", "critical") == ["charge-is-checked", "no-bypass", "bounded"]
    assert _ids(tmp_path, "--severity", "low") == []


def test_a_control_is_asked_for_whole_or_by_its_framework_or_section(tmp_path: Path) -> None:
    assert _ids(tmp_path, "--control", "SOC2") == ["charge-is-checked"]
    assert _ids(tmp_path, "--control", "PCI-DSS:10.2") == ["no-bypass"]
    assert _ids(tmp_path, "--control", "SOC2:CC7") == ["charge-is-checked"]
    assert _ids(tmp_path, "--control", "SOC2:CC") == []


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--tag", "payment"), "no rule has the tag `payment`; did you mean `payments`?"),
        (("--control", "PCI"), "no rule has the control `PCI`; did you mean `PCI-DSS`?"),
        (("--severity", "low"), "no rule is such"),
    ],
)
def test_a_list_of_nothing_is_a_sentence_and_no_header(options: tuple[str, str], sentence: str, tmp_path: Path) -> None:
    result = run("rules", "list", written(tmp_path, "a.yaml", RULES), *options)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", f"{sentence}\n")


def test_tags_are_listed_with_how_many_rules_have_them(tmp_path: Path) -> None:
    result = run("rules", "list", written(tmp_path, "a.yaml", RULES), "--tags")
    assert result.stdout == "fraud     2\npayments  1\n"
    result = run("rules", "list", written(tmp_path, "a.yaml", RULES), "--tags", "--severity", "low", "-o", "json")
    assert json.loads(result.stdout) == {}


def test_refused_rules_are_not_listed(tmp_path: Path) -> None:
    result = run("rules", "list", written(tmp_path, "a.yaml", "rules: [{id: a, rule: charge}]"))
    assert result.exit_code == 2
    assert "[needs-always-or-never]" in result.stderr
    assert not result.stdout


def test_a_name_cannot_move_the_cursor_of_a_terminal(tmp_path: Path) -> None:
    told = run("rules", "list", written(tmp_path, "a.yaml", 'rules: [{id: a, name: "x\\u202Ey", rule: "never { b }"}]')).output
    assert "\u202e" not in told


def test_the_rules_of_the_shop_have_tests() -> None:
    rows = json.loads(run("rules", "list", SHOP_RULES, "-o", "json").stdout)
    assert rows
    assert all(row["tests"] for row in rows)
