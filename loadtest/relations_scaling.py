"""`python -m loadtest.relations_scaling`: what a relation costs per row of a trace, in Lua, from short traces to long ones.

Half of the rows ask, the other half are their partners. Times overlap at random, ends are in no order, chains of parents branch at random,
and a key is shared by about four rows; no two traces are alike, so that no branch is learnt by heart.
"""

from __future__ import annotations

import random
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, TypeAlias

import click
from lupa.luajit21 import LuaRuntime

# What Lua gives back has no types.
Lua: TypeAlias = Any

ROW_COUNTS = (20, 2_000, 20_000)
ROWS_AT_ONCE = 40_000
SECONDS = 0.3
ROW = struct.Struct("<16xQQqq16x16x12xi")
CALLS = (
    "before",
    "before within",
    "after",
    "after within",
    "during",
    "overlaps",
    "child_of",
    "sibling_of",
    "under",
    "tree",
)
# Per case: rows, ids, parents, as, bs, keys, tree.
BENCH = b"""
return function(sweep, relations)
  local ffi = require('ffi')
  local R = relations(ffi, sweep(ffi, require('bit')), 64)
  local rows_of = ffi.typeof('$[?]', ffi.typeof[[struct { uint64_t tid0, tid1, sid, pid; int64_t t0, t1; int32_t name, trace, kind, status;
    const uint8_t *p, *np; int32_t plen, nlen, res, timed; }]])
  local ids_of = ffi.typeof('uint64_t[?]')
  local cases = {}
  local function numbered(keys, count)
    local known, ids, bound = {}, ffi.new('int32_t[?]', count), 0
    for r = 0, count - 1 do
      local key = keys[r + 1]
      if not known[key] then known[key], bound = bound, bound + 1 end
      ids[r] = known[key]
    end
    return { ids = ids, bound = bound }
  end
  local M = {}
  function M.clear() cases = {} end
  function M.add(count, packed, ids, pids, as, bs, keys)
    local case = { rows = rows_of(count), ids = ids_of(count), pids = ids_of(count), as = as, bs = bs, count = count }
    case.keys = numbered(keys, count)
    ffi.copy(case.rows, packed, #packed)
    ffi.copy(case.ids, ids, #ids)
    ffi.copy(case.pids, pids, #pids)
    as.n, bs.n = #as, #bs
    case.tree = R.tree(case.ids, case.pids, count)
    cases[#cases + 1] = case
  end
  function M.run(relation, within, keyed, times)
    local found, call, within = 0, R[relation], within and 1000LL or nil
    for _ = 1, times do
      for i = 1, #cases do
        local case = cases[i]
        local by = keyed and case.keys or nil
        if relation == 'tree' then
          R.tree(case.ids, case.pids, case.count)
        elseif relation == 'under' then
          found = found + call(case.rows, case.as, case.bs, case.tree, by, by).n
        else
          found = found + call(case.rows, case.as, case.bs, 0LL, within, by, by).n
        end
      end
    end
    return found
  end
  return M
end
"""


@dataclass(frozen=True, slots=True)
class Bench:
    """The benchmark in a runtime of its own, and how that makes tables."""

    runs: Lua
    table: Lua

    @classmethod
    def make(cls) -> Bench:
        """Load the files of the engine that are measured, with the room for compiled code that the engine gives itself."""
        runtime = LuaRuntime(encoding=None, register_eval=False)
        runtime.execute(b"jit.opt.start('maxtrace=20000', 'maxmcode=65536')")
        found = (runtime.execute(files("compiler").joinpath("runtime", name).read_bytes()) for name in ("sweep.lua", "relations.lua"))
        return cls(runtime.execute(BENCH)(*found), runtime.table_from)


def add_trace(bench: Bench, count: int, draw: random.Random) -> None:
    """Give the benchmark a trace of so many rows."""
    starts = sorted(draw.randint(1, 100 * count) for _ in range(count))
    ids = [draw.getrandbits(64) or 1 for _ in range(count)]
    parents = [ids[draw.randrange(max(0, place - 50), place)] if place else 0 for place in range(count)]
    rows = b"".join(
        ROW.pack(id_, parent, start, start + draw.randint(0, 5_000), 1) for id_, parent, start in zip(ids, parents, starts, strict=True)
    )
    sides: tuple[list[int], list[int]] = ([], [])
    for place in range(count):
        sides[draw.getrandbits(1)].append(place)
    keys = [b"order-%d" % draw.randrange(1 + count // 4) for _ in range(count)]
    as_, bs = map(bench.table, sides)
    bench.runs.add(count, rows, struct.pack(f"<{count}Q", *ids), struct.pack(f"<{count}Q", *parents), as_, bs, bench.table(keys))


def nanoseconds_per_row(bench: Bench, call: str, *, keyed: bool) -> float:
    """Time a relation over all traces of the benchmark until it has run for long enough; the best of five, of this process's time."""
    relation, within = call.removesuffix(" within").encode(), call.endswith(" within")
    bench.runs.run(relation, within, keyed, 3)
    return min(_rounds(lambda: bench.runs.run(relation, within, keyed, 1))) / ROWS_AT_ONCE * 1e9


def _rounds(run: Callable[[], object]) -> Iterator[float]:
    for _ in range(5):
        count, began = 0, time.process_time()
        while not count or time.process_time() - began < SECONDS / 5:
            run()
            count += 1
        yield (time.process_time() - began) / count


@click.command()
@click.option("--seed", default=1, show_default=True, help="Of the traces.")
def scaling(seed: int) -> None:
    """Print nanoseconds per row for each relation and length of trace, without and with a key."""
    bench = Bench.make()
    figures: dict[tuple[str, bool, int], float] = {}
    for count in ROW_COUNTS:
        draw = random.Random(seed)
        bench.runs.clear()
        for _ in range(ROWS_AT_ONCE // count):
            add_trace(bench, count, draw)
        for call in CALLS:
            for keyed in (False, True) if call != "tree" else (False,):
                figures[call, keyed, count] = nanoseconds_per_row(bench, call, keyed=keyed)
    click.echo(f"{'ns per row, rows per trace':28}" + "".join(f"{count:>10}" for count in ROW_COUNTS))
    for call, keyed in dict.fromkeys((call, keyed) for call, keyed, _ in figures):
        line = "".join(f"{figures[call, keyed, count]:10.0f}" for count in ROW_COUNTS)
        click.echo(f"{call + (' on key' if keyed else ''):28}{line}")


if __name__ == "__main__":
    scaling()
