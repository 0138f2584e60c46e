"""What a rule means can be written as a rule again, and that one means the same."""

from __future__ import annotations

import pytest

from compiler.ir_text import rule_text
from compiler.lower_rule import lower_rule
from compiler.source import Region
from tests.conformance.case import JudgeCase, StreamCase, load_cases
from tests.conformance.run_judge import compiled
from tests.meaning import without_texts

JUDGED = [case for case in load_cases() if isinstance(case, JudgeCase | StreamCase)]


def nowhere(_offset: int, _length: int) -> Region:
    return Region("text", 1, 1, 1)


@pytest.mark.parametrize("case", JUDGED, ids=lambda case: case.label)
def test_the_text_of_a_meaning_has_this_meaning(case: JudgeCase | StreamCase) -> None:
    rule_set = compiled(case.let, case.entries())
    assert not isinstance(rule_set, list)
    for rule in rule_set.rules:
        text = rule_text(rule.program)
        again = lower_rule(text, nowhere, {}, requires_complete=rule.program.requires_complete)
        assert again.program is not None, (text, again.diagnostics)
        assert without_texts(again.program) == without_texts(rule.program), text


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("never { a.where(x > 1 and not (y == B or z missing)) }", 'never { a.where(x > 1 and not (y == "B" or z missing)) }'),
        ("always { every count(a.b by k) * 2 <= -(3) + 1 }", "always { every count(a.b by k) * 2 <= -(3) + 1 }"),
        ('when { "GET /x" before cache.in within 90s } never { root }', 'when { "GET /x" before cache.in within 90s }\nnever { root }'),
        ("for each a as x always { b.where(k == x.k) }", "for each a as x\nalways { b.where(k == x.k) }"),
        (
            "never { a.where(x == ((y)) and x < (z) and z not contains (span)) }",
            "never { a.where(x == (y) and x < z and z not contains (span)) }",
        ),
        ('never { a.where("span.kind" == 1 and count exists) }', 'never { a.where("span.kind" == 1 and count exists) }'),
    ],
)
def test_names_are_written_plain_where_they_can_be_and_strings_are_quoted(text: str, written: str) -> None:
    program = lower_rule(text, nowhere, {}).program
    assert program is not None
    assert rule_text(program) == written
