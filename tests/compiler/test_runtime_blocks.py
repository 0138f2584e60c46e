"""Blocks of traces (compiler/runtime/blocks.lua): their bytes stay, their sum is right, what is kept for later is bounded."""

from __future__ import annotations

from random import Random

import pytest

from tests.compiler.lua_runtime import MODES, Lua, lua, runtime_file

SHELVED_MAX = 16777216

ENVIRONMENT = b"""
return function(part)
  local ffi, bit = require('ffi'), require('bit')
  pcall(ffi.cdef, [[
    typedef struct { void *p; int32_t n, cap; } block_t;
    typedef struct { int32_t n, cap; int32_t v[0]; } list_t;
    void *calloc(size_t, size_t); void *malloc(size_t); void *realloc(void *, size_t); void free(void *);
  ]])
  local freed, held = { n = 0 }, {}
  local C = setmetatable({ free = function(p) freed.n = freed.n + 1; ffi.C.free(p) end }, { __index = ffi.C })
  local E = { ffi = ffi, bit = bit, C = C, prefetch = function() end, hold = function(value) held[#held + 1] = value end }
  part(E)
  local blocks = ffi.new('block_t[1024]')
  return {
    freed = function() return freed.n end,
    bytes = function() return E.block_bytes end,
    resize = function(k, cap) E.resize(blocks[k], cap, 1) end,
    drop = function(k) E.free_block(blocks[k], 1) end,
    address = function(k) return tonumber(ffi.cast('intptr_t', blocks[k].p)) end,
    write = function(k, text) ffi.copy(blocks[k].p, text, #text) end,
    read = function(k, n) return ffi.string(blocks[k].p, n) end,
    zeros = function(n)
      local p = ffi.cast('uint8_t *', E.take_zeros(n))
      local sum = 0
      for i = 0, n - 1 do sum = sum + p[i] end
      E.give_back(p, n)
      return sum
    end,
  }
end
"""


@pytest.fixture(params=MODES)
def blocks(request: pytest.FixtureRequest) -> Lua:
    return lua(request.param).execute(ENVIRONMENT)(runtime_file(request.param, "blocks.lua"))


def test_blocks_keep_their_bytes_while_they_grow_and_others_come_and_go(blocks: Lua) -> None:
    r = Random(7)
    held: dict[int, bytes] = {}
    for _ in range(6_000):
        k = r.randrange(200)
        if k in held and r.random() < 0.4:
            assert blocks.read(k, len(held[k])) == held.pop(k)
            blocks.drop(k)
        else:
            size = len(held.get(k, b"")) + r.choice((1, 7, 8, 200, 900, 9_000))
            blocks.resize(k, size)
            assert blocks.read(k, len(held.get(k, b""))) == held.get(k, b"")
            held[k] = r.randbytes(size)
            blocks.write(k, held[k])
        assert blocks.bytes() == sum(map(len, held.values()))
    assert all(blocks.read(k, len(text)) == text for k, text in held.items())


def test_what_was_given_back_is_taken_again_without_asking_the_allocator(blocks: Lua) -> None:
    blocks.resize(0, 200)
    before = blocks.address(0)
    blocks.drop(0)
    blocks.resize(1, 196)
    assert blocks.address(1) == before
    assert blocks.freed() == 0


def test_a_block_that_was_used_before_is_zeroed_where_zeros_are_asked_for(blocks: Lua) -> None:
    blocks.resize(0, 640)
    blocks.write(0, b"\xff" * 640)
    blocks.drop(0)
    assert blocks.zeros(640) == 0


def test_what_lies_for_later_is_bounded_and_large_blocks_never_do(blocks: Lua) -> None:
    blocks.resize(0, 8_193)
    blocks.drop(0)
    assert blocks.freed() == 1
    count = 2 * SHELVED_MAX // 8_192 // 1_000
    for _ in range(count):
        for k in range(1_000):
            blocks.resize(k, 8_192)
        for k in range(1_000):
            blocks.drop(k)
    assert blocks.freed() == 1
    assert blocks.bytes() == 0
