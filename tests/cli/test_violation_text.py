"""A violation as a person reads it, where the trace that is drawn is not the one that was judged."""

from __future__ import annotations

import pytest

from cli.violation_text import violation_text
from compiler import SourceFile, TraceView, compile_sources
from tests.topics.records import violation
from topics.span import Span

RULE = "rules:\n  - id: payment-check\n    rule: 'when { charge.amount > 1000 } always { check }'\n"


@pytest.mark.parametrize(
    ("drawn", "said"),
    [
        (2, "1 offender of 2 spans"),
        (3, "1 offender of the 2 spans that had come when it was decided; drawn are all 3"),
        (None, "1 offender of 2 spans"),
    ],
)
def test_a_trace_that_went_on_after_the_verdict_is_told_from_what_was_judged(drawn: int | None, said: str) -> None:
    compilation = compile_sources([SourceFile("rule.yaml", RULE.encode())])
    assert compilation.rule_set is not None, compilation.errors
    view = None if drawn is None else TraceView([Span("ab" * 16, f"{number:016x}", "s", 1, 2) for number in range(1, drawn + 1)])
    lines = violation_text(violation(), compilation.rule_set.rules[0], view).plain.splitlines()
    assert f"  {said}" in lines
