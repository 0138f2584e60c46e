"""Predicates of a span in Lua, in full generality. Counterpart: predicate in compiler/interpreter.py.

A predicate is a function of (rows, slots, row, bound row, element, its size) that returns true, false or nil for unknown. What leaves can
do at the speed of bits is in emit_leaf.py; this is what they fall back to, and what captured rows are asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar, assert_never

from compiler import ir
from compiler import lua_tree as lua
from compiler.emit_chunk import Chunk
from compiler.emit_value import ARGUMENTS, PARAMETERS, Place, is_length, literal, value
from compiler.engine_layout import ELEMENT_TAGS
from compiler.kinds import Kind, kind_of
from compiler.values import Duration

# Sides of one function; a longer chain becomes a chain of chains, which has the same meaning.
SIDE_COUNT_MAX = 500

Sort = TypeVar("Sort")

_SIDE, _UNKNOWN = lua.Name("side"), lua.Name("unknown")
_COMPARE = {"==": "equal", "!=": "unequal", "<": "less", "<=": "at_most", ">": "more", ">=": "at_least"}
_TEXT_TESTS = {"contains": "contains", "startswith": "starts", "endswith": "ends"}


def predicate_function(node: ir.Predicate, chunk: Chunk, element: str = "") -> lua.Index:
    """Return the place of the function of a predicate."""
    at = Place(chunk, element=element)
    return chunk.once("P", (node, element), lambda: lua.Function(PARAMETERS, _body(node, at)))


def _body(node: ir.Predicate, at: Place) -> tuple[lua.Statement, ...]:
    match node:
        case ir.And(sides=sides):
            return connective([truth(side, at) for side in chained(ir.And, sides)], decides=False)
        case ir.Or(sides=sides):
            return connective([truth(side, at) for side in chained(ir.Or, sides)], decides=True)
        case _:
            return (lua.Return((truth(node, at),)),)


def chained(word: type[ir.And[Sort] | ir.Or[Sort]], sides: Sequence[Sort]) -> Sequence[Sort | ir.And[Sort] | ir.Or[Sort]]:
    """Return few enough sides for one function, chains of chains where there are more."""
    if len(sides) <= SIDE_COUNT_MAX:
        return sides
    return [word(tuple(sides[start : start + SIDE_COUNT_MAX])) for start in range(0, len(sides), SIDE_COUNT_MAX)]


def connective(sides: Sequence[lua.Expr], *, decides: bool) -> tuple[lua.Statement, ...]:
    """Return the body of a Kleene `or` (`decides` True) or `and`: the first side that decides ends it."""
    decided, otherwise = (lua.TRUE, lua.FALSE) if decides else (lua.FALSE, lua.TRUE)
    body: list[lua.Statement] = [lua.Local(("side", "unknown"), (lua.NIL, lua.FALSE))]
    for side in sides:
        body.append(lua.Assign(_SIDE, side))
        body.append(lua.If(lua.Binary("==", _SIDE, decided), (lua.Return((decided,)),)))
        body.append(lua.If(lua.Binary("==", _SIDE, lua.NIL), (lua.Assign(_UNKNOWN, lua.TRUE),)))
    body.append(lua.If(_UNKNOWN, (lua.Return((lua.NIL,)),)))
    return (*body, lua.Return((otherwise,)))


def truth(node: ir.Predicate, at: Place) -> lua.Expr:
    """Return the truth of a predicate as an expression; a connective is called by its number."""
    match node:
        case ir.And() | ir.Or():
            return lua.call(predicate_function(node, at.chunk, at.element), *ARGUMENTS)
        case ir.Not(body=body):
            return lua.call("V.no", truth(body, at))
        case ir.Compare(word=word, left=left, right=right):
            return compared(word, value(left, at), kind_of(left), value(right, at), kind_of(right))
        case ir.In(value=operand, items=items):
            return _in(operand, items, at)
        case ir.Matches(value=operand, pattern=pattern):
            return lua.call("V.matches", value(operand, at), pattern_matcher(pattern.text, at.chunk))
        case ir.TextTest(word=word, value=operand, part=part):
            return lua.call("V." + _TEXT_TESTS[word], value(operand, at), value(part, at))
        case ir.Exists(value=operand):
            return lua.Binary("~=", value(operand, at), lua.NIL)
        case ir.IsTrue(value=operand):
            return lua.call("V.is_true", value(operand, at))
        case ir.SomeElement(word=word, predicate=inner):
            function = predicate_function(inner, at.chunk, word)
            return lua.call("V.some_element", lua.Number(ELEMENT_TAGS[word]), function, *ARGUMENTS[:4])
    assert_never(node)


def pattern_matcher(text: str, chunk: Chunk) -> lua.Index:
    """Return the place of a pattern's matcher, which the host makes before the chunk is loaded."""
    return lua.item("M", chunk.pattern(text))


def compared(word: str, left: lua.Expr, left_kind: Kind, right: lua.Expr, right_kind: Kind) -> lua.Expr:
    """Return a comparison of two values: of durations or times as `int64_t`, of what cannot be equal nothing."""
    if is_length(left_kind) or is_length(right_kind):
        same = bool(left_kind & right_kind & (Kind.DURATION | Kind.TIME))
        return lua.call("V.length_" + _COMPARE[word], left, right) if same else lua.NIL
    return lua.call("V." + _COMPARE[word], left, right)


def _in(operand: ir.Value, items: tuple[ir.Literal, ...], at: Place) -> lua.Expr:
    if is_length(kind_of(operand)):
        lengths = [item.value.ns for item in items if isinstance(item.value, Duration)]
        same = len(lengths) == len(items) and bool(kind_of(operand) & Kind.DURATION)
        listed = at.chunk.once("L", ("lengths", tuple(lengths)), lambda: lua.Table(tuple(lua.Int64(ns) for ns in lengths)))
        return lua.call("V.length_in", value(operand, at), listed, lua.Number(len(lengths))) if same or not items else lua.NIL
    return lua.call("V.is_in", value(operand, at), listed_items(items, at.chunk))


def listed_items(items: tuple[ir.Literal, ...], chunk: Chunk) -> lua.Index:
    """Return the place of a list as a set."""
    return chunk.once("L", items, lambda: lua.call("V.set", lua.Table(tuple(literal(item.value) for item in items))))
