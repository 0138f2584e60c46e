"""Rules from the file system: a file, or a directory of them."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from compiler.source import SourceFile

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_SUFFIXES = frozenset({".yaml", ".yml"})


def read_sources(path: Path) -> list[SourceFile]:
    """Return the rule files of a path: itself, or each .yaml and .yml file below a directory, in order of their names.

    Hidden files and directories are left out (mounted Kubernetes volumes keep old versions there). Raises OSError where the path or a
    file cannot be read.
    """
    if not path.is_dir():
        return [SourceFile(str(path), path.read_bytes())]
    files = sorted(file for file in path.rglob("*") if file.suffix in _SUFFIXES and file.is_file())
    return [SourceFile(str(file), file.read_bytes()) for file in files if not _is_hidden(file.relative_to(path))]


def relative_sources(sources: Iterable[SourceFile], path: Path) -> tuple[SourceFile, ...]:
    """Return the files of a path under names that are the same wherever the path is: as the rules topic knows them."""
    return tuple(SourceFile(_relative(PurePath(source.name), path), source.content) for source in sources)


def _relative(name: PurePath, path: Path) -> str:
    return (PurePath(name.name) if name == path else name.relative_to(path)).as_posix()


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)
