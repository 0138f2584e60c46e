"""A file is checked while it is written: only what an edit touches is compiled."""

from __future__ import annotations

import pytest

from compiler import Code
from compiler.compile import compile_rule
from compiler.editor_check import Checked, EditedFile, rules_of
from compiler.editor_pieces import cut
from compiler.editor_rule_set import compare_rules, duplicates_of, needless_of
from compiler.source import SourceFile

HEAD = "let:\n  big: payment.where(amount > 1000)\n  odd: payment.where(amount < 0)\nrules:\n"


def rule(number: int, text: str = "never { big }") -> str:
    return f"  - id: r{number}\n    rule: {text}\n    tests: [{{trace: a 0s..1s, expect: satisfied}}]\n"


def compiled_ids(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the rules that are compiled from here on."""
    seen: list[str] = []

    def compile_and_note(entry: object, *rest: object) -> object:
        seen.append(entry.text.id)  # type: ignore[attr-defined]  # a rule's entry
        return compile_rule(entry, *rest)  # type: ignore[arg-type]  # passed on as they come

    monkeypatch.setattr("compiler.editor_check.compile_rule", compile_and_note)
    return seen


def test_of_an_edited_file_only_the_rule_that_changed_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    file = EditedFile("x")
    text = HEAD + "".join(rule(number) for number in range(5))
    file.check(text)
    seen = compiled_ids(monkeypatch)
    # A line above moves the rules, and changes none.
    checked = file.check("# a comment\n" + text.replace("id: r3\n    rule: never { big }", "id: r3\n    rule: never { root and }"))
    assert seen == ["r3"]
    assert checked is not None
    assert [(one.code, one.region.line, one.region.column) for one in checked.diagnostics if one.code is Code.SYNTAX] == [
        (Code.SYNTAX, 16, 28)
    ]


def test_a_name_that_stands_for_something_else_has_its_rules_compiled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    file = EditedFile("x")
    text = HEAD + rule(0) + rule(1, "never { odd }") + rule(2, "never { root }")
    file.check(text)
    seen = compiled_ids(monkeypatch)
    file.check(text.replace("amount > 1000", "amount > 2000"))
    assert seen == ["r0"]
    checked = file.check(text.replace("amount > 1000", "amount > "))
    assert seen == ["r0", "r0"]
    assert checked is not None
    assert {one.code for one in checked.diagnostics} == {Code.SYNTAX}


def test_a_name_that_no_rule_uses_any_more_is_said_to_be_unused() -> None:
    file = EditedFile("x")
    text = HEAD + rule(0) + rule(1, "never { odd }")
    first, second = file.check(text), file.check(HEAD + rule(0))
    assert first is not None
    assert second is not None
    assert first.diagnostics == ()
    assert [(one.code, one.region.line) for one in second.diagnostics] == [(Code.UNUSED_LET, 3)]


def test_a_check_that_is_outdated_ends_and_keeps_what_it_has_done(monkeypatch: pytest.MonkeyPatch) -> None:
    file = EditedFile("x")
    text = HEAD + "".join(rule(number) for number in range(4))
    seen = compiled_ids(monkeypatch)
    assert file.check(text, lambda: len(seen) == 2) is None
    assert file.check(text) is not None
    assert seen == ["r0", "r1", "r2", "r3"]


def test_a_check_that_is_outdated_forgets_nothing_of_what_was_checked_before(monkeypatch: pytest.MonkeyPatch) -> None:
    file = EditedFile("x")
    text = HEAD + "".join(rule(number) for number in range(4))
    file.check(text)
    assert file.check(text.replace("id: r0", "id: other"), lambda: True) is None
    seen = compiled_ids(monkeypatch)
    assert file.check(text) is not None
    assert seen == []


def test_a_name_that_only_another_name_uses_is_used() -> None:
    head = "let:\n  big: payment.where(amount > 1000)\n  odd: big.where(country missing)\nrules:\n"
    checked = EditedFile("x").check(head + rule(0, "never { odd }"))
    assert checked is not None
    assert checked.diagnostics == ()


def test_the_last_line_of_a_file_belongs_to_its_last_rule_without_a_line_break_too() -> None:
    text = "rules:\n" + rule(0) + "  - id: last\n    rule: never { a }"
    for each in (text, text + "\n"):
        pieces = cut(each)
        assert pieces.at(each.rstrip().count("\n")) is pieces.pieces[-1]
        assert pieces.at(0) is None


def test_a_rule_that_is_no_yaml_hides_no_other() -> None:
    checked = EditedFile("x").check(HEAD + rule(0, "'never { big }") + rule(1, "never { nothing. }") + rule(2, "never { odd }"))
    assert checked is not None
    assert [(one.code, one.region.line > 8) for one in checked.diagnostics] == [(Code.SYNTAX, False), (Code.SYNTAX, True)]


def test_a_text_in_quotes_may_look_like_the_beginning_of_a_rule() -> None:
    """The file is YAML as a whole, so its cut does not count."""
    text = 'rules:\n  - id: a\n    rule: never { b }\n    description: "one\n  - two"\n'
    checked = EditedFile("x").check(text)
    assert checked is not None
    assert [one.code for one in checked.diagnostics] == [Code.NO_TESTS]


def test_an_id_that_is_there_twice_is_said_where_the_second_is_and_in_each_of_two_files() -> None:
    own = EditedFile("a").check("rules:\n" + rule(1) + rule(1) + rule(2))
    other = Checked(rules_of(SourceFile("b", ("rules:\n" + rule(2)).encode())))
    assert own is not None
    found = duplicates_of("a", [("a", own), ("b", other)])
    assert [(one.region.line, one.message) for one in found] == [
        (5, "there is a rule `r1` already, at a:2:9"),
        (8, "there is a rule `r2` already, at b:2:9"),
    ]


def test_a_rule_is_not_compared_with_disabled_ones_nor_with_one_of_its_id() -> None:
    own = EditedFile("a").check(HEAD + rule(1) + rule(2, "never { odd }"))
    other = EditedFile("b").check(HEAD + rule(1) + rule(3).replace("rule:", "enabled: false\n    rule:") + rule(4, "never { odd }"))
    assert own is not None
    assert other is not None
    compared = compare_rules([own, other])
    assert [(one.code, one.region.line, one.message) for one in needless_of(own, compared)] == [
        (Code.DUPLICATE_RULE, 8, "the rule means the same as `r4`, at b:12:9")
    ]
    assert [one.region.line for one in needless_of(other, compared)] == [12]
