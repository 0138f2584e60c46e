"""What an engine's program keeps and where: columns of a row, leaves, bits and counters of a state.

A *column* is a field of a span that rules read; a row has a slot for each. A *leaf* is a selection that can be decided span by span: a base
with a predicate that mentions no bound span. A leaf belongs to the class of its span name; leaves of any span and of roots to class 0. The
leaves of a class are the bits of a row's *membership* words, those of class 0 first.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple, TypeAlias

from compiler import ir

WORD_BITS = 32
ANY_CLASS = 0
SERVICE_KEY = "service.name"
# The tags of a span's fields that hold its events and its links.
ELEMENT_TAGS = {"event": 0x5A, "link": 0x6A}
# What the runtime is set up with.
Setting: TypeAlias = "bool | int | bytes | list[Setting] | dict[str | int, Setting]"
# What a counter of so many bytes holds at most.
COUNTER_SIZES = {1: 2**8 - 1, 2: 2**16 - 1, 4: 2**31 - 1}
# Counters stay below 2^30, for so many spans have no room in memory: a difference of a counter and a smaller constant fits 32 bits.
CONSTANT_MAX = 2**30 - 1


class ColumnKind(IntEnum):
    """Where a column comes from; ANY is a span's attribute, else its resource's."""

    ANY = 0
    SPAN = 1
    RESOURCE = 2
    SCOPE = 3
    NAME = 4
    STATUS_MESSAGE = 5
    SCOPE_NAME = 6
    SCOPE_VERSION = 7


# The tag byte before a text in a message, where it is not that of an attribute's string (0x0a).
TEXT_TAGS = {ColumnKind.NAME: 0x2A, ColumnKind.STATUS_MESSAGE: 0x12, ColumnKind.SCOPE_VERSION: 0x12}


class Column(NamedTuple):
    """A field that rules read; `key` is empty for intrinsics."""

    kind: ColumnKind
    key: str = ""


_SCOPES = {
    ir.AttributeScope.ANY: ColumnKind.ANY,
    ir.AttributeScope.SPAN: ColumnKind.SPAN,
    ir.AttributeScope.RESOURCE: ColumnKind.RESOURCE,
    ir.AttributeScope.SCOPE: ColumnKind.SCOPE,
}
_INTRINSICS = {
    "span:name": ColumnKind.NAME,
    "span:statusMessage": ColumnKind.STATUS_MESSAGE,
    "instrumentation:name": ColumnKind.SCOPE_NAME,
    "instrumentation:version": ColumnKind.SCOPE_VERSION,
}


def column_of(path: ir.Path) -> Column | None:
    """Return the column of a path; None for what a row holds anyway and for attributes of events and links."""
    if isinstance(path, ir.Attribute):
        kind = _SCOPES.get(path.scope)
        return None if kind is None else Column(kind, path.key)
    kind = _INTRINSICS.get(path.name)
    return None if kind is None else Column(kind)


@dataclass(frozen=True, slots=True)
class LeafKey:
    """A base with what must be true and, for `all`, what must not be true of a span."""

    base: ir.Named | ir.AnySpan | ir.Root
    where: ir.Predicate | None = None
    not_true: ir.Predicate | None = None


@dataclass(slots=True)
class Leaf:
    """A leaf and what a trace remembers of it: `local` is its bit among the leaves of its class.

    `seen` is its bit among those of the state, None where nobody asks whether some span was selected; `counter` likewise. `is_captured`:
    the spans it selects become rows of the trace.
    """

    key: LeafKey
    class_id: int
    local: int
    seen: int | None = None
    counter: int | None = None
    is_captured: bool = False


@dataclass(slots=True)
class NameClass:
    """The spans of one name: its leaves, the columns they read, and the columns and bytes that captured rows carry."""

    name: str
    leaves: list[Leaf] = field(default_factory=list)
    captured_columns: dict[Column, None] = field(default_factory=dict)
    captures_bytes: bool = False

    @property
    def word_count(self) -> int:
        """The membership words its own leaves take."""
        return (len(self.leaves) + WORD_BITS - 1) // WORD_BITS


class Layout:
    """Grows while rules are planned; what was given a number keeps it."""

    def __init__(self) -> None:
        self.columns: dict[Column, int] = {}
        self.leaves: dict[LeafKey, Leaf] = {}
        self.classes: list[NameClass] = [NameClass("")]
        self.class_ids: dict[str, int] = {}
        self._seen: dict[LeafKey, Leaf] = {}
        self._counted: dict[LeafKey, Leaf] = {}
        self.reads_tree = False
        self._count_max = 0
        self.column(Column(ColumnKind.RESOURCE, SERVICE_KEY))

    def column(self, column: Column) -> int:
        """Return the number of a column, from 1; slot 0 of a row takes what nobody reads."""
        return self.columns.setdefault(column, len(self.columns) + 1)

    def class_of(self, base: ir.Named | ir.AnySpan | ir.Root) -> int:
        """Return the class of a base."""
        if not isinstance(base, ir.Named):
            return ANY_CLASS
        if base.name not in self.class_ids:
            self.class_ids[base.name] = len(self.classes)
            self.classes.append(NameClass(base.name))
        return self.class_ids[base.name]

    def leaf(self, key: LeafKey) -> Leaf:
        """Return the leaf of a key."""
        found = self.leaves.get(key)
        if found is None:
            class_id = self.class_of(key.base)
            leaves = self.classes[class_id].leaves
            found = self.leaves[key] = Leaf(key, class_id, len(leaves))
            leaves.append(found)
        return found

    def mark_seen(self, leaf: Leaf) -> None:
        """Let the state hold whether some span was selected by a leaf."""
        self._seen[leaf.key] = leaf

    def mark_counted(self, leaf: Leaf, count_max: int) -> None:
        """Let the state count the spans that a leaf selects; above `count_max` any number is as good as another."""
        self._counted[leaf.key] = leaf
        self._count_max = max(self._count_max, count_max)

    def finish(self) -> None:
        """Number bits and counters: those of one class stand together, so that a span touches few words."""
        for one in self.classes:
            one.leaves.sort(key=lambda leaf: (leaf.key not in self._seen, leaf.key not in self._counted))
            for local, leaf in enumerate(one.leaves):
                leaf.local = local
        order = sorted(self._seen.values(), key=lambda leaf: (leaf.class_id, leaf.local))
        for number, leaf in enumerate(order):
            leaf.seen = number
        for number, leaf in enumerate(sorted(self._counted.values(), key=lambda leaf: (leaf.class_id, leaf.local))):
            leaf.counter = number

    @property
    def bit_count(self) -> int:
        """The bits of a state."""
        return len(self._seen)

    @property
    def counter_count(self) -> int:
        """The counters of a state."""
        return len(self._counted)

    @property
    def counter_size(self) -> int:
        """The bytes of a counter, which stays at what they hold at most: more than any that is told apart."""
        return next((size for size, most in COUNTER_SIZES.items() if self._count_max < most), max(COUNTER_SIZES))

    @property
    def any_word_count(self) -> int:
        """The membership words of class 0, which every row has."""
        return self.classes[ANY_CLASS].word_count

    @property
    def word_count_max(self) -> int:
        """The membership words of the largest class, those of class 0 included."""
        return self.any_word_count + max((one.word_count for one in self.classes[1:]), default=0)
