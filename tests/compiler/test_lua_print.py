r"""Lua trees as text: what is printed is read by LuaJIT as what was meant, and strings are nothing but `\ddd`."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler import lua_tree as lua
from compiler.lua_print import print_chunk, quoted
from tests.compiler.lua_runtime import lua as runtime


def read(value: lua.Expr) -> object:
    """Return what LuaJIT makes of an expression."""
    found: object = runtime("interpreted").execute(print_chunk([lua.Return((value,))]).encode())
    return found


@given(st.binary(max_size=40))
def test_a_string_is_a_backslash_and_three_digits_for_each_byte(text: bytes) -> None:
    assert re.fullmatch(r'"(?:\\[0-9]{3})*"', quoted(text))


@given(st.binary(max_size=40))
def test_lua_reads_the_bytes_that_were_quoted(text: bytes) -> None:
    assert read(lua.Text(text)) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_lua_reads_the_number_that_was_printed(number: float) -> None:
    found = read(lua.Number(number))
    assert found == number
    assert isinstance(found, int | float)
    assert math.copysign(1, found) == math.copysign(1, number) or number == 0


@pytest.mark.parametrize("number", [0, 1, -1, 2**53, 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63) + 1, -(2**63)])
def test_lua_reads_the_int64_that_was_printed(number: int) -> None:
    assert read(lua.call("tostring", lua.Int64(number))) == f"{number}LL".encode()


def test_operators_keep_the_order_of_their_tree() -> None:
    one, two, three = lua.Number(1), lua.Number(2), lua.Number(-3)
    assert read(lua.Binary("*", lua.Binary("+", one, two), lua.Binary("-", two, three))) == 15
    assert read(lua.Not(lua.Binary("==", one, two))) is True


def test_statements_are_blocks_within_blocks() -> None:
    total, item = lua.Name("total"), lua.Name("item")
    is_odd = lua.Binary("==", lua.Binary("%", item, lua.Number(2)), lua.Number(1))
    add = lua.Assign(total, lua.Binary("+", total, item))
    function = lua.Function(
        ("last",),
        (
            lua.Local(("total", "unused"), (lua.Number(0),)),
            lua.For("item", lua.Number(1), lua.Name("last"), (lua.If(is_odd, (add,), (lua.Run(lua.call("tostring", item)),)),)),
            lua.Do((lua.Local(("total",), (lua.NIL,)),)),
            lua.Return((total,)),
        ),
    )
    body: list[lua.Statement] = [
        lua.Local(("sum", "list"), (function, lua.Table((lua.Number(5),)))),
        lua.Return((lua.call("sum", lua.item("list", 1)),)),
    ]
    assert runtime("interpreted").execute(print_chunk(body).encode()) == 1 + 3 + 5
