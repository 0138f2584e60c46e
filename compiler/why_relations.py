"""Why no span has the relations that a selection asks for: which of the spans on its way are missing, or what the nearest pair misses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice, product

from compiler import ir
from compiler.interpreter import Look, Trace, base_spans, select, value
from compiler.ir_text import Writer, duration_of
from compiler.reason import NAMED_MAX, Found, Reason, writer_of
from compiler.relations import gap_ns, holds, is_equal, is_within, relates, select_related
from compiler.trace import Span, has_times
from compiler.values import Duration
from compiler.why_predicate import selection_reason, tests_of

_PAIRS_MAX = 50_000


def nothing_related(related: ir.Related, trace: Trace) -> Reason:
    """Return why no span is selected together with its relations."""
    text = writer_of(trace).related(related)
    truth = None if trace.is_open else False
    if not select(related.selector, trace):
        found = _selects_nothing(related.selector, trace)
        return found if not related.links else Reason(text, truth, parts=(found,))
    # From the last neighbour to the first: the first that has none is where the chain breaks.
    for at in range(len(related.links) - 1, -1, -1):
        before = related.selector if at == 0 else related.links[at - 1].selector
        link = related.links[at]
        partners = select_related(ir.Related(link.selector, related.links[at + 1 :]), trace)
        if not partners:
            return Reason(text, truth, parts=(_selects_nothing(link.selector, trace),))
        spans = select(before, trace)
        if not spans:
            return Reason(text, truth, parts=(_selects_nothing(before, trace),))
        if not select_related(ir.Related(before, related.links[at:]), trace):
            return Reason(text, truth, parts=(_nearest_pair(link, spans, partners, trace),))
    raise AssertionError(text)


def something_related(related: ir.Related, spans: Sequence[Span], trace: Trace) -> Reason:
    """Return why these spans are selected: of the first the tests that are true of it, and the spans that it is related to with theirs."""
    writer, first = writer_of(trace), spans[0]
    parts = list(tests_of(related.selector.where, first, trace))
    span = first
    for at, link in enumerate(related.links):
        partners = select_related(ir.Related(link.selector, related.links[at + 1 :]), trace)
        partner = next(one for one in partners if one is not span and holds(link, span, one, trace))
        found = tuple(Found(writer.value(key), value(key, Look(partner, trace.bound))) for key in link.on)
        parts.append(
            Reason(
                writer.link(link),
                truth=True,
                found=found,
                spans=(partner,),
                span_count=1,
                parts=tests_of(link.selector.where, partner, trace),
            )
        )
        span = partner
    note = "the tests are those of the first span" if parts and len(spans) > 1 else ""
    return Reason(writer.related(related), truth=True, spans=tuple(spans[:NAMED_MAX]), span_count=len(spans), note=note, parts=tuple(parts))


def _selects_nothing(selector: ir.Selector, trace: Trace) -> Reason:
    return selection_reason(selector, trace, base_spans(selector.base, trace))


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two spans, and what of a relation holds between them."""

    a: Span
    b: Span
    relates: bool
    is_within: bool
    equal: tuple[bool, ...]
    missed_ns: int

    @property
    def nearness(self) -> tuple[int, int]:
        """How much holds, and of equals how near in time."""
        return (2 * sum(self.equal) + self.relates + (self.relates and self.is_within), -abs(self.missed_ns))


def _nearest_pair(link: ir.Link, spans: Sequence[Span], partners: Sequence[Span], trace: Trace) -> Reason:
    writer = writer_of(trace)
    truth = None if trace.is_open else False
    pairs = [_pair(link, a, b, trace) for a, b in islice(product(spans, partners), _PAIRS_MAX) if a is not b]
    if not pairs:
        return Reason(writer.link(link), truth, note="the only span would have to stand in this relation to itself")
    nearest = max(pairs, key=lambda pair: pair.nearness)
    parts = _parts(link, nearest, trace, writer)
    missed = tuple(part for part in parts if part.truth is not True)
    return Reason(writer.link(link), truth, spans=(nearest.a, nearest.b), span_count=2, is_near=True, parts=missed)


def _pair(link: ir.Link, a: Span, b: Span, trace: Trace) -> _Pair:
    equal = tuple(is_equal(key, a, b, trace) for key in link.on)
    return _Pair(a, b, relates(link.relation, a, b, trace), is_within(link, a, b, trace), equal, _missed_ns(link.relation, a, b))


def _missed_ns(relation: str, a: Span, b: Span) -> int:
    """Return by how much a relation of times is missed; not positive where it holds."""
    match relation:
        case "before":
            return a.end_ns - b.start_ns
        case "after":
            return b.end_ns - a.start_ns
        case "during":
            return max(b.start_ns - a.start_ns, a.end_ns - b.end_ns)
        case "overlaps":
            return max(a.start_ns - b.end_ns, b.start_ns - a.end_ns)
        case _:
            return 0


def _parts(link: ir.Link, pair: _Pair, trace: Trace, writer: Writer) -> list[Reason]:
    parts = [Reason(link.relation, pair.relates, note="" if pair.relates else _against(link.relation, pair, trace))]
    if link.within_ns is not None and pair.relates:
        gap = Found("apart", Duration(gap_ns(link.relation, pair.a, pair.b)))
        parts.append(Reason(f"within {duration_of(link.within_ns)}", pair.is_within, found=(gap,)))
    for key, equal in zip(link.on, pair.equal, strict=True):
        looks = [(span, Look(span, trace.bound)) for span in (pair.a, pair.b)]
        found = tuple(Found(f"{writer.value(key)} of {span.name}", value(key, look)) for span, look in looks)
        parts.append(Reason(f"on {writer.value(key)}", equal, found=found))
    return parts


def _against(relation: str, pair: _Pair, trace: Trace) -> str:
    """Say what speaks against a relation of two spans."""
    a, b = pair.a, pair.b
    if relation in {"under", "child of", "sibling of"}:
        parent = trace.view.by_id.get(a.parent_id)
        of_a = (
            "has no parent" if not a.parent_id else "has a parent that is not there" if parent is None else f"is a child of {parent.name}"
        )
        return f"{a.name} {of_a}"
    if not (has_times(a) and has_times(b)):
        return "a span has no usable times"
    missed = duration_of(pair.missed_ns)
    match relation:
        case "before":
            return f"{a.name} ends {missed} after {b.name} starts"
        case "after":
            return f"{a.name} starts {missed} before {b.name} ends"
        case "during":
            return f"{a.name} {'starts' if b.start_ns - a.start_ns == pair.missed_ns else 'ends'} {missed} outside of {b.name}"
        case _:
            return f"they are {missed} apart"
