r"""Writes a Lua tree as text. The only place that quotes: text of users becomes escaped bytes, `\ddd` for each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import assert_never

from compiler import lua_tree as lua

_INT64_MIN = -(2**63)


def print_chunk(body: Iterable[lua.Statement]) -> str:
    """Return the text of a chunk."""
    return "\n".join(_statements(body, 0)) + "\n"


def _statements(body: Iterable[lua.Statement], depth: int) -> Iterator[str]:
    for statement in body:
        yield from _statement(statement, depth)


def _statement(node: lua.Statement, depth: int) -> Iterator[str]:
    indent = "  " * depth
    match node:
        case lua.Local(names=names, values=values):
            yield indent + "local " + ", ".join(names) + (" = " + _list(values, depth) if values else "")
        case lua.Assign(target=target, value=value):
            yield indent + _expr(target, depth) + " = " + _expr(value, depth)
        case lua.Run(call=call):
            yield indent + _expr(call, depth)
        case lua.Return(values=values):
            yield indent + ("return " + _list(values, depth) if values else "return")
        case lua.If(test=test, body=body, otherwise=otherwise):
            yield indent + "if " + _expr(test, depth) + " then"
            yield from _statements(body, depth + 1)
            if otherwise:
                yield indent + "else"
                yield from _statements(otherwise, depth + 1)
            yield indent + "end"
        case lua.For(variable=variable, first=first, last=last, body=body):
            yield indent + "for " + variable + " = " + _list((first, last), depth) + " do"
            yield from _statements(body, depth + 1)
            yield indent + "end"
        case lua.Do(body=body):
            yield indent + "do"
            yield from _statements(body, depth + 1)
            yield indent + "end"
        case _:
            assert_never(node)


def _list(values: Iterable[lua.Expr], depth: int) -> str:
    return ", ".join([_expr(value, depth) for value in values])


def _expr(node: lua.Expr, depth: int) -> str:
    # What is frequent stands first.
    match node:
        case lua.Name(word=word):
            return word
        case lua.Call(function=function, arguments=arguments):
            return _expr(function, depth) + "(" + _list(arguments, depth) + ")"
        case lua.Number(value=value):
            return _number(value)
        case lua.Index(of=of, key=key):
            return _expr(of, depth) + "[" + _expr(key, depth) + "]"
        case lua.Binary(sign=sign, left=left, right=right):
            return "(" + _expr(left, depth) + " " + sign + " " + _expr(right, depth) + ")"
        case lua.Field(of=of, name=name):
            return _expr(of, depth) + "." + name
        case lua.Word(word=word):
            return word
        case lua.Table(items=items):
            return "{" + _list(items, depth) + "}"
        case lua.Text(value=value):
            return quoted(value)
        case lua.Function(parameters=parameters, body=statements):
            lines = _statements(statements, depth + 1)
            return "function(" + ", ".join(parameters) + ")\n" + "\n".join(lines) + "\n" + "  " * depth + "end"
        case lua.Not(body=body):
            return "(not " + _expr(body, depth) + ")"
        case lua.Int64(value=value):
            return "(-9223372036854775807LL - 1LL)" if value == _INT64_MIN else "(" + str(value) + "LL)"
    assert_never(node)


def _number(value: float) -> str:
    text = str(value) if isinstance(value, int) else format(value, ".17g")
    return "(" + text + ")" if text.startswith("-") else text


def quoted(text: bytes) -> str:
    """Return a Lua string literal of any bytes."""
    return '"' + "".join([f"\\{byte:03d}" for byte in text]) + '"'
