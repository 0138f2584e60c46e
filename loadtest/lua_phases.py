"""Where a LuaJIT program spends its time: its own functions, watched by a few lines of Lua that only the load test adds to it."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping
from dataclasses import replace
from string import Template

from compiler.engine_program import Program

# What each watched function of compiler/runtime is called in a profile. None of them runs per span.
PHASES = {
    "decode": "decode",
    "commit": "find the traces, count their spans",
    "evaluate_any": "evaluate selections of any span",
    "evaluate": "evaluate selections of named spans",
    "capture_all": "capture rows",
    "add_up": "add up what records brought",
    "lay_out": "lay out captured rows",
    "judge": "judge",
    "drop": "drop",
    "tend_pool": "tend the pool of texts",
}
# Each moment belongs to the innermost watched function that runs. CLOCK_MONOTONIC (1) is read without a system call.
_WATCH = Template("""
do
  local ffi = E.ffi
  ffi.cdef "typedef struct { long s, ns; } moment_t; int clock_gettime(int, moment_t *);"
  local moment, spent = ffi.new("moment_t[1]"), ffi.cast("int64_t *", ${address}ULL)
  local running, since = 0, 0
  local function switch(phase)
    ffi.C.clock_gettime(1, moment)
    local now = tonumber(moment[0].s) * 1e9 + tonumber(moment[0].ns)
    spent[running] = spent[running] + (now - since)
    local before = running
    running, since = phase, now
    return before
  end
  for phase, name in ipairs { ${names} } do
    local watched = E[name]
    if watched then
      E[name] = function(a, b, c, d, e, f, g, h)
        local before = switch(phase)
        local x, y, z = watched(a, b, c, d, e, f, g, h)
        switch(before)
        return x, y, z
      end
    end
  end
end
""")


def watched(program: Program) -> tuple[Program, Callable[[], Mapping[str, int]]]:
    """Return the program with its functions watched, and what tells the nanoseconds spent in each phase since it was loaded."""
    # The first place is for what runs outside of all of them.
    spent = array("q", bytes(8 * (1 + len(PHASES))))
    lines = _WATCH.substitute(address=spent.buffer_info()[0], names=", ".join(f'"{name}"' for name in PHASES))
    return replace(program, chunk=program.chunk + lines), lambda: dict(zip(PHASES.values(), spent[1:], strict=True))
