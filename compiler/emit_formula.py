"""Formulas of a trace in Lua, in full generality.

Counterparts: compiler/evaluate.py, aggregates.py, relations.py and select in interpreter.py.

A formula is a function of (state, closed, bound row) that returns true, false or nil; `closed` says which column of the table in
rule-language.md section 6 holds. What is plain reads bits and counters of the state, the rest the rows of the trace that is laid out.
"""

from __future__ import annotations

from typing import assert_never

from compiler import ir
from compiler import lua_tree as lua
from compiler.emit_aggregate import grouping, scalar
from compiler.emit_chunk import Chunk
from compiler.emit_predicate import chained, compared, connective, predicate_function
from compiler.emit_selection import list_of, related_list, seen_bit
from compiler.engine_plan import is_plain_all, is_plain_related, leaf_key
from compiler.evaluate import DECIDED_BY_BOUNDS, FALLING, MIRRORED, aggregates_of, is_constant
from compiler.kinds import kind_of

PARAMETERS = ("state", "closed", "j")
ARGUMENTS = tuple(lua.Name(word) for word in PARAMETERS)
STATE, CLOSED, BOUND = ARGUMENTS
GROUP = lua.Name("group")


def formula_function(node: ir.Formula, chunk: Chunk) -> lua.Index:
    """Return the place of the function of a formula."""
    return chunk.once("F", node, lambda: lua.Function(PARAMETERS, _body(node, chunk)))


def _body(node: ir.Formula, chunk: Chunk) -> tuple[lua.Statement, ...]:
    match node:
        case ir.And(sides=sides):
            return connective([formula(side, chunk) for side in chained(ir.And, sides)], decides=False)
        case ir.Or(sides=sides):
            return connective([formula(side, chunk) for side in chained(ir.Or, sides)], decides=True)
        case ir.Comparison(quantifier=""):
            return _compared_body(node, chunk, None)
        case ir.Comparison():
            return _quantified(node, chunk)
        case _:
            return (lua.Return((formula(node, chunk),)),)


def formula(node: ir.Formula, chunk: Chunk) -> lua.Expr:
    """Return the truth of a formula as an expression."""
    match node:
        case ir.And() | ir.Or() | ir.Comparison():
            return lua.call(formula_function(node, chunk), *ARGUMENTS)
        case ir.Not(body=body):
            return lua.call("V.no", formula(body, chunk))
        case ir.Selected(related=related) if is_plain_related(related):
            return lua.call("W.seen", STATE, *seen_bit(chunk, leaf_key(related.selector)), CLOSED)
        case ir.Selected(related=related):
            return lua.call("W.some", related_list(related, chunk), CLOSED)
        case ir.AllOf(selector=selector, predicate=predicate) if is_plain_all(node):
            return lua.call("W.unbroken", STATE, *seen_bit(chunk, leaf_key(selector, predicate)), CLOSED)
        case ir.AllOf(selector=selector, predicate=predicate):
            return lua.call("W.all", list_of(selector, chunk), predicate_function(predicate, chunk), CLOSED, BOUND)
    assert_never(node)


def _quantified(node: ir.Comparison, chunk: Chunk) -> tuple[lua.Statement, ...]:
    """Compare every group; while the trace may grow a further group may come. The loop is the comparison's own."""
    grouped = [found for found in aggregates_of(node) if found.by]
    groupings = tuple(grouping(found, chunk) for found in grouped)
    keys = lua.Field(groupings[0], "order") if len(groupings) == 1 else lua.call("W.union", lua.Table(groupings))
    compare = chunk.once("C", node, lambda: lua.Function((*PARAMETERS, "group"), _compared_body(node, chunk, GROUP)))
    some, other = (lua.TRUE, lua.FALSE) if node.quantifier == "some" else (lua.FALSE, lua.TRUE)
    truth, unknown, found = lua.Name("truth"), lua.Name("unknown"), lua.Name("keys")
    loop = (
        lua.Local(("truth",), (lua.call(compare, *ARGUMENTS, lua.Index(found, lua.Name("x"))),)),
        lua.If(lua.Binary("==", truth, some), (lua.Return((some,)),)),
        lua.If(lua.Binary("==", truth, lua.NIL), (lua.Assign(unknown, lua.TRUE),)),
    )
    return (
        lua.Local(("keys", "unknown"), (keys, lua.Not(CLOSED))),
        lua.For("x", lua.Number(1), lua.Field(found, "n"), loop),
        lua.If(unknown, (lua.Return((lua.NIL,)),)),
        lua.Return((other,)),
    )


def _compared_body(node: ir.Comparison, chunk: Chunk, group: lua.Expr | None) -> tuple[lua.Statement, ...]:
    """Compare by value where the trace is closed or both sides are constant; else as far as bounds decide: compare_group in evaluate.py."""
    left, right = scalar(node.left, chunk, group), scalar(node.right, chunk, group)
    by_value = lua.Return((compared(node.word, left, kind_of(node.left), right, kind_of(node.right)),))
    if is_constant(node.left) and is_constant(node.right):
        return (by_value,)
    if is_constant(node.right):
        decided = _decided(node.word, node.left, left, node.right, right)
    elif is_constant(node.left):
        decided = _decided(MIRRORED[node.word], node.right, right, node.left, left)
    else:
        decided = lua.NIL
    return (lua.If(CLOSED, (by_value,)), lua.Return((decided,)))


def _decided(word: str, node: ir.Value, bound: lua.Expr, constant_node: ir.Value, constant: lua.Expr) -> lua.Expr:
    """Return what all values beyond a bound agree on: _decided in evaluate.py."""
    name = node.word if isinstance(node, ir.Aggregate) else node.name if isinstance(node, ir.TraceValue) else ""
    if name not in DECIDED_BY_BOUNDS:
        return lua.NIL
    beyond, reached = ("<", "<=") if name in FALLING else (">", ">=")

    def holds(sign: str) -> lua.Expr:
        return compared(sign, bound, kind_of(node), constant, kind_of(constant_node))

    if word in {beyond, reached}:
        return lua.call("W.if_true", holds(word), lua.TRUE)
    if word in {"==", "!="}:
        return lua.call("W.if_true", holds(beyond), lua.TRUE if word == "!=" else lua.FALSE)
    return lua.call("W.if_true", holds(reached if word == MIRRORED[beyond] else beyond), lua.FALSE)
