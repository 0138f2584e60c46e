"""Records are asked for before they are read (compiler/runtime/prefetch.lua): all of each, in order, never what lies beyond one."""

from __future__ import annotations

from random import Random

import pytest

from tests.compiler.lua_runtime import MODES, lua, runtime_file

LEAD, STEP_MAX = 16384, 2048

# On a machine without an instruction for it memory is read by memcmp, which is watched here: where, and how much.
ENVIRONMENT = b"""
return function(part)
  local ffi, bit = require('ffi'), require('bit')
  pcall(ffi.cdef, [[
    typedef struct {
      const uint64_t *addresses; const int64_t *lengths; uint64_t offset; int32_t mi, last;
      const uint8_t *ahead; int32_t ahead_left, ahead_mi, lead, read;
    } looking_t;
  ]])
  local asked = { n = 0 }
  local C = { memcmp = function(p, q, n)
    asked.n = asked.n + 1
    asked[asked.n] = { tonumber(ffi.cast('intptr_t', p)), n }
  end }
  local E = { ffi = setmetatable({ arch = 'none' }, { __index = ffi }), bit = bit, C = C }
  part(E)
  local D, addresses, lengths = ffi.new('looking_t'), ffi.new('uint64_t[64]'), ffi.new('int64_t[64]')
  D.addresses, D.lengths = addresses, lengths
  return {
    record = function(k, address, length) addresses[k], lengths[k], D.last = address, length, k + 1 end,
    begin = function(mi, is_new) D.mi = mi; E.begin_looking_ahead(D, is_new) end,
    read = function(p) E.look_ahead(D, p) end,
    done = function(length) D.lead, D.read = D.lead - (length - D.read), 0 end,
    count = function() return asked.n end,
    asked = function(k) return asked[k][1], asked[k][2] end,
  }
end
"""


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("seed", range(8))
def test_all_of_each_record_is_asked_for_in_order_before_it_is_read(mode: str, seed: int) -> None:
    looking = lua(mode).execute(ENVIRONMENT)(runtime_file(mode, "prefetch.lua"))
    r = Random(seed)
    lengths = [r.choice((40, 700, 3_000, 90_000)) for _ in range(40)]
    begins = [1_000_000 * (number + 1) for number in range(40)]
    for number, (begin, length) in enumerate(zip(begins, lengths, strict=True)):
        looking.record(number, begin, length)
    expected = dict(zip(begins, lengths, strict=True))
    seen: list[tuple[int, int]] = []
    for number, length in enumerate(lengths):
        if number == 0 or r.random() < 0.3:
            # The decoder was left, and comes back for the same records.
            looking.begin(number, number == 0)
        p = 0
        while p < length:
            p = min(length, p + r.randrange(30, 900))
            before = looking.count()
            looking.read(p)
            seen += [looking.asked(k) for k in range(before + 1, looking.count() + 1)]
            assert looking.count() <= before + 1
        looking.done(length)
    at = dict.fromkeys(begins, 0)
    for address, size in seen:
        begin = address // 1_000_000 * 1_000_000
        assert address == begin + at[begin]
        assert 0 <= size <= STEP_MAX
        at[begin] += size
        assert at[begin] <= expected[begin]
    order = [address // 1_000_000 for address, _ in seen]
    assert order == sorted(order)
    assert sum(size for _, size in seen) > sum(lengths) - LEAD


@pytest.mark.parametrize("mode", MODES)
def test_the_instruction_itself_takes_any_address(mode: str) -> None:
    ask = lua(mode).execute(
        b"""return function(part)
          local ffi, held = require('ffi'), {}
          pcall(ffi.cdef, 'int memcmp(const void *, const void *, size_t);')
          local E = { ffi = ffi, bit = require('bit'), C = ffi.C, hold = function(value) held[#held + 1] = value end }
          part(E)
          local bytes = ffi.new('uint8_t[4096]')
          return function(rounds)
            for k = 0, rounds do E.prefetch(bytes + k % 4000, k % 96) end
            if #held > 0 then E.prefetch(ffi.cast('uint8_t *', 16), 100000) end
            return #held
          end
        end"""
    )(runtime_file(mode, "prefetch.lua"))
    assert ask(1_000) in {0, 1}
