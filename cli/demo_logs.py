"""Where the parts of a demo print: a folder of logs that stay small, and that says when there is no room for them."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from api.scratch_folder import scratch_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOG_SIZE_MAX = 4 * 2**20
# So much must be free for the parts to say why they end.
_ROOM_BYTES = 64 * 2**10
_TAIL_LINES = 12
_PREFIX = "betrace-demo-"


class PartError(Exception):
    """A part of the demo did not do its work; the text says which and why."""


class PartLogs:
    """One log a part, in a folder that somebody else makes and takes away. A log that has grown too long begins anew; that is counted."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._cut_bytes = 0

    def path(self, part: str) -> Path:
        """Return the file of a part. Whoever writes it must append: it may be cut at any time."""
        return self._folder / f"{part}.log"

    def tail(self, part: str) -> str:
        """Return the last lines of a part, none where it said nothing."""
        try:
            lines = self.path(part).read_text(errors="replace").splitlines()
        except OSError:
            return ""
        return "\n".join(lines[-_TAIL_LINES:])

    @property
    def byte_count(self) -> int:
        """How much the parts have printed."""
        return self._cut_bytes + sum(log.stat().st_size for log in self._folder.glob("*.log"))

    def check(self) -> None:
        """Cut what has grown too long. Raises PartError where nothing more can be written."""
        for log in self._folder.glob("*.log"):
            size = log.stat().st_size
            if size > LOG_SIZE_MAX:
                os.truncate(log, 0)
                self._cut_bytes += size
        if reason := self._no_room():
            raise PartError(f"no room for the logs of broker, store and workers in {self._folder.parent}: {reason}")

    def _no_room(self) -> str:
        """Return why nothing can be written: what a disk tells of its free space knows no quota and no limit of a process."""
        probe = self._folder / "room"
        try:
            probe.write_bytes(bytes(_ROOM_BYTES))
        except OSError as error:
            return error.strerror or str(error)
        finally:
            probe.unlink(missing_ok=True)
        return ""


@contextmanager
def part_logs() -> Iterator[PartLogs]:
    """Give a new folder of logs with room in it, and take it away at the end. Raises PartError where there is none to be had."""
    with ExitStack() as made:
        try:
            folder = made.enter_context(scratch_folder(_PREFIX))
        except OSError as error:
            raise PartError(f"no folder for the logs of broker, store and workers: {error.strerror or error}") from error
        logs = PartLogs(folder)
        logs.check()
        yield logs
