"""Judges a trace by what an engine has kept of it: the reference engine's own code, on captured rows, so that evidence has one meaning.

What was selected is known of every plain selection by its leaf; what reads the bound span is asked of the rows, which are all that it could
select. Spans that no violation of the rule would name were not captured: a stand-in says that there was one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from compiler import ir
from compiler.engine_layout import Layout, Leaf
from compiler.engine_plan import is_plain, is_plain_all, leaf_key
from compiler.interpreter import Memory
from compiler.ir_walk import walk
from compiler.trace import Span, TraceView, place

if TYPE_CHECKING:
    from compiler.rule_set import Rule


class TraceTotals(NamedTuple):
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

    @property
    def is_whole(self) -> bool:
        """Whether there is a root and no orphan."""
        return self.root_count > 0 and self.orphan_count == 0


class CapturedView(TraceView):
    """A trace of which only some spans are there; totals are of all.

    `captured` gives them in order of arrival, and `links` the parent ids of all spans, by id, where a rule asks for them: both are called
    where a rule looks at more than what its leaves select.
    """

    def __init__(self, captured: Callable[[], Sequence[Span]], totals: TraceTotals, links: Callable[[], dict[str, str]]) -> None:
        self._captured = captured
        self._links = links
        self.__dict__.update(
            trace_id=totals.trace_id,
            first_start_ns=totals.first_start_ns,
            last_end_ns=totals.last_end_ns,
            services=list(totals.services),
            orphan_count=totals.orphan_count,
        )
        self._totals = totals

    @cached_property
    def parent_ids(self) -> dict[str, str]:
        """Of each span, captured or not, the parent id."""
        return self._links()

    @cached_property
    def spans(self) -> list[Span]:
        """The captured spans in order of (start, id)."""
        return sorted(self._captured(), key=place)

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
        return self._totals.is_whole


# Of a leaf the captured spans that it selects; of one that captures nothing whether it has selected any.
Members = Callable[[Leaf], "Sequence[Span] | bool"]


class AskedLeaf(NamedTuple):
    """A part of a rule that its leaf answers: the node's id, which holds as long as the rule, and what is known by it."""

    node_id: int
    leaf: Leaf
    is_selection: bool


def asked_leaves(rule: Rule, layout: Layout) -> tuple[AskedLeaf, ...]:
    """Return the parts of a rule that leaves answer; it is the same for every trace."""
    found: list[AskedLeaf] = []
    for part in (rule.program, *(exception.formula for exception in rule.exceptions)):
        for node in walk(part):
            if isinstance(node, ir.Selector) and is_plain(node) and leaf_key(node) in layout.leaves:
                found.append(AskedLeaf(id(node), layout.leaves[leaf_key(node)], is_selection=True))
            elif isinstance(node, ir.AllOf) and is_plain_all(node):
                found.append(AskedLeaf(id(node), layout.leaves[leaf_key(node.selector, node.predicate)], is_selection=False))
    return tuple(found)


def known(asked: Iterable[AskedLeaf], members: Members, stand_in: Span) -> Memory:
    """Return what is known of a trace by leaves, for the rule that asks for them."""
    memory = Memory()
    for one in asked:
        found = members(one.leaf)
        spans = ([stand_in] if found else []) if isinstance(found, bool) else list(found)
        if len(spans) > 1:
            spans.sort(key=place)
        (memory.selected if one.is_selection else memory.not_true)[one.node_id] = spans
    return memory
