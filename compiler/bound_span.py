"""A predicate of the span looked at, said of the span that `for each` bound."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from compiler import ir
from compiler.ir_walk import with_parts


def of_bound_span(predicate: ir.Predicate, bound: str) -> ir.Predicate:
    """Return a predicate with the bound span for the span looked at.

    What asks for an event or a link is left as it is: inside of it, too, the span looked at may be read.
    """
    moved: ir.Predicate = _moved(predicate, bound)
    return moved


def _moved(node: Any, bound: str) -> Any:  # noqa: ANN401  # each node becomes one of its own sort
    match node:
        case ir.SomeElement() | ir.Literal() | ir.Attribute(scope=ir.AttributeScope.ELEMENT):
            return node
        case ir.Attribute(of=None) | ir.Intrinsic(of=None):
            return replace(node, of=bound)
        case _:
            return with_parts(node, lambda part: _moved(part, bound))
