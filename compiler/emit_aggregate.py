"""Values of a trace in Lua: aggregates, groups, trace intrinsics. Counterparts: compiler/aggregates.py, scalar in compiler/evaluate.py."""

from __future__ import annotations

from compiler import ir
from compiler import lua_tree as lua
from compiler.emit_chunk import Chunk
from compiler.emit_keys import group_keys
from compiler.emit_selection import related_list
from compiler.emit_value import PARAMETERS as LOOK
from compiler.emit_value import SLOTS, Place, arithmetic, is_length, is_long, literal, slot, steps, value
from compiler.engine_layout import column_of
from compiler.engine_plan import is_plain_count, leaf_key
from compiler.ir_walk import mentions_bound
from compiler.kinds import Kind, kind_of

BOUND = lua.Name("j")
_LONG = ("state", "j", "group")
_TRACE_VALUES = {
    "trace:id": "W.trace_id",
    "trace:duration": "W.trace_duration",
    "trace:spanCount": "W.span_count",
    "trace:serviceCount": "W.service_count",
    "trace:rootName": "W.root_name",
    "trace:rootService": "W.root_service",
}


def scalar(node: ir.Value, chunk: Chunk, group: lua.Expr | None) -> lua.Expr:
    """Return a value of the trace, for one group where there are groups."""
    match node:
        case ir.Literal(value=constant):
            return literal(constant)
        case ir.Attribute() | ir.Intrinsic():
            function = chunk.once("Y", ("own", node), lambda: lua.Function(LOOK, (lua.Return((value(node, Place(chunk)),)),)))
            return lua.call(function, lua.name("T.rows"), lua.name("T.slots"), BOUND, BOUND)
        case ir.Aggregate():
            return _aggregate(node, chunk, group)
        case ir.TraceValue(name=name):
            return lua.call(_TRACE_VALUES[name], lua.Name("state"))
        case ir.Arithmetic() if is_long(node):
            own = None if group is None else lua.Name("group")
            body = chunk.once("Y", ("long", node, own), lambda: lua.Function(_LONG, steps(node, lambda part: scalar(part, chunk, own))))
            return lua.call(body, lua.Name("state"), BOUND, group or lua.NIL)
        case ir.Arithmetic():
            return arithmetic(node, lambda part: scalar(part, chunk, group))
        case ir.Negate(operand=operand):
            return lua.call("V.negate", scalar(operand, chunk, group))
        case _:
            raise AssertionError(node)  # lowering refuses it: wrong-sort


def grouping(node: ir.Aggregate, chunk: Chunk) -> lua.Expr:
    """Return the rows of an aggregate by group, made once per trace unless they hang on the bound row."""
    varies = lua.TRUE if mentions_bound(node) else lua.FALSE
    place = ("groups", node.related, node.by)

    def make() -> lua.Expr:
        rows = lua.Name("rows")
        keys = group_keys(node.by, rows, chunk)
        body = (
            lua.If(lua.call("W.grouped", lua.Number(number), varies), (lua.Return((lua.item("GROUPS", number),)),)),
            lua.Local(("rows",), (related_list(node.related, chunk),)),
            lua.Return((lua.call("W.groups", lua.Number(number), rows, keys),)),
        )
        return lua.Function(("j",), body)

    number = chunk.number(place)
    return lua.call(chunk.once("G", place, make), BOUND)


def _aggregate(node: ir.Aggregate, chunk: Chunk, group: lua.Expr | None) -> lua.Expr:
    if is_plain_count(node):
        counter = chunk.layout.leaves[leaf_key(node.related.selector)].counter
        assert counter is not None
        return lua.item("state.c", counter)
    rows = related_list(node.related, chunk)
    if node.by:
        assert group is not None
        rows = lua.call("W.group", grouping(node, chunk), group)
    if node.word == "count" and node.of is None:
        return lua.call("W.count", rows)
    assert node.of is not None
    return _of_values(node.word, node.of, rows, chunk)


def _of_values(word: str, of: ir.Path, rows: lua.Expr, chunk: Chunk) -> lua.Expr:
    """Aggregate the values of a path; durations are told from numbers by their kind, ints from doubles by their tag."""
    kind = kind_of(of)
    length = is_length(kind)
    if kind & Kind.TIME:
        rows = lua.Name("NONE")  # times are no values of an aggregate
    read = chunk.once("Y", ("own", of), lambda: lua.Function(LOOK, (lua.Return((value(of, Place(chunk)),)),)))
    arguments = [rows, read]
    if word in {"sum", "avg"}:
        arguments.append(chunk.once("Y", ("whole", of), lambda: lua.Function(LOOK, (lua.Return((_is_whole(of, chunk),)),))))
    arguments.append(lua.TRUE if length else lua.FALSE)
    return lua.call("W." + word, *arguments, BOUND)


def _is_whole(of: ir.Path, chunk: Chunk) -> lua.Expr:
    column = column_of(of)
    if column is None:
        return lua.TRUE
    place = Place(chunk, row=lua.Name("j") if of.of is not None else lua.Name("i"))
    return lua.Binary("==", lua.Field(lua.Index(SLOTS, slot(place, chunk.layout.column(column))), "tag"), lua.Number(0x18))
