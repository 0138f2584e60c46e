"""Judges a trace by what an engine has kept of it: the reference engine's own code, on captured rows, so that evidence has one meaning.

What was selected is known of every plain selection by its leaf; what reads the bound span is asked of the rows, which are all that it could
select. Spans that no violation of the rule would name were not captured: a stand-in says that there was one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from compiler import ir
from compiler.engine_layout import Layout, Leaf, LeafKey
from compiler.engine_plan import is_plain, is_plain_all, leaf_key
from compiler.interpreter import Memory
from compiler.ir_walk import walk
from compiler.trace import Span, TraceView, place

if TYPE_CHECKING:
    from compiler.rule_set import Rule


@dataclass(frozen=True, slots=True)
class TraceTotals:
    """What every engine keeps of a trace, whatever its rules are."""

    trace_id: str
    span_count: int
    services: tuple[str, ...]
    first_start_ns: int | None
    last_end_ns: int | None
    root_name: str | None
    root_service: str | None
    root_count: int
    orphan_count: int


class CapturedView(TraceView):
    """A trace of which only some spans are there; totals are of all.

    `links` are all spans with their parents, by id, where a rule asks for them.
    """

    def __init__(self, spans: Sequence[Span], totals: TraceTotals, links: Mapping[str, Span]) -> None:
        super().__init__(spans)
        self.by_id = {**links, **self.by_id}
        self.__dict__.update(
            spans=sorted(spans, key=place),
            trace_id=totals.trace_id,
            first_start_ns=totals.first_start_ns,
            last_end_ns=totals.last_end_ns,
            services=list(totals.services),
            orphan_count=totals.orphan_count,
        )
        self._totals = totals

    @property
    def span_count(self) -> int:
        """The number of spans, captured or not."""
        return self._totals.span_count

    @property
    def root_name(self) -> str | None:
        """The name of the first root, captured or not."""
        return self._totals.root_name

    @property
    def root_service(self) -> str | None:
        """The service name of the first root, captured or not."""
        return self._totals.root_service

    @property
    def is_whole(self) -> bool:
        """Whether there is a root and no orphan."""
        return self._totals.root_count > 0 and self._totals.orphan_count == 0


# Of a leaf the captured spans that it selects; of one that captures nothing whether it has selected any.
Members = Callable[[Leaf], "Sequence[Span] | bool"]


def known(rule: Rule, layout: Layout, members: Members, stand_in: Span) -> Memory:
    """Return what is known of a trace by its leaves, for one rule."""
    memory = Memory()

    def spans_of(key: LeafKey) -> list[Span]:
        found = members(layout.leaves[key])
        if isinstance(found, bool):
            return [stand_in] if found else []
        return sorted(found, key=place)

    for part in (rule.program, *(exception.formula for exception in rule.exceptions)):
        for node in walk(part):
            if isinstance(node, ir.Selector) and is_plain(node) and leaf_key(node) in layout.leaves:
                memory.selected[id(node)] = spans_of(leaf_key(node))
            elif isinstance(node, ir.AllOf) and is_plain_all(node):
                memory.not_true[id(node)] = spans_of(leaf_key(node.selector, node.predicate))
    return memory
