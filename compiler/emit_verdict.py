"""Verdicts of rules in Lua, in full generality. Counterpart: compiler/judge.py.

A rule is a function of (state, closed) that returns a code: 0 undecided, 1 satisfied, 2 violated, 3 not applicable. The runtime makes
unknown or inconclusive of 0 and asks the exceptions of 2.
"""

from __future__ import annotations

from compiler import ir
from compiler import lua_tree as lua
from compiler.emit_chunk import Chunk
from compiler.emit_formula import PARAMETERS, formula
from compiler.emit_selection import related_list
from compiler.rule_set import Rule

UNDECIDED, SATISFIED, VIOLATED, NOT_APPLICABLE = (lua.Number(code) for code in range(4))
_HEAD, _ALWAYS, _NEVER, _CLOSED = lua.Name("head"), lua.Name("always"), lua.Name("never"), lua.Name("closed")


def rule_function(rule: Rule, chunk: Chunk) -> lua.Expr:
    """Return the function that judges by one rule."""
    program = rule.program
    if program.for_each is None:
        return lua.Function(PARAMETERS, _instance(program, chunk))
    instance = lua.item("R", chunk.add("R", lua.Function(PARAMETERS, _instance(program, chunk))))
    return lua.Function(PARAMETERS, _each(related_list(program.for_each.related, chunk), instance))


def _each(rows: lua.Expr, instance: lua.Expr) -> tuple[lua.Statement, ...]:
    """Judge every instance: violated if one is; while more spans may come nothing else is decided. The loop is the rule's own."""
    found, code, undecided, satisfied = (lua.Name(word) for word in ("found", "code", "undecided", "satisfied"))

    def note(variable: lua.Name, wanted: lua.Expr) -> lua.Statement:
        return lua.If(lua.Binary("==", code, wanted), (lua.Assign(variable, lua.TRUE),))

    loop = (
        lua.Local(("code",), (lua.call(instance, lua.Name("state"), _CLOSED, lua.Index(found, lua.Name("x"))),)),
        lua.If(lua.Binary("==", code, VIOLATED), (lua.Return((VIOLATED,)),)),
        note(undecided, UNDECIDED),
        note(satisfied, SATISFIED),
    )
    return (
        lua.Local(("found", "undecided", "satisfied"), (rows, lua.Not(_CLOSED), lua.FALSE)),
        lua.For("x", lua.Number(1), lua.Field(found, "n"), loop),
        lua.If(undecided, (lua.Return((UNDECIDED,)),)),
        lua.If(satisfied, (lua.Return((SATISFIED,)),)),
        lua.Return((NOT_APPLICABLE,)),
    )


def _instance(program: ir.Rule, chunk: Chunk) -> tuple[lua.Statement, ...]:
    """Judge one instance, the head first: where it is not true nothing else is asked."""
    body: list[lua.Statement] = []
    if program.when is not None:
        body += _truth("head", program.when, chunk)
        body += [
            lua.If(lua.Binary("==", _HEAD, wanted), (lua.Return((code,)),))
            for wanted, code in ((lua.FALSE, NOT_APPLICABLE), (lua.NIL, UNDECIDED))
        ]
    body += _truth("always", program.always, chunk) if program.always is not None else [lua.Local(("always",), (lua.TRUE,))]
    body += _truth("never", program.never, chunk) if program.never is not None else [lua.Local(("never",), (lua.FALSE,))]
    return (*body, lua.Return((lua.call("W.verdict", _ALWAYS, _NEVER),)))


def _truth(variable: str, node: ir.Formula, chunk: Chunk) -> list[lua.Statement]:
    """Only true counts: at a complete close unknown is taken for no."""
    name = lua.Name(variable)
    closed = lua.Assign(name, lua.Binary("==", name, lua.TRUE))
    return [lua.Local((variable,), (formula(node, chunk),)), lua.If(_CLOSED, (closed,))]


def exceptions_table(rule: Rule, chunk: Chunk) -> lua.Expr:
    """Return the exceptions of a rule: of each its formula and the first nanosecond after its last day, nil: never."""
    entries = []
    for exception in rule.exceptions:
        test = lua.Function(PARAMETERS, (lua.Return((formula(exception.formula, chunk),)),))
        expires = lua.FALSE if exception.expires_ns is None else lua.Int64(exception.expires_ns)
        entries.append(lua.Table((test, expires)))
    return lua.Table(tuple(entries))
