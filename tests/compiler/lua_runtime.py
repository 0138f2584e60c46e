"""Runs files of compiler/runtime alone, in each way LuaJIT can run them."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any, TypeAlias

from lupa.luajit21 import LuaRuntime

# What Lua gives back has no types.
Lua: TypeAlias = Any

# `eager` compiles a loop the second time round, so that a small example runs compiled too.
MODES = {"interpreted": b"jit.off()", "compiled": b"jit.opt.start('hotloop=56')", "eager": b"jit.opt.start('hotloop=1', 'hotexit=1')"}


@cache
def lua(mode: str) -> Lua:
    """A runtime of a mode, made once."""
    runtime = LuaRuntime(encoding=None, register_eval=False, unpack_returned_tuples=True)
    runtime.execute(MODES[mode])
    return runtime


def runtime_file(mode: str, name: str) -> Lua:
    """Return what a file of compiler/runtime returns: a function of what it needs."""
    return lua(mode).execute(files("compiler").joinpath("runtime", name).read_bytes(), name=b"@" + name.encode())


@cache
def relations(mode: str, few_pairs: int) -> Lua:
    """The module of relations, with the sweep it stands on; up to so many pairs are looked at one by one."""
    wire = lua(mode).execute(
        b"return function(sweep, relations, few) return relations(require('ffi'), sweep(require('ffi'), require('bit')), few) end"
    )
    return wire(runtime_file(mode, "sweep.lua"), runtime_file(mode, "relations.lua"), few_pairs)
