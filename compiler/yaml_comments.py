"""The tree of a YAML text with its comments and blank lines, each given to the entry that it speaks of.

A comment on a line of its own belongs to what follows it at its depth or less deep, else to the end of what it is indented with; one
behind something belongs to that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from compiler.layout import Comment
from compiler.yaml_nodes import Document, Mapping, Node, Scalar, Sequence

_COMMENT = re.compile(r"#[^\n]*")
_HEADER_COMMENT = re.compile(r"[|>][^\s#]*[ \t]+(?P<comment>#[^\n]*)")


@dataclass(slots=True)
class Slot:
    """An entry of a mapping (`key` is its key) or an item of a sequence, with the comments before it and behind it on its line."""

    key: Scalar | None
    start: int
    end: int
    column: int
    value: Scalar | Held
    parent: Held | None
    leading: list[Comment] = field(default_factory=list)
    trailing: list[Comment] = field(default_factory=list)
    has_blank_before: bool = False


@dataclass(slots=True)
class Held:
    """A mapping or sequence: its slots, and the comments behind the last of them."""

    node: Mapping | Sequence
    is_flow: bool
    column: int
    owner: Slot | None = None
    slots: list[Slot] = field(default_factory=list)
    tail: list[Comment] = field(default_factory=list)

    def get(self, name: str) -> Slot | None:
        """Return the slot of a key; None where it is absent."""
        return next((slot for slot in self.slots if slot.key is not None and slot.key.text == name), None)


Value: TypeAlias = "Scalar | Held"


def with_comments(root: Mapping) -> Held:
    """Return the tree of a document that has no errors, with every comment in it."""
    held = _held(root)
    placer = _Placer(root.document, held)
    for start, end in _comments(root.document, held):
        placer.place(start, end)
    return held


def comments_of(value: Value) -> Iterator[Comment]:
    """Walk all comments inside of a value."""
    if isinstance(value, Held):
        for slot in value.slots:
            yield from slot.leading
            yield from slot.trailing
            yield from comments_of(slot.value)
        yield from value.tail


def _column(document: Document, index: int) -> int:
    return document.region(index, index + 1).column - 1


def _held(node: Mapping | Sequence) -> Held:
    document = node.document
    is_flow = document.text[node.start : node.start + 1] in {"{", "["}
    held = Held(node, is_flow, _column(document, node.start))
    entries: list[tuple[Scalar | None, Node]] = [*node.entries] if isinstance(node, Mapping) else [(None, item) for item in node.items]
    for key, value in entries:
        start = value.start if key is None else key.start
        column = held.column if key is None or not is_flow else _column(document, start)
        inner = value if isinstance(value, Scalar) else _held(value)
        slot = Slot(key, start, value.end, column, inner, held)
        if isinstance(inner, Held):
            inner.owner = slot
        line = document.region(start, start + 1).line - 1
        slot.has_blank_before = not is_flow and _is_blank(document, line - 1)
        held.slots.append(slot)
    return held


def _is_blank(document: Document, line: int) -> bool:
    return line >= 0 and not document.line(line).strip()


def _slots(held: Held) -> Iterator[Slot]:
    for slot in held.slots:
        yield slot
        if isinstance(slot.value, Held):
            yield from _slots(slot.value)


def _scalars(held: Held) -> Iterator[Scalar]:
    for slot in held.slots:
        if slot.key is not None:
            yield slot.key
        if isinstance(slot.value, Held):
            yield from _scalars(slot.value)
        else:
            yield slot.value


def _comments(document: Document, root: Held) -> Iterator[tuple[int, int]]:
    """Walk where comments are: all that begins with # between scalars, or behind the header of a block scalar."""
    at = 0
    for scalar in _scalars(root):
        yield from _found(document, at, scalar.start)
        if scalar.style in {"|", ">"}:
            header = _HEADER_COMMENT.match(document.text, scalar.start)
            if header:
                yield header.span("comment")
        at = scalar.end
    yield from _found(document, at, len(document.text))


def _found(document: Document, start: int, end: int) -> Iterator[tuple[int, int]]:
    for found in _COMMENT.finditer(document.text, start, end):
        yield found.span()


class _Placer:
    def __init__(self, document: Document, root: Held) -> None:
        self.document = document
        self.root = root
        self.slots = list(_slots(root))
        self.next = 0

    def place(self, start: int, end: int) -> None:
        """Give the comment from one index to another to where it belongs; comments come in order."""
        while self.next < len(self.slots) and self.slots[self.next].start < start:
            self.next += 1
        before = self.slots[self.next - 1] if self.next else None
        line = self.document.region(start, end).line - 1
        text = self.document.text[start:end].rstrip()
        comment = Comment(text, has_blank_before=_is_blank(self.document, line - 1))
        is_alone = not self.document.text[self.document.line_starts[line] : start].strip()
        if before is None:
            self._following(comment)
        elif not is_alone:
            self._behind(before, comment, start)
        else:
            self._alone(before, comment, start)

    def _following(self, comment: Comment) -> None:
        if self.next < len(self.slots):
            self.slots[self.next].leading.append(comment)
        else:
            self.root.tail.append(comment)

    def _behind(self, before: Slot, comment: Comment, start: int) -> None:
        """Behind a dash it speaks of the item; behind the end of a flow collection of what that belongs to; else of what is there."""
        line = self.document.region(start, start + 1).line
        if self.document.text[self.document.line_starts[line - 1] : start].strip() == "-":
            self._following(comment)
            return
        slot = before
        while slot.parent is not None and slot.parent.is_flow and slot.parent.node.end <= start and slot.parent.owner is not None:
            slot = slot.parent.owner
        slot.trailing.append(comment)

    def _alone(self, before: Slot, comment: Comment, start: int) -> None:
        following = self.slots[self.next] if self.next < len(self.slots) else None
        flow = _open_flow(before, start)
        if flow is not None:
            inside = following if following is not None and following.start < flow.node.end else None
            (flow.tail if inside is None else inside.leading).append(comment)
        elif isinstance(before.value, Scalar) and before.value.start > start:
            before.leading.append(comment)
        elif following is not None and _column(self.document, start) <= following.column:
            following.leading.append(comment)
        else:
            self._in_chain(before, following, comment, start)

    def _in_chain(self, before: Slot, following: Slot | None, comment: Comment, start: int) -> None:
        """Look from the last entry upwards for a collection that the comment is indented with."""
        column = _column(self.document, start)
        held: Held | None = before.value if isinstance(before.value, Held) and not before.value.is_flow else before.parent
        while held is not None and held is not self.root and (held.is_flow or held.column > column):
            held = held.owner.parent if held.owner is not None else None
        held = held or self.root
        if following is not None and following.parent is held:
            following.leading.append(comment)
        else:
            held.tail.append(comment)


def _open_flow(before: Slot, start: int) -> Held | None:
    """Return the innermost flow collection that a comment stands in."""
    held: Held | None = before.value if isinstance(before.value, Held) else before.parent
    while held is not None and not (held.is_flow and held.node.start < start < held.node.end):
        held = held.owner.parent if held.owner is not None else None
    return held
