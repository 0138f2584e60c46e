"""Keys of rows in Lua: a number for each row of a list, the same for values that are equal, by which rows are joined and grouped.

Counterparts: hash_key in compiler/joins.py, groups_of in compiler/aggregates.py, `on` in compiler/relations.py.
"""

from __future__ import annotations

from collections.abc import Hashable

from compiler import ir
from compiler import lua_tree as lua
from compiler.emit_chunk import Chunk
from compiler.emit_value import ARGUMENTS, PARAMETERS, ROW, Place, is_length, value
from compiler.ir_walk import mentions_bound
from compiler.kinds import kind_of

BOUND = lua.Name("j")
# Paths from which on their key is a function of its own: a loop that holds it all would jump too far for LuaJIT.
_JOINED_INLINE_MAX = 100
_LIST, _IDS, _MADE, _STAMP = (lua.Name(word) for word in ("list", "ids", "made", "stamp"))
_PARAMETERS = ("list", "ids", "made", "stamp", "S_rows", "S_slots", "j")


def paths_keys(paths: tuple[ir.Path, ...], rows: lua.Expr, chunk: Chunk) -> lua.Expr:
    """Return the keys of some rows by what `on` names: two rows share one if they are equal at each path."""
    return _keys(("on", paths), _joined_key(paths, chunk), paths, rows, chunk)


def group_keys(paths: tuple[ir.Path, ...], rows: lua.Expr, chunk: Chunk) -> lua.Expr:
    """Return the keys of some rows by what `by` names; a duration or a time is no group."""
    if any(is_length(kind_of(path)) for path in paths):
        return _keys("none", lua.NIL, (), rows, chunk)
    return paths_keys(paths, rows, chunk)


def join_keys(own: ir.Value, rows: lua.Expr, chunk: Chunk) -> lua.Expr:
    """Return the keys of some rows by a value that is compared with one of the bound row."""
    return _keys(("join", own), join_key(value(own, Place(chunk)), own), own, rows, chunk)


def join_key(found: lua.Expr, node: ir.Value) -> lua.Expr:
    """Return the key of a value in a join: arrays, which equal several values, share one."""
    return lua.call("V.length_key" if is_length(kind_of(node)) else "V.join_key", found)


def _joined_key(paths: tuple[ir.Path, ...], chunk: Chunk) -> lua.Expr:
    keys = tuple(lua.call("V.length_key" if is_length(kind_of(path)) else "V.key", value(path, Place(chunk))) for path in paths)
    if len(keys) == 1:
        return keys[0]
    joined = lua.call("V.joined_key", lua.Table(keys), lua.Number(len(keys)))
    if len(keys) <= _JOINED_INLINE_MAX:
        return joined
    return lua.call(chunk.once("Y", ("joined", paths), lambda: lua.Function(PARAMETERS, (lua.Return((joined,)),))), *ARGUMENTS)


def _keys(name: Hashable, key: lua.Expr, read: object, rows: lua.Expr, chunk: Chunk) -> lua.Expr:
    """Call the function that finds the keys of a list; each row's is found once per trace, unless it hangs on the bound row."""
    varies = lua.TRUE if mentions_bound(read) else lua.FALSE
    function = chunk.once("Y", ("keys", name), lambda: lua.call("W.keyed", _fill(key), varies))
    return lua.call(function, rows, BOUND)


def _fill(key: lua.Expr) -> lua.Expr:
    made = lua.Index(_MADE, ROW)
    found = lua.Assign(lua.Index(_IDS, ROW), lua.call("W.id_of", key))
    body = (
        lua.Local(("i",), (lua.Index(_LIST, lua.Name("x")),)),
        lua.If(lua.Binary("~=", made, _STAMP), (lua.Assign(made, _STAMP), found)),
    )
    return lua.Function(_PARAMETERS, (lua.For("x", lua.Number(1), lua.Field(_LIST, "n"), body),))
