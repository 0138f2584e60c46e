"""Evidence of verdicts, read back from what a program of LuaJIT has kept of a trace: the reference engine's code on captured rows."""

from __future__ import annotations

from functools import cached_property, partial
from itertools import chain
from typing import TYPE_CHECKING

from compiler.captured_trace import CapturedView, TraceTotals, asked_leaves, known
from compiler.judge import judge
from compiler.outlines import Outlines, Remembered, asks_numbers_alone
from processor.captured_rows import CapturedRows, CapturedSpan, RowReader
from topics.span import Span

if TYPE_CHECKING:
    from compiler.engine_layout import Layout, Leaf
    from compiler.rule_set import Rule
    from compiler.verdict import Judgement
    from processor.lua_engine import LuaProgram
    from processor.trace_engine import Asked

_ID_DIGITS = 16
_NO_ID = "0" * _ID_DIGITS


class KeptTrace:
    """What a program has kept of one trace; it holds until the program's next change.

    Nothing that it is made of knows it, so that nobody need look for circles to free it.
    """

    def __init__(self, program: LuaProgram, reader: RowReader, handle: int, totals: TraceTotals) -> None:
        self.handle = handle
        self.totals = totals
        self._program = program
        self._reader = reader

    @cached_property
    def _rows(self) -> CapturedRows:
        return CapturedRows(self._reader, self._program.captured(self.handle), self.totals.trace_id)

    @cached_property
    def view(self) -> CapturedView:
        """The trace as a rule sees it."""
        return CapturedView(self._rows.spans, self.totals, partial(_links, self._program, self.handle))

    def members(self, leaf: Leaf) -> list[CapturedSpan] | bool:
        """Return the spans that a leaf selects, or, where they were not captured, whether there was one."""
        return self.selected(leaf) if leaf.is_captured else self._has_seen(leaf)

    def selected(self, leaf: Leaf) -> list[CapturedSpan]:
        """Return the captured spans that a leaf selects."""
        return self._rows.selected(leaf)

    def count(self, leaf: Leaf) -> int:
        """Return how many spans a leaf selects; where they were not captured, 1 for any number."""
        return self._rows.count(leaf) if leaf.is_captured else int(self._has_seen(leaf))

    def _has_seen(self, leaf: Leaf) -> bool:
        return leaf.seen is not None and bool(self._seen[leaf.seen // 8] >> leaf.seen % 8 & 1)

    @cached_property
    def _seen(self) -> bytes:
        return self._program.seen(self.handle)


class Explainer:
    """Explains the verdicts of one rule; `remembered` is shared by those of an engine."""

    def __init__(self, rule: Rule, layout: Layout, remembered: Remembered, skew_tolerance_ns: int, offender_count_max: int) -> None:
        self._rule = rule
        self._asked = asked_leaves(rule, layout)
        self._outlines = Outlines(rule, self._asked, _stand_in, remembered) if asks_numbers_alone(rule) else None
        self._skew_tolerance_ns = skew_tolerance_ns
        self._offender_count_max = offender_count_max

    def judgement(self, asked: Asked, trace: KeptTrace) -> Judgement:
        """Return the verdict on a trace with its evidence."""
        found = self._outlined(asked, trace) or self._judged(asked, trace)
        for span in found.offenders:
            if isinstance(span, CapturedSpan):
                # What is said of a trace outlives it.
                span.settle()
        return found

    def _outlined(self, asked: Asked, trace: KeptTrace) -> Judgement | None:
        outlines = self._outlines
        if outlines is None:
            return None
        found = outlines.find([trace.count(leaf) for leaf in outlines.leaves], trace.totals, asked.closing, asked.opened_ns)
        if found is None:
            return None
        return found.judged(chain.from_iterable(map(trace.selected, found.blamed)), self._offender_count_max)

    def _judged(self, asked: Asked, trace: KeptTrace) -> Judgement:
        return judge(
            self._rule,
            trace.view,
            asked.closing,
            opened_ns=asked.opened_ns,
            skew_tolerance_ns=self._skew_tolerance_ns,
            offender_count_max=self._offender_count_max,
            memory=known(self._asked, trace.members, _stand_in("")),
        )


def _links(program: LuaProgram, handle: int) -> dict[str, str]:
    digits = program.tree(handle).hex()
    ids = [digits[at : at + _ID_DIGITS] for at in range(0, len(digits), _ID_DIGITS)]
    return {span_id: "" if parent_id == _NO_ID else parent_id for span_id, parent_id in zip(ids[::2], ids[1::2], strict=True)}


def _stand_in(span_id: str) -> Span:
    return Span("", span_id, "", 0, 0)
