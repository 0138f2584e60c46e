"""Large blocks keep a memory of their own, also after a larger one was freed: asked of the allocator, in a process of its own."""

from __future__ import annotations

import subprocess
import sys

from tests.cli.processes import ROOT
from tests.skipping import missing

_LOOK = """
import ctypes, sys
from processor.free_memory import give_back_free_memory

libc = ctypes.CDLL(None)
if not hasattr(libc, "mallinfo2"):
    sys.exit("no mallinfo2")
SizeT = ctypes.c_size_t
Info = type("Info", (ctypes.Structure,), {"_fields_": [(f"field{number}", SizeT) for number in range(10)]})
libc.mallinfo2.restype, libc.malloc.restype = Info, ctypes.c_void_p
libc.malloc.argtypes, libc.free.argtypes = [SizeT], [ctypes.c_void_p]

def of_its_own(size):
    before = libc.mallinfo2().field3
    block = libc.malloc(size)
    after = libc.mallinfo2().field3
    libc.free(block)
    return after - before

if sys.argv[1] == "given back":
    assert give_back_free_memory()
print(of_its_own(30 * 2**20), of_its_own(4 * 2**20))
"""


def _look(how: str) -> str:
    done = subprocess.run([sys.executable, "-c", _LOOK, how], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.stderr.strip() == "no mallinfo2":
        missing("glibc 2.33 or newer, whose allocator tells what it does")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_after_a_large_block_was_freed_large_blocks_still_have_memory_of_their_own() -> None:
    assert _look("given back") == "1 1"


def test_by_itself_the_allocator_puts_them_among_the_small_ones() -> None:
    # The reason for all of it.
    assert _look("as it is") == "1 0"
