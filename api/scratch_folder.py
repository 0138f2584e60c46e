"""Temporary folders that a killed process does not leave for ever: the next one to make a folder takes those of the dead away."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX = "betrace-api-view-"


@contextmanager
def scratch_folder(prefix: str = PREFIX) -> Iterator[Path]:
    """Give a new folder that only this user can enter, and take it away at the end, with the folders of processes that were killed.

    A folder belongs to a process while that holds its lock, which the operating system lets go of when the process ends in whatever way.
    Its name begins with `prefix`, as those of all folders of its kind. Raises OSError where no folder can be made.
    """
    _sweep(prefix)
    folder, lock = _made(prefix)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _made(prefix: str) -> tuple[Path, int]:
    """Return a new folder and the lock that is held on it."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix))
        # Until the lock is ours, another process may sweep the folder away.
        with suppress(FileNotFoundError):
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            fcntl.flock(lock, fcntl.LOCK_EX)
            if folder.exists():
                return folder, lock
            os.close(lock)


def _sweep(prefix: str) -> None:
    """Take away this user's folders that nobody holds."""
    for folder in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        try:
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            _take_away(folder, lock)
        finally:
            os.close(lock)


def _take_away(folder: Path, lock: int) -> None:
    found = os.fstat(lock)
    if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) != stat.S_IRWXU:
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return
    shutil.rmtree(folder, ignore_errors=True)
