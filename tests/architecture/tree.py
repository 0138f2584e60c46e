"""What the tidy tests look at: the files of the project, as git knows them."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path, PurePosixPath
from typing import TypeAlias

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("topics", "compiler", "processor", "api", "cli", "library", "loadtest")
GENERATED = ("*_pb2.py", "*_pb2.pyi")

Definition: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def files() -> tuple[PurePosixPath, ...]:
    """Every file that is tracked or would be, relative to the root."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    names = sorted({name for name in listed.split("\0") if name})
    return tuple(PurePosixPath(name) for name in names if (ROOT / name).is_file())


def python_files(*folders: str) -> list[PurePosixPath]:
    """The hand-written Python files below these top-level folders, or all."""
    return [path for path in files() if path.suffix == ".py" and (not folders or path.parts[0] in folders) and not _is_generated(path)]


def _is_generated(path: PurePosixPath) -> bool:
    return any(path.match(pattern) for pattern in GENERATED)


@cache
def text(path: PurePosixPath) -> str:
    """The text of a file."""
    return (ROOT / path).read_text(encoding="utf-8", errors="surrogateescape")


@cache
def tree(path: PurePosixPath) -> ast.Module:
    """The syntax tree of a Python file."""
    return ast.parse(text(path), filename=str(path))


def definitions(path: PurePosixPath) -> Iterator[Definition]:
    """Every class and function of a file, nested ones too."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node


def functions(path: PurePosixPath) -> Iterator[Function]:
    """Every function of a file, methods and nested ones too."""
    for node in definitions(path):
        if not isinstance(node, ast.ClassDef):
            yield node
