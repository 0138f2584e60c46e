"""The files that commands write: each is whole, the old one or the new one, whatever stops the writing."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path


def create(path: Path, content: bytes) -> None:
    """Write a new file; raises FileExistsError where there is one, OSError where it cannot be written, and then leaves none."""
    path.open("xb").close()
    try:
        write_all({path: content})
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def replace(path: Path, before: bytes, content: bytes) -> None:
    """Put another content into a file that was read; raises OSError where that fails, or where it has changed since."""
    if path.read_bytes() != before:
        raise OSError(errno.ESTALE, "it has changed since it was read", str(path))
    write_all({path: content})


def write_all(contents: Mapping[Path, bytes]) -> None:
    """Put contents into files, new or not; raises OSError where one cannot be written, and then none is touched.

    A link stays one. A file keeps its mode, and its owner where that may be.
    """
    with ExitStack() as drafts:
        ready = [(drafts.enter_context(_draft(path.resolve(), content)), path.resolve()) for path, content in contents.items()]
        for draft, target in ready:
            draft.replace(target)


@contextmanager
def _draft(target: Path, content: bytes) -> Iterator[Path]:
    """Give a file with the content that is ready to take the place of another; what is left of it afterwards is removed."""
    # Hidden: whoever reads the rules of a directory meanwhile does not see it.
    draft = target.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        _prepare(draft, target, content)
        yield draft
    finally:
        draft.unlink(missing_ok=True)


def _prepare(draft: Path, target: Path, content: bytes) -> None:
    try:
        with draft.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            _like(target, draft)
    except OSError as error:
        # A write that fails names no file, and nobody knows the draft.
        raise OSError(error.errno, error.strerror or str(error), str(target)) from error


def _like(target: Path, draft: Path) -> None:
    """Give a draft the mode and the owner of the file whose place it takes; raises OSError where that file may not be written."""
    if not target.is_file() or not os.access(target, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
        reason = errno.EACCES if target.is_file() else errno.EISDIR if target.is_dir() else errno.EINVAL
        raise OSError(reason, os.strerror(reason), str(target))
    shutil.copymode(target, draft)
    found = target.stat()
    with suppress(PermissionError):
        os.chown(draft, found.st_uid, found.st_gid)
