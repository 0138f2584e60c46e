"""Values of a span in Lua.

Counterparts: value, attribute and intrinsic in compiler/interpreter.py, arithmetic and call in compiler/values.py.

A value is nil where it is missing, else a Lua boolean, string, table (array), number, or `int64_t` for whole numbers beyond 2^53. Durations
and times are always `int64_t`; that a value is one shows when it is compiled (kinds.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import assert_never

from compiler import ir
from compiler import lua_tree as lua
from compiler.emit_chunk import Chunk
from compiler.engine_layout import column_of
from compiler.ir_walk import walk
from compiler.kinds import Kind, kind_of, of_arithmetic
from compiler.values import Duration, text_bytes

EXACT_MAX = 2**53
LENGTHS = Kind.DURATION | Kind.TIME

ROW, BOUND = lua.Name("i"), lua.Name("j")
ROWS, SLOTS = lua.Name("S_rows"), lua.Name("S_slots")
PARAMETERS = ("S_rows", "S_slots", "i", "j", "p", "n")
ARGUMENTS = tuple(lua.Name(word) for word in PARAMETERS)
# LuaJIT allows an expression some 80 calls inside of each other, a rule 64 levels of nesting.
_STEPS_INLINE_MAX = 8
_ARITHMETIC = {"+": "add", "-": "subtract", "*": "multiply", "/": "divide"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value is read: the row looked at and, inside of `event( )` or `link( )`, which of them."""

    chunk: Chunk
    row: lua.Expr = ROW
    element: str = ""


def is_length(kind: Kind) -> bool:
    """Say whether values of these kinds are durations or times, `int64_t` in Lua."""
    return bool(kind & LENGTHS)


def value(node: ir.Value, at: Place) -> lua.Expr:
    """Return the Lua of a value of the span looked at."""
    match node:
        case ir.Literal(value=constant):
            return literal(constant)
        case ir.Attribute() | ir.Intrinsic():
            return path(node, at if node.of is None else replace(at, row=BOUND, element=""))
        case ir.Call(word=word, argument=argument):
            length = word == "abs" and is_length(kind_of(argument))
            return lua.call("V." + ("abs_length" if length else word), value(argument, at))
        case ir.Arithmetic() if is_long(node):
            look = at.chunk.once(
                "Y", ("long", node, at.element), lambda: lua.Function(PARAMETERS, steps(node, lambda part: value(part, at)))
            )
            return lua.call(look, *ARGUMENTS)
        case ir.Arithmetic():
            return arithmetic(node, lambda part: value(part, at))
        case ir.Negate(operand=operand):
            return lua.call("V.negate", value(operand, at))
        case ir.Aggregate() | ir.TraceValue():
            raise AssertionError("a predicate looks at one span")  # lowering refuses it: wrong-sort
    assert_never(node)


def literal(constant: bool | float | str | Duration) -> lua.Expr:  # noqa: FBT001  # a value of the language
    """Return the Lua of a constant."""
    if isinstance(constant, bool):
        return lua.TRUE if constant else lua.FALSE
    if isinstance(constant, str):
        return lua.Text(text_bytes(constant))
    if isinstance(constant, Duration):
        return lua.Int64(constant.ns)
    if isinstance(constant, int) and abs(constant) > EXACT_MAX:
        return lua.Int64(constant)
    return lua.Number(constant)


def is_long(node: ir.Arithmetic) -> bool:
    """Say whether arithmetic would meet LuaJIT's limits on nesting and registers as one expression: it becomes a function of its own."""
    return sum(len(found.rest) for found in walk(node) if isinstance(found, ir.Arithmetic)) > _STEPS_INLINE_MAX


def arithmetic(node: ir.Arithmetic, part: Callable[[ir.Value], lua.Expr]) -> lua.Expr:
    """Return a chain of one precedence; of kinds that have no result, nil. `part` gives the Lua of an operand."""
    found = part(node.first)
    for function, operand in _functions(node):
        found = lua.call(function, found, part(operand)) if function else lua.NIL
    return found


def steps(node: ir.Arithmetic, part: Callable[[ir.Value], lua.Expr]) -> tuple[lua.Statement, ...]:
    """Return the body of a function that goes through a chain step by step."""
    found = lua.Name("found")
    body: list[lua.Statement] = [lua.Local((found.word,), (part(node.first),))]
    for function, operand in _functions(node):
        body.append(lua.Assign(found, lua.call(function, found, part(operand)) if function else lua.NIL))
    return (*body, lua.Return((found,)))


def _functions(node: ir.Arithmetic) -> Iterator[tuple[str, ir.Value]]:
    """Yield each further operand with the function that it and what stands before it go to; none where there is no result."""
    kind = kind_of(node.first)
    for sign, operand in node.rest:
        other = kind_of(operand)
        if sign == "/" and kind & other & Kind.DURATION:
            function = "ratio"
        elif is_length(kind) or is_length(other):
            function = "later" if sign == "+" else "earlier"
        else:
            function = _ARITHMETIC[sign]
        kind = of_arithmetic(sign, kind, other)
        yield ("V." + function if kind else ""), operand


def slot(at: Place, column: int) -> lua.Expr:
    """Return the index of a column's slot of the row looked at."""
    return lua.Binary("+", lua.Binary("*", at.row, lua.Name("K")), lua.Number(column))


def path(node: ir.Path, at: Place) -> lua.Expr:
    """Return an attribute or an intrinsic."""
    column = column_of(node)
    if column is not None:
        return lua.call("V.slot", SLOTS, slot(at, at.chunk.layout.column(column)))
    if isinstance(node, ir.Attribute):
        assert at.element
        tag = lua.Number(0x1A if at.element == "event" else 0x22)
        return lua.call("V.element_attribute", lua.Name("p"), lua.Name("n"), tag, lua.Text(text_bytes(node.key)))
    return _intrinsic(node.name, at)


_OF_ROW = {
    "span:duration": "V.duration",
    "span:status": "V.status",
    "span:kind": "V.kind",
    "span:id": "V.span_id",
    "span:parentID": "V.parent_id",
    "span:startTime": "V.start_time",
    "span:endTime": "V.end_time",
}


def _intrinsic(name: str, at: Place) -> lua.Expr:
    p, n = lua.Name("p"), lua.Name("n")
    match name:
        case "event:name":
            return lua.call("V.element_text", p, n, lua.Number(0x12))
        case "event:timeSinceStart":
            return lua.call("V.since_start", ROWS, at.row, p, n)
        case "link:traceID":
            return lua.call("V.element_id", p, n, lua.Number(0x0A))
        case "link:spanID":
            return lua.call("V.element_id", p, n, lua.Number(0x12))
        case _:
            return lua.call(_OF_ROW[name], ROWS, at.row)
