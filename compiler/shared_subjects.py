"""Whether conditions speak of the same things at all: asked first, since a tableau is dear and most conditions do not."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

from compiler import ir

_SPANS = "spans"


def share_a_subject(*nodes: ir.Predicate | ir.Formula) -> bool:
    """Say whether two tests in some conditions speak of one value, of spans of one name, or one of them of any span.

    Where none do, conditions hang on each other in no way; each test by itself was looked at before.
    """
    seen: set[Hashable] = set()
    tests = 0
    pending: list[object] = list(nodes)
    while pending:
        node = pending.pop()
        if isinstance(node, ir.And | ir.Or):
            pending.extend(node.sides)
        elif isinstance(node, ir.Not):
            pending.append(node.body)
        else:
            subjects = set(_subjects(node))
            tests += 1
            if not seen.isdisjoint(subjects) or (tests > 1 and (_SPANS in subjects or _SPANS in seen)):
                return True
            seen |= subjects
    return False


def _subjects(test: object) -> Iterable[Hashable]:
    match test:
        case ir.Compare(left=left, right=right) | ir.Comparison(left=left, right=right):
            return (*_values(left), *_values(right))
        case ir.In(value=value) | ir.Matches(value=value) | ir.Exists(value=value) | ir.IsTrue(value=value):
            return _values(value)
        case ir.TextTest(value=value, part=part):
            return (*_values(value), *_values(part))
        case ir.Selected(related=related):
            return _spans(related)
        case ir.AllOf(selector=selector):
            return (_base(selector.base),)
        case ir.SomeElement(word=word):
            return (word,)
        case _:
            raise AssertionError(test)


def _values(value: ir.Value) -> tuple[Hashable, ...]:
    """Return the values that a value is computed of."""
    match value:
        case ir.Literal():
            return ()
        case ir.Call(argument=inner) | ir.Negate(operand=inner):
            return _values(inner)
        case ir.Arithmetic(first=first, rest=rest):
            return (*_values(first), *(found for _, operand in rest for found in _values(operand)))
        case ir.Aggregate(related=related):
            return _spans(related)
        case _:
            return (value,)


def _spans(related: ir.Related) -> tuple[Hashable, ...]:
    if not related.links:
        return (_base(related.selector.base),)
    selectors = (related.selector, *(link.selector for link in related.links))
    # Of the bound span a relation claims only that it is there.
    return tuple(_base(selector.base) for selector in selectors if not isinstance(selector.base, ir.Bound))


def _base(base: ir.Base) -> Hashable:
    return base.name if isinstance(base, ir.Named) else _SPANS
