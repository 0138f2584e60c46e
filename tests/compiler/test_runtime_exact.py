"""Exact sums in Lua, against what the reference engine says of `sum` and `avg`."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from typing import TypeAlias

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from compiler.aggregates import _avg, _sum
from compiler.values import INT64_MAX, INT64_MIN, Duration, Value
from tests.compiler.lua_runtime import MODES, Lua, lua, runtime_file

Number: TypeAlias = int | float

# Ints come as text and go as text: Lua numbers would round them.
ASK = b"""
return function(file)
  local E = file(require('ffi'), require('bit'))
  local function shown(kind, value) return kind, type(value) == 'cdata' and tostring(value) or value end
  return function(ints, doubles, repeats)
    local sum = E.new()
    for _ = 1, repeats do
      for i = 1, #ints do E.add_int(sum, loadstring('return ' .. ints[i])()) end
      for i = 1, #doubles do E.add_double(sum, doubles[i]) end
    end
    local kind, value = shown(E.result(sum))
    local mean_kind, mean = shown(E.average(sum))
    local duration_kind, duration = shown(E.average_duration(sum))
    return kind, value, mean_kind, mean, duration_kind, duration
  end
end
"""


@cache
def exact(mode: str) -> Lua:
    return lua(mode).execute(ASK)(runtime_file(mode, "exact.lua"))


def in_lua(mode: str, numbers: Sequence[Number], repeats: int = 1) -> list[Value]:
    """The sum, the average, and the average of durations as Lua has them; None for undefined."""
    table = lua(mode).table_from
    ints = [lua_int(number) for number in numbers if isinstance(number, int)]
    doubles = [number for number in numbers if isinstance(number, float)]
    found = exact(mode)(table(ints), table(doubles), repeats)
    return [value_of(kind, value) for kind, value in zip(found[::2], found[1::2], strict=True)]


def lua_int(number: int) -> bytes:
    """A literal of an int64; the least one has no literal of its own."""
    return b"-9223372036854775807LL-1" if number == INT64_MIN else b"%dLL" % number


def value_of(kind: bytes, value: bytes | float | None) -> Value:
    if kind == b"undefined":
        assert value is None
        return None
    if kind == b"int":
        assert isinstance(value, bytes)
        return int(value.removesuffix(b"LL"))
    assert kind == b"double"
    assert isinstance(value, int | float)
    return float(value)


def same(left: Value, right: Value) -> bool:
    """Equal in kind and value, infinities too; of zeros the sign does not count."""
    return type(left) is type(right) and left == right


def by_meaning(numbers: Sequence[Number]) -> list[Value]:
    mean = _avg([Duration(number) for number in numbers if isinstance(number, int)])
    duration = mean.ns if isinstance(mean, Duration) and all(isinstance(number, int) for number in numbers) else None
    return [_sum(list(numbers)), _avg(list(numbers)), duration]


_ints = st.one_of(
    st.integers(-9, 9), st.integers(INT64_MIN, INT64_MAX), st.sampled_from([INT64_MAX, INT64_MIN, 2**53, 2**53 + 1, -(2**32)])
)
_doubles = st.one_of(
    st.floats(allow_nan=False),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([5e-324, -5e-324, 2.0**-1022, sys.float_info.max, -sys.float_info.max, 2.0**970, 2.0**969, 1e16, 1.0, -0.0, 2.0**53]),
    st.builds(math.ldexp, st.integers(-3, 3).map(float), st.integers(-1074, 1021)),
    st.builds(math.ldexp, st.integers(-(2**53), 2**53).map(float), st.integers(-1074, 971)),
)


@pytest.mark.parametrize("mode", MODES)
@settings(deadline=None)
@given(numbers=st.lists(st.one_of(_ints, _doubles), max_size=8))
@example(numbers=[])
@example(numbers=[1e308, 1e308, -1e308])
@example(numbers=[sys.float_info.max, 2.0**970])
@example(numbers=[sys.float_info.max, 2.0**969])
@example(numbers=[-sys.float_info.max, -(2.0**970)])
@example(numbers=[1.0, 2.0**-53, 2.0**-106])
@example(numbers=[1.0, 2.0**-53])
@example(numbers=[1.0, 2.0**-52, 2.0**-53])
@example(numbers=[1.0, 2.0**-53, -5e-324])
@example(numbers=[INT64_MAX, 0.5])
@example(numbers=[INT64_MIN, INT64_MIN, 0.25, INT64_MAX])
@example(numbers=[math.inf, -math.inf, 1])
@example(numbers=[INT64_MAX, INT64_MAX, -math.inf])
def test_a_sum_is_rounded_once_and_an_average_is_of_that(mode: str, numbers: list[Number]) -> None:
    found = in_lua(mode, numbers)
    assert all(map(same, found, by_meaning(numbers))), (found, by_meaning(numbers))


@pytest.mark.parametrize("mode", MODES)
@settings(deadline=None)
@given(ints=st.lists(_ints, max_size=8))
@example(ints=[INT64_MAX, 1])
@example(ints=[INT64_MIN, -1])
@example(ints=[INT64_MIN, -1, 1])
@example(ints=[INT64_MAX, INT64_MAX, INT64_MIN, INT64_MIN])
@example(ints=[INT64_MIN])
@example(ints=[-1, 0])
@example(ints=[-(2**32)])
def test_ints_and_durations_never_wrap_round_and_are_undefined_beyond_int64(mode: str, ints: list[int]) -> None:
    found = in_lua(mode, ints)
    assert all(map(same, found, by_meaning(ints))), (found, by_meaning(ints))


@pytest.mark.parametrize(
    "numbers", [[sys.float_info.max / 2, -1.5, 5e-324, -sys.float_info.max / 2], [1.0 + 2.0**-52], [-(2.0**32) + 2.0**-21]]
)
def test_more_doubles_than_a_trace_can_have_are_summed_as_exactly(numbers: list[float]) -> None:
    repeats = 2_200_000
    assert in_lua("compiled", numbers, repeats)[0] == float(sum(map(Fraction, numbers)) * repeats)


@pytest.mark.parametrize("numbers", [[INT64_MAX, INT64_MIN, 1], [-1, 2**32], [INT64_MAX, -INT64_MAX]])
def test_many_ints_are_summed_as_exactly_as_few(numbers: list[int]) -> None:
    assert in_lua("compiled", numbers, 20_000)[0] == sum(numbers) * 20_000


def test_the_sum_of_as_many_ints_as_no_trace_can_have_is_exact() -> None:
    """The pieces of weight 2^32 reach 2^52 only after two million of the greatest ints."""
    ask = lua("compiled").execute(b"""return function(file)
        local E = file(require('ffi'), require('bit'))
        local sum = E.new()
        for i = 1, 5e6 do E.add_int(sum, 9223372036854775807LL) end
        E.add_double(sum, 0)
        return select(2, E.result(sum))
    end""")
    assert ask(runtime_file("compiled", "exact.lua")) == float(INT64_MAX * 5_000_000)
