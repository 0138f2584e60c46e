"""Walk over a rule's meaning, and change it, without knowing its nodes one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any

from compiler import ir

# Of each kind of node the names of its fields, the last first.
_PARTS: dict[type[object], tuple[str, ...]] = {
    kind: tuple(part.name for part in reversed(fields(kind)))
    for kind in vars(ir).values()
    if isinstance(kind, type) and is_dataclass(kind) and kind.__module__ == ir.__name__
}


def walk(node: object, not_below: tuple[type[object], ...] = ()) -> Iterator[object]:
    """Yield a node and everything below it, parents first; tuples and fields that hold no nodes yield what they hold.

    Of nodes of the kinds `not_below` nothing is yielded but themselves.
    """
    pending = [node]
    while pending:
        found = pending.pop()
        yield found
        if isinstance(found, tuple):
            pending.extend(reversed(found))
        elif (parts := _PARTS.get(type(found))) is not None and not isinstance(found, not_below):
            pending.extend([getattr(found, name) for name in parts])


def parts_of(node: object) -> tuple[str, ...]:
    """Return the names of the fields of a node, in their order; none of what is no node."""
    return _PARTS.get(type(node), ())[::-1]


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
