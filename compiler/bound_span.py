"""A predicate of the span looked at, said of the span that `for each` bound."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any

from compiler import ir


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
        case tuple():
            return tuple(_moved(item, bound) for item in node)
        case _ if is_dataclass(node) and not isinstance(node, type) and type(node).__module__ == ir.__name__:
            return replace(node, **{part.name: _moved(getattr(node, part.name), bound) for part in fields(node)})
        case _:
            return node
