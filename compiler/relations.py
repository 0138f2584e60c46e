"""Relations between spans (rule-language.md section 7): part of the reference engine.

`x rel y` selects the x that have such a y. Equality joins and the order of times are looked up in an index, so that a long trace does
not cost the square of its length; what a relation means is in `holds`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from itertools import islice

from compiler import ir
from compiler.interpreter import Look, Trace, select, value
from compiler.joins import hash_key
from compiler.trace import Span, has_times
from compiler.values import compare_plain

# Parents looked at one by one; of longer chains the whole trace is put in order, once, and nobody walks any more.
_WALK_MAX = 64


def select_related(related: ir.Related, trace: Trace) -> list[Span]:
    """Return the spans of the first selector that have all their relations, in order of (start, id)."""
    if not related.links:
        return select(related.selector, trace)
    # From the last neighbour to the first: each keeps those that have the next.
    partners = select(related.links[-1].selector, trace)
    befores = [related.selector, *(link.selector for link in related.links[:-1])]
    for selector, link in zip(reversed(befores), reversed(related.links), strict=True):
        partners = _having(select(selector, trace), link, partners, trace)
    return partners


def _having(spans: Sequence[Span], link: ir.Link, partners: Sequence[Span], trace: Trace) -> list[Span]:
    candidates = _index(link, partners, trace)
    return [a for a in spans if any(a is not b and holds(link, a, b, trace) for b in candidates(a))]


def holds(link: ir.Link, a: Span, b: Span, trace: Trace) -> bool:
    """Say whether `a relation b`, for two different spans, with its `on` and `within`."""
    return relates(link.relation, a, b, trace) and is_within(link, a, b, trace) and all(is_equal(key, a, b, trace) for key in link.on)


def relates(relation: str, a: Span, b: Span, trace: Trace) -> bool:
    """Say whether `a relation b`, whatever `on` and `within` ask besides."""
    match relation:
        case "under":
            return _is_under(a, b, trace)
        case "child of":
            return a.parent_id == b.span_id
        case "sibling of":
            return bool(a.parent_id) and a.parent_id == b.parent_id
        case _:
            return has_times(a) and has_times(b) and _in_time(relation, a, b, trace.skew_tolerance_ns)


def _in_time(relation: str, a: Span, b: Span, skew_ns: int) -> bool:
    match relation:
        case "before":
            return a.end_ns <= b.start_ns + skew_ns
        case "after":
            return b.end_ns <= a.start_ns + skew_ns
        case "during":
            return b.start_ns <= a.start_ns + skew_ns and a.end_ns <= b.end_ns + skew_ns
        case "overlaps":
            return a.start_ns < b.end_ns + skew_ns and b.start_ns < a.end_ns + skew_ns
    raise AssertionError(relation)


def _is_under(a: Span, b: Span, trace: Trace) -> bool:
    """Walk a's chain of parents: it ends at a root, at an absent parent, or where it comes back to a span seen."""
    parent_ids = trace.view.parent_ids
    parent = a.parent_id
    for _ in range(_WALK_MAX if "ancestry" not in vars(trace.view) else 0):
        if parent not in parent_ids:
            return False
        if parent == b.span_id:
            return True
        parent = parent_ids[parent]
    return trace.view.ancestry.is_under(a.span_id, b.span_id)


def is_within(link: ir.Link, a: Span, b: Span, trace: Trace) -> bool:
    """Say whether two spans in order of time are as near as a relation asks."""
    return link.within_ns is None or gap_ns(link.relation, a, b) <= link.within_ns + trace.skew_tolerance_ns


def gap_ns(relation: str, a: Span, b: Span) -> int:
    """Return the nanoseconds from the end of the earlier span to the start of the later one; `before` and `after` say which is which."""
    earlier, later = (a, b) if relation == "before" else (b, a)
    return later.start_ns - earlier.end_ns


def is_equal(key: ir.Path, a: Span, b: Span, trace: Trace) -> bool:
    """Say whether two spans have equal values at a key of `on`."""
    return compare_plain("==", value(key, Look(a, trace.bound)), value(key, Look(b, trace.bound))) is True


# ---- indexes: they only leave out spans of which `holds` is false --------------------------------------------------------------------


def _index(link: ir.Link, partners: Sequence[Span], trace: Trace) -> Callable[[Span], Iterable[Span]]:
    """Return a function from a to the partners worth asking."""
    if link.on:
        return _by_key(partners, lambda span: tuple(hash_key(value(key, Look(span, trace.bound))) for key in link.on))
    match link.relation:
        case "child of":
            return _by_key(partners, lambda b: b.span_id, lambda a: a.parent_id)
        case "sibling of":
            return _by_key(partners, lambda span: span.parent_id)
        case "before":
            return _ordered(partners, lambda b: b.start_ns, lambda a: a.end_ns - trace.skew_tolerance_ns)
        case "after":
            return _ordered(partners, lambda b: -b.end_ns, lambda a: -(a.start_ns + trace.skew_tolerance_ns))
        case _:
            return lambda _a: partners


_Key = Callable[[Span], object]


def _by_key(partners: Sequence[Span], key: _Key, asked: _Key | None = None) -> Callable[[Span], Iterable[Span]]:
    index: dict[object, list[Span]] = {}
    for partner in partners:
        index.setdefault(key(partner), []).append(partner)
    return lambda a: index.get((asked or key)(a), ())


def _ordered(partners: Sequence[Span], key: Callable[[Span], int], least: Callable[[Span], int]) -> Callable[[Span], Iterable[Span]]:
    """The partners whose key is at least what a asks for, nearest first."""
    ordered = sorted(filter(has_times, partners), key=key)
    keys = [key(partner) for partner in ordered]
    return lambda a: islice(ordered, bisect_left(keys, least(a)), None)
