"""Which attribute keys a program wants, and of which spans: settings of compiler/runtime/wanted.lua."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

from compiler import ir
from compiler.engine_layout import ANY_CLASS, Column, ColumnKind, Layout, NameClass, column_of
from compiler.ir_walk import walk
from compiler.values import text_bytes

# Above so many keys in the sets of all classes together, all classes share one.
SET_SIZE_SUM_MAX = 100_000
_PLACES = {ColumnKind.ANY: (0, 2), ColumnKind.SPAN: (1,), ColumnKind.RESOURCE: (3,), ColumnKind.SCOPE: (4,)}


class WantedKey(TypedDict):
    """A key and the columns its value goes to: of a span two, of a resource two, of a scope one; 0 where there is none."""

    text: bytes
    id: int
    c: list[int]


@dataclass(frozen=True, slots=True)
class WantedKeys:
    """All keys, sets of them by their ids, and which set each class of spans wants; set 0 holds all keys."""

    keys: list[WantedKey]
    sets: list[list[int]]
    set_of_class: list[int]


def wanted_keys(layout: Layout) -> WantedKeys:
    """Return the keys of a program; a class wants what is read of any span too."""
    keys = _keys(layout.columns)
    ids = {column: one["id"] for one in keys for column in _columns_of_span(one)}
    by_class = [_ids(layout, one, ids) for one in layout.classes]
    by_class = [found | by_class[ANY_CLASS] for found in by_class]
    if sum(map(len, by_class)) > SET_SIZE_SUM_MAX:
        by_class = [frozenset(ids.values())] * len(by_class)
    numbers = {found: number for number, found in enumerate(dict.fromkeys(by_class), 1)}
    sets = [[one["id"] for one in keys], *(sorted(found) for found in numbers)]
    return WantedKeys(keys, sets, [numbers[found] for found in by_class])


def _keys(columns: dict[Column, int]) -> list[WantedKey]:
    places: dict[str, list[int]] = {}
    for column, number in columns.items():
        if column.kind in _PLACES:
            found = places.setdefault(column.key, [0, 0, 0, 0, 0, 0])
            for place in _PLACES[column.kind]:
                found[place] = number
    for found in places.values():
        for first in (0, 2):
            if not found[first]:
                found[first], found[first + 1] = found[first + 1], 0
    return [WantedKey(text=text_bytes(key), id=number, c=found) for number, (key, found) in enumerate(places.items(), 1)]


def _columns_of_span(one: WantedKey) -> list[int]:
    return [column for column in one["c"][:2] if column]


def _ids(layout: Layout, one: NameClass, ids: dict[int, int]) -> frozenset[int]:
    """Return the ids of the keys that rules read of the spans of a class."""
    read = {layout.columns[column] for column in one.captured_columns}
    for node in walk(tuple((leaf.key.where, leaf.key.not_true) for leaf in one.leaves)):
        if isinstance(node, ir.Attribute) and (column := column_of(node)) is not None:
            read.add(layout.columns[column])
    return frozenset(ids[number] for number in read if number in ids)
