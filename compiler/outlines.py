"""Judgements by how many spans each selection of a rule holds: of most rules nothing else decides them.

Violations of one rule differ in their spans, and seldom in these numbers. So the reference engine's code is asked once about each
*situation*, of stand-ins; what it says is the *outline* of every judgement in this situation, for which only the offenders are to be named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from compiler import ir
from compiler.captured_trace import AskedLeaf, CapturedView, TraceTotals, known
from compiler.engine_layout import Leaf
from compiler.engine_plan import reads_rows
from compiler.ir_walk import walk
from compiler.judge import closing_for, in_force, judge
from compiler.trace import Span, place
from compiler.verdict import Closing, Judgement

if TYPE_CHECKING:
    from compiler.rule_set import Rule

# Who selects more spans, or asks for more selections, seldom meets a situation twice.
_SPAN_COUNT_MAX = 64
_LEAF_COUNT_MAX = 64
# Situations of all rules together.
_REMEMBERED_MAX = 4_096
_NOTHING = CapturedView(list, TraceTotals("", 0, (), None, None, None, None, 1, 0), dict)


class Outline(NamedTuple):
    """A judgement that names no offenders, and the leaves whose spans they are."""

    judgement: Judgement
    blamed: tuple[Leaf, ...]

    def judged(self, offenders: Iterable[Span], offender_count_max: int) -> Judgement:
        """Return the judgement of a trace of which these are the offenders, some of them more than once."""
        spans = sorted({span.span_id: span for span in offenders}.values(), key=place)
        return self.judgement.naming(spans[:offender_count_max], len(spans))


def asks_numbers_alone(rule: Rule) -> bool:
    """Say whether a rule and its exceptions ask nothing of a trace but how many spans their plain selections hold."""
    parts = (rule.program, *(exception.formula for exception in rule.exceptions))
    return not any(reads_rows(part) or any(isinstance(node, ir.TraceValue) for node in walk(part)) for part in parts)


# What is known of situations, of rules by their ids.
Remembered: TypeAlias = dict[tuple[object, ...], Outline]


class Outlines:
    """The outlines of a rule that asks numbers alone; `stand_in` makes a span of an id, `remembered` is shared by the rules of a set."""

    def __init__(self, rule: Rule, asked: Sequence[AskedLeaf], stand_in: Callable[[str], Span], remembered: Remembered) -> None:
        self.leaves: tuple[Leaf, ...] = tuple({id(one.leaf): one.leaf for one in asked}.values())
        self._rule = rule
        self._asked = asked
        self._stand_in = stand_in
        self._remembered = remembered

    def find(self, counts: Sequence[int], totals: TraceTotals, closing: Closing, opened_ns: int | None) -> Outline | None:
        """Return the outline for a trace of which the leaves hold so many spans each; None where these are too many to remember it."""
        if sum(counts) > _SPAN_COUNT_MAX or len(counts) > _LEAF_COUNT_MAX:
            return None
        rule = self._rule
        closing = closing_for(rule.program, totals, closing)
        excuses = tuple([one.name for one in in_force(rule, opened_ns)]) if rule.exceptions else ()
        situation = (rule.id, *counts, closing, excuses)
        found = self._remembered.get(situation)
        if found is None:
            if len(self._remembered) >= _REMEMBERED_MAX:
                self._remembered.clear()
            found = self._remembered[situation] = self._outline(counts, closing, opened_ns)
        return found

    def _outline(self, counts: Sequence[int], closing: Closing, opened_ns: int | None) -> Outline:
        spans = {
            id(leaf): [self._stand_in(f"{at} {number}") for number in range(count)]
            for at, (leaf, count) in enumerate(zip(self.leaves, counts, strict=True))
        }
        memory = known(self._asked, lambda leaf: spans[id(leaf)], self._stand_in(""))
        found = judge(self._rule, _NOTHING, closing, opened_ns=opened_ns, offender_count_max=_SPAN_COUNT_MAX, memory=memory)
        # A formula blames all spans of a selection, or none.
        blamed = {int(span.span_id.partition(" ")[0]) for span in found.offenders}
        return Outline(found.naming((), 0), tuple(leaf for at, leaf in enumerate(self.leaves) if at in blamed))
