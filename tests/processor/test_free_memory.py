"""Free memory is given back, also after a large block was freed: asked of the allocator, in a process of its own."""

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

def kept_after(size):
    libc.free(libc.malloc(size))
    return libc.mallinfo2().field9

if sys.argv[1] == "given back":
    assert give_back_free_memory()
kept_after(30 * 2**20)
print(kept_after(20 * 2**20) // 2**20)
"""


def _kept_mib(how: str) -> int:
    done = subprocess.run([sys.executable, "-c", _LOOK, how], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.stderr.strip() == "no mallinfo2":
        missing("glibc 2.33 or newer, whose allocator tells what it does")
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_after_a_large_block_was_freed_free_memory_is_still_given_back() -> None:
    assert _kept_mib("given back") < 8


def test_by_itself_the_allocator_keeps_it() -> None:
    # The reason for all of it.
    assert _kept_mib("as it is") >= 20
