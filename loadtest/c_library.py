"""Compiles decode_only.c with the machine's own C compiler, once for each source, compiler and machine."""

from __future__ import annotations

import ctypes
import platform
import shutil
import subprocess
import tempfile
from functools import cache
from hashlib import sha256
from pathlib import Path

SOURCE = Path(__file__).with_name("decode_only.c")
CACHE = Path(__file__).with_name(".cache")
FLAGS = ("-O2", "-std=c11", "-shared", "-fPIC")
_COMPILERS = ("gcc", "cc")


class NoCompilerError(Exception):
    """There is no C compiler, or it refuses the source; the text says which."""


@cache
def compiler() -> tuple[str, str]:
    """Return path and version line of the C compiler; raises NoCompilerError."""
    for name in _COMPILERS:
        if (path := shutil.which(name)) is not None:
            done = subprocess.run([path, "--version"], check=True, capture_output=True, text=True)  # noqa: S603 - found on the path
            return path, done.stdout.splitlines()[0]
    raise NoCompilerError(f"no C compiler: {' or '.join(_COMPILERS)} must be on the path")


@cache
def library() -> ctypes.CDLL:
    """Return the compiled parser; raises NoCompilerError."""
    path, version = compiler()
    build = sha256("\0".join((version, platform.machine(), *FLAGS)).encode() + SOURCE.read_bytes()).hexdigest()[:16]
    file = CACHE / f"decode_only-{build}.so"
    if not file.exists():
        _compile(path, file)
    return ctypes.CDLL(str(file))


def _compile(path: str, file: Path) -> None:
    file.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=file.parent) as folder:
        made = Path(folder) / file.name
        done = subprocess.run([path, *FLAGS, "-o", made, SOURCE], check=False, capture_output=True, text=True)  # noqa: S603 - as above
        if done.returncode:
            raise NoCompilerError(f"{path} refuses {SOURCE.name}:\n{done.stderr}")
        # Another run may compile at the same time: a file appears whole or not at all.
        made.replace(file)
