"""Rules from the file system: a file, or a directory of them."""

from __future__ import annotations

import errno
import stat
from pathlib import PurePath
from typing import TYPE_CHECKING

from compiler.source import SourceFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_SUFFIXES = frozenset({".yaml", ".yml"})
# Nobody writes so many rules into one file: it is a device, or something else than rules.
FILE_SIZE_MAX_BYTES = 64 * 1024 * 1024


def read_sources(path: Path) -> list[SourceFile]:
    """Return the rule files of a path: itself, or each .yaml and .yml file below a directory, in order of their names.

    Hidden files and directories are left out (mounted Kubernetes volumes keep old versions there). Raises OSError where the path, a
    directory or a file cannot be read, be it a link to nothing, or a file is beyond FILE_SIZE_MAX_BYTES.
    """
    if not path.is_dir():
        return [SourceFile(str(path), read_whole(path))]
    return [SourceFile(str(file), read_whole(file)) for file in sorted(_files_below(path))]


def read_whole(path: Path) -> bytes:
    """Return what a file holds; raises OSError where it cannot be read or does not end within FILE_SIZE_MAX_BYTES."""
    with path.open("rb") as file:
        content = file.read(FILE_SIZE_MAX_BYTES + 1)
    if len(content) > FILE_SIZE_MAX_BYTES:
        raise OSError(errno.EFBIG, f"it has more than {FILE_SIZE_MAX_BYTES} bytes", str(path))
    return content


def _files_below(directory: Path) -> Iterator[Path]:
    for entry in directory.iterdir():
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            # A link to a directory may lead round in a circle.
            yield from () if entry.is_symlink() else _files_below(entry)
        elif entry.suffix in _SUFFIXES:
            # Nobody may ever write into a pipe or a socket.
            if not stat.S_ISREG(entry.stat().st_mode):
                raise OSError(errno.EINVAL, "it is no file", str(entry))
            yield entry


def relative_sources(sources: Iterable[SourceFile], path: Path) -> tuple[SourceFile, ...]:
    """Return the files of a path under names that are the same wherever the path is: as the rules topic knows them."""
    return tuple(SourceFile(_relative(PurePath(source.name), path), source.content) for source in sources)


def _relative(name: PurePath, path: Path) -> str:
    return (PurePath(name.name) if name == path else name.relative_to(path)).as_posix()
