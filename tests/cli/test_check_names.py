"""`betrace check` and names that rules read and that occur nowhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.check_names import print_unseen
from cli.check_text import stdout_console
from compiler import ir
from compiler.read_names import Read
from processor.unseen_names import UnseenName
from tests.cli.run import COMPLIANT, NEEDS_CHECK, VIOLATING, run, written

MISSPELT = """
rules:
  - {id: a, rule: "never { chrage.where(amount > 1) }"}
  - {id: b, rule: "never { charge.where(amout > 1) }"}
  - {id: c, rule: "never { charge.where(amout > 2) }"}
  - {id: off, enabled: false, rule: "never { charg }"}
"""
NOTES = [
    "note: no span is named `chrage` (did you mean `charge`?), rule a",
    "note: no `charge` has the attribute `amout` (did you mean `amount`?), rules b, c",
]


@pytest.mark.parametrize("engine", ["luajit", "reference"])
def test_each_name_is_noted_once_behind_the_table_and_the_status_stays(engine: str, tmp_path: Path) -> None:
    rules, trace = written(tmp_path, "rules.yaml", MISSPELT), written(tmp_path, "trace.json", COMPLIANT)
    result = run("check", trace, "--rules", rules, "--engine", engine)
    assert (result.exit_code, result.stdout.splitlines()[-2:]) == (0, NOTES)


def test_as_json_the_same_is_said(tmp_path: Path) -> None:
    rules, trace = written(tmp_path, "rules.yaml", MISSPELT), written(tmp_path, "trace.json", COMPLIANT)
    assert json.loads(run("check", trace, "--rules", rules, "-o", "json").stdout)["unseen"] == [
        {"name": "chrage", "attribute_of": None, "near": "charge", "rules": ["a"]},
        {"name": "amout", "attribute_of": {"spans": "name", "span": "charge", "scope": "any"}, "near": "amount", "rules": ["b", "c"]},
    ]


@pytest.mark.parametrize("form", ["ndjson", "junit", "sarif"])
def test_forms_without_a_place_say_it_on_standard_error(form: str, tmp_path: Path) -> None:
    rules, trace = written(tmp_path, "rules.yaml", MISSPELT), written(tmp_path, "trace.json", COMPLIANT)
    result = run("check", trace, "--rules", rules, "-o", form)
    assert (result.exit_code, result.stderr.splitlines()) == (0, NOTES)


def test_a_build_can_fail_on_them(tmp_path: Path) -> None:
    rules, trace = written(tmp_path, "rules.yaml", MISSPELT), written(tmp_path, "trace.json", COMPLIANT)
    sound = written(tmp_path, "sound.yaml", "rules: [{id: a, rule: 'never { charge.where(amount > 9000) }'}]")
    assert run("check", trace, "--rules", rules, "--fail-on", "unseen-names").exit_code == 1
    assert run("check", trace, "--rules", sound, "--fail-on", "unseen-names").exit_code == 0


def test_why_has_a_status_of_its_own(tmp_path: Path) -> None:
    rules, trace = written(tmp_path, "rules.yaml", NEEDS_CHECK), written(tmp_path, "trace.json", VIOLATING)
    result = run("check", trace, "--rules", rules, "--why", "needs-check", "--fail-on", "unseen-names")
    assert (result.exit_code, "--fail-on is not for --why" in result.stderr) == (2, True)


@pytest.mark.parametrize(
    ("read", "said"),
    [
        (Read(ir.Named("a")), "no span is named `a`"),
        (Read(ir.Root(), ir.Attribute(ir.AttributeScope.ANY, "k")), "no root has the attribute `k`"),
        (Read(ir.AnySpan(), ir.Attribute(ir.AttributeScope.SPAN, "k")), "no span has the span attribute `k`"),
        (Read(ir.Named("a"), ir.Attribute(ir.AttributeScope.RESOURCE, "k")), "no `a` has the resource attribute `k`"),
        (Read(ir.Named("a"), ir.Attribute(ir.AttributeScope.ELEMENT, "k"), "event"), "no event of `a` has the attribute `k`"),
        (Read(ir.Named("a\x1b[2J")), "no span is named `a\ufffd[2J`"),
    ],
)
def test_a_note_says_whose_name_it_is(read: Read, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_unseen(stdout_console(), [UnseenName(read, ("r", "s", "t", "u", "v"), None)])
    assert capsys.readouterr().out == f"note: {said}, rules r, s, t and 2 more\n"


def test_of_many_names_the_first_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    print_unseen(stdout_console(), [UnseenName(Read(ir.Named(str(number))), ("r",), None) for number in range(23)])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 21
    assert lines[-1] == "note: 3 more names that never occurred: ask with -o json"
