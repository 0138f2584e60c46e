"""Mutants: rules that are wrong in one place, each of them a rule that can be judged."""

from __future__ import annotations

from dataclasses import replace

import pytest

from compiler import TraceView
from compiler.ir_text import rule_text
from compiler.judge import judge
from compiler.lower_rule import lower_rule
from compiler.mutants import mutants
from compiler.source import Region
from tests.conformance.case import JudgeCase, load_cases
from tests.conformance.run_judge import closing_of, compiled, view_of

CASES = [case for case in load_cases() if isinstance(case, JudgeCase)]


def changed(text: str) -> list[tuple[str, str]]:
    program = lower_rule(text, lambda _offset, _length: Region("text", 1, 1, 1), {}).program
    assert program is not None
    return [(mutant.before, mutant.after) for mutant in mutants(program)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.label)
def test_every_mutant_says_something_else_and_can_be_judged(case: JudgeCase) -> None:
    rule_set = compiled(case.let, case.entries())
    assert not isinstance(rule_set, list)
    for rule in rule_set.rules:
        found = list(mutants(rule.program))
        texts = {rule_text(mutant.program) for mutant in found} | {rule_text(rule.program)}
        assert len(texts) == len(found) + 1
        for expectation in case.traces[:2]:
            view = view_of(expectation.trace)
            assert isinstance(view, TraceView)
            for mutant in found:
                judge(replace(rule, program=mutant.program), view, closing_of(expectation, view), opened_ns=None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "when { a } always { b }",
            [("when { … }", "no `when`"), ("always { … }", "never { … }")],
        ),
        (
            "always { a } never { b }",
            [("always { … }", "no `always`"), ("never { … }", "no `never`"), ("always { … }", "never { … }")],
        ),
        (
            "never { a.where(x > 1) }",
            [("never { … }", "always { … }"), ("a.where(x > 1)", "a"), ("x > 1", "x >= 1"), ("x > 1", "x <= 1")],
        ),
        (
            "always { a before b on k within 5s }",
            [
                ("always { … }", "never { … }"),
                ("a before b on k within 5s", "a"),
                ("before b on k within 5s", "after b on k within 5s"),
                ("before b on k within 5s", "before b on k"),
                ("before b on k within 5s", "before b within 5s"),
            ],
        ),
        (
            "always { every count(a by k) <= 1 }",
            [
                ("always { … }", "never { … }"),
                ("every count(a by k) <= 1", "every count(a by k) < 1"),
                ("every count(a by k) <= 1", "every count(a by k) > 1"),
                ("every count(a by k) <= 1", "some count(a by k) <= 1"),
            ],
        ),
        (
            "never { a and not b }",
            [
                ("never { … }", "always { … }"),
                ("a and not b", "a or not b"),
                ("a and not b", "not b"),
                ("a and not b", "a"),
                ("not b", "b"),
            ],
        ),
        (
            "never { a.where(k in [x, y] and z startswith q) }",
            [
                ("never { … }", "always { … }"),
                ('a.where(k in ["x", "y"] and z startswith "q")', "a"),
                ('k in ["x", "y"] and z startswith "q"', 'k in ["x", "y"] or z startswith "q"'),
                ('k in ["x", "y"] and z startswith "q"', 'z startswith "q"'),
                ('k in ["x", "y"] and z startswith "q"', 'k in ["x", "y"]'),
                ('k in ["x", "y"]', 'k not in ["x", "y"]'),
                ('k in ["x", "y"]', 'k in ["y"]'),
                ('k in ["x", "y"]', 'k in ["x"]'),
                ('z startswith "q"', 'z not startswith "q"'),
                ('z startswith "q"', 'z contains "q"'),
            ],
        ),
        ("always { sum(a.x) > 2 and a.all(y) }", None),
    ],
)
def test_one_place_is_changed_at_a_time(text: str, expected: list[tuple[str, str]] | None) -> None:
    found = changed(text)
    if expected is not None:
        assert found == expected
    else:
        assert ("sum(a.x)", "max(a.x)") in found
        assert ("a.all(y)", "a.where(y)") in found


def test_a_let_is_changed_wherever_it_is_used() -> None:
    found = changed("let big = a.where(x > 1)\nwhen { big } never { big before b }")
    assert found.count(("x > 1", "x >= 1")) == 1
    program = lower_rule("let big = a.where(x > 1)\nwhen { big } never { big before b }", lambda *_: Region("text", 1, 1, 1), {}).program
    assert program is not None
    moved = next(mutant for mutant in mutants(program) if mutant.after == "x >= 1")
    assert rule_text(moved.program).count("x >= 1") == 2
