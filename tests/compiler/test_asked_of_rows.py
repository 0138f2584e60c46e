"""Which rules are asked of a trace's captured rows: those that bits do not decide, and of an open trace those that may be violated."""

from __future__ import annotations

from array import array
from dataclasses import replace

import pytest

from compiler import Closing, RuleSet
from compiler.engine_program import Program, compile_program
from processor import lua_traces
from processor.lua_traces import LuaTraceEngine
from processor.trace_engine import VERDICTS, Asked, TakenRecord, TakePolicy, batch_of
from tests.processor.played import rules
from topics.otlp import encode_protobuf
from topics.span import Span

GROUPS = "never { some count(a by k) > 2 }"
HEAD = "when { b } never { some count(a by k) > 1 }"
EACH = "for each a as x always { b before x }"
LIKE = "for each b as x always { count(a.where(k == x.k)) <= 1 }"
DIFFERENT = "always { distinct(a.v) < 3 }"
FEW = "never { some count(a by k) < 2 }"
UNDER = "never { count(a under b) > 1 }"
WHOLE, OPEN, PART = Closing.COMPLETE, Closing.OPEN, Closing.INCOMPLETE


def verdict(rule: str, names: str, closing: Closing, monkeypatch: pytest.MonkeyPatch) -> tuple[str, int]:
    """Return the verdict on a trace of spans with these names, and how often its rows were laid out for it."""
    count = array("q", [0])

    def counted(rule_set: RuleSet) -> Program:
        program = compile_program(rule_set)
        lines = f"""
do
  local count, lay_out = E.ffi.cast("int64_t *", {count.buffer_info()[0]}ULL), E.lay_out
  E.lay_out = function(s)
    count[0] = count[0] + 1
    return lay_out(s)
  end
end
"""
        return replace(program, chunk=program.chunk + lines)

    monkeypatch.setattr(lua_traces, "compile_program", counted)
    engine = LuaTraceEngine(rules(f"rules: [{{id: one, rule: '{rule}'}}]"))
    spans = [Span("ab" * 16, f"{n:016x}", name, 10 * n, 10 * n + 5, "", attributes={"k": 1}) for n, name in enumerate(names, 1)]
    taken = engine.take(0, batch_of([TakenRecord(encode_protobuf(spans), "protobuf", 0)]), TakePolicy(100))
    code = engine.judge([Asked(taken.touches[0].handle, closing, None)])[0][0]
    return VERDICTS[code].value, count[0]


@pytest.mark.parametrize(
    ("rule", "names", "closing", "expected"),
    [
        (GROUPS, "aa", WHOLE, ("satisfied", 0)),
        (GROUPS, "aaa", WHOLE, ("violated", 1)),
        (GROUPS, "aa", OPEN, ("unknown", 0)),
        (GROUPS, "aaa", OPEN, ("violated", 1)),
        # Bits do not say what more spans may bring; where they may, the rows are asked.
        (GROUPS, "aa", PART, ("inconclusive", 1)),
        (HEAD, "aaa", OPEN, ("unknown", 0)),
        (HEAD, "aaa", WHOLE, ("not_applicable", 0)),
        (HEAD, "aab", OPEN, ("violated", 1)),
        # Nothing but a close can decide it, or find an instance.
        (EACH, "ab", OPEN, ("unknown", 0)),
        (EACH, "ba", WHOLE, ("satisfied", 1)),
        (EACH, "aa", WHOLE, ("violated", 0)),
        (LIKE, "aab", OPEN, ("violated", 1)),
        (LIKE, "ab", OPEN, ("unknown", 0)),
        (LIKE, "aa", OPEN, ("unknown", 0)),
        (LIKE, "ab", WHOLE, ("satisfied", 0)),
        (DIFFERENT, "aa", WHOLE, ("satisfied", 0)),
        (DIFFERENT, "aaa", WHOLE, ("satisfied", 1)),
        # Where less is worse, a number of spans bounds nothing.
        (FEW, "a", WHOLE, ("violated", 1)),
        (FEW, "b", WHOLE, ("satisfied", 0)),
        (UNDER, "ab", WHOLE, ("satisfied", 0)),
        (UNDER, "aab", WHOLE, ("satisfied", 1)),
    ],
)
def test_rows_are_laid_out_where_bits_leave_a_rule_open(
    rule: str, names: str, closing: Closing, expected: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert verdict(rule, names, closing, monkeypatch) == expected


def test_what_compares_more_selections_than_bits_have_room_for_is_asked_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = [f"count(a.where(k == {number}) during b by k)" for number in range(60)]
    assert verdict(f"never {{ some {' + '.join(numbers)} > 0 }}", "a", WHOLE, monkeypatch) == ("satisfied", 1)
    few = f"never {{ some {' + '.join(numbers[:3])} > 0 }}"
    assert verdict(few, "a", WHOLE, monkeypatch) == ("satisfied", 0)
