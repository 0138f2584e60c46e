"""Walk over a rule's meaning without knowing its nodes one by one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass

from compiler import ir


def walk(node: object) -> Iterator[object]:
    """Yield a node and everything below it, parents first; tuples and fields that hold no nodes yield what they hold."""
    pending = [node]
    while pending:
        found = pending.pop()
        yield found
        if isinstance(found, tuple):
            pending.extend(reversed(found))
        elif is_dataclass(found) and type(found).__module__ == ir.__name__:
            pending.extend(getattr(found, part.name) for part in reversed(fields(found)))


def mentions_bound(node: object) -> bool:
    """Say whether a node reads or names the span that `for each` bound."""
    reads = (ir.Attribute, ir.Intrinsic)
    return any(isinstance(found, ir.Bound) or (isinstance(found, reads) and found.of is not None) for found in walk(node))
