"""Walk over a rule's meaning, and change it, without knowing its nodes one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any

from compiler import ir

#: Every kind of node there is.
NODE_KINDS: frozenset[type[Any]] = frozenset(
    kind for kind in vars(ir).values() if isinstance(kind, type) and is_dataclass(kind) and kind.__module__ == ir.__name__
)
# Of each kind of node the names of its fields.
_PARTS = {kind: tuple(part.name for part in fields(kind)) for kind in NODE_KINDS}
# The types of fields that hold no nodes; any other may.
_PLAIN = frozenset({"str", "str | None", "bool", "int | None", "bool | int | float | str | Duration", "AttributeScope", "Pattern"})
# Of each kind of node the names of the fields that may hold nodes, the last first.
_BELOW = {kind: tuple(part.name for part in reversed(fields(kind)) if part.type not in _PLAIN) for kind in _PARTS}


def walk(node: object, not_below: tuple[type[object], ...] = ()) -> Iterator[object]:
    """Yield a node and every node below it, parents first; of a tuple those in it.

    Of nodes of the kinds `not_below` nothing is yielded but themselves.
    """
    pending = [node]
    while pending:
        found = pending.pop()
        if (below := _BELOW.get(type(found))) is not None:
            yield found
            if below and not isinstance(found, not_below):
                pending += [getattr(found, name) for name in below]
        elif isinstance(found, tuple):
            pending += found[::-1]


def parts_of(node: object) -> tuple[str, ...]:
    """Return the names of the fields of a node, in their order; none of what is no node."""
    return _PARTS.get(type(node), ())


def with_parts(node: Any, change: Callable[[Any], Any]) -> Any:  # noqa: ANN401  # each node gives one of its own sort
    """Return a node, or a tuple, with each of its parts changed; anything else as it is."""
    if isinstance(node, tuple):
        return tuple(map(change, node))
    parts = parts_of(node)
    return replace(node, **{name: change(getattr(node, name)) for name in parts}) if parts else node


def mentions_bound(node: object) -> bool:
    """Say whether a node reads or names the span that `for each` bound."""
    reads = (ir.Attribute, ir.Intrinsic)
    return any(isinstance(found, ir.Bound) or (isinstance(found, reads) and found.of is not None) for found in walk(node))
