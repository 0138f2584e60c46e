"""Which attribute keys a program wants, and of which spans: settings of compiler/runtime/wanted.lua."""

from __future__ import annotations

from compiler import ir
from compiler.engine_layout import ANY_CLASS, Column, ColumnKind, Layout, NameClass, Setting, column_of
from compiler.ir_walk import walk
from compiler.values import text_bytes

# Above so many keys in the sets of all classes together, all classes share one.
SET_SIZE_SUM_MAX = 100_000
_PLACES = {ColumnKind.ANY: (0, 2), ColumnKind.SPAN: (1,), ColumnKind.RESOURCE: (3,), ColumnKind.SCOPE: (4,)}
_OF_SPANS = frozenset({ColumnKind.ANY, ColumnKind.SPAN})


def wanted_keys(layout: Layout) -> dict[str | int, Setting]:
    """Return all keys with their columns, sets of them by their ids (set 0 holds all), and which set each class of spans wants."""
    places = _places(layout.columns)
    ids = {key: number for number, key in enumerate(places, 1)}
    read = [_read(one) for one in layout.classes]
    # Whatever its name is, a span is one of any span too.
    by_class = [keys | read[ANY_CLASS] for keys in read]
    if sum(map(len, by_class)) > SET_SIZE_SUM_MAX:
        by_class = [frozenset(ids)] * len(by_class)
    numbers = {keys: number for number, keys in enumerate(dict.fromkeys(by_class), 1)}
    sets = (ids.values(), *(sorted(ids[key] for key in keys) for keys in numbers))
    return {
        "keys": [{"text": text_bytes(key), "id": ids[key], "c": columns} for key, columns in places.items()],
        "key_sets": [[*some] for some in sets],
        "key_set_of_class": [numbers[keys] for keys in by_class],
    }


def _places(columns: dict[Column, int]) -> dict[str, list[Setting]]:
    """Return of each key the columns its value goes to: of a span two, of a resource two, of a scope one; 0 where there is none."""
    places: dict[str, list[Setting]] = {}
    for column, number in columns.items():
        if column.kind in _PLACES:
            found = places.setdefault(column.key, [0, 0, 0, 0, 0, 0])
            for place in _PLACES[column.kind]:
                found[place] = number
    for found in places.values():
        for first in (0, 2):
            if not found[first]:
                found[first], found[first + 1] = found[first + 1], 0
    return places


def _read(one: NameClass) -> frozenset[str]:
    """Return the keys that rules read of the spans of a class."""
    nodes = walk(tuple((leaf.key.where, leaf.key.not_true) for leaf in one.leaves))
    columns = (*one.captured_columns, *(column_of(node) for node in nodes if isinstance(node, ir.Attribute)))
    return frozenset(column.key for column in columns if column is not None and column.kind in _OF_SPANS)
