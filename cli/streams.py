"""The standard streams of the command, whatever it was started with."""

from __future__ import annotations

import errno
import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Buffer


class OutputError(OSError):
    """Standard output cannot be written: the disk that it goes to is full."""


def use_streams() -> None:
    """Make the standard streams fit for use: one that was closed is empty, or read by nobody; output that fails raises OutputError.

    Span names may hold any bytes: what a stream cannot say is a mark, and no reason to fail.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            stream = Path(os.devnull).open(mode, encoding="utf-8")  # noqa: SIM115  # it lasts as long as the process
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)
    output = sys.stdout
    buffer = io.BufferedWriter(_Output(output.fileno(), "w", closefd=False))
    output.flush()
    sys.stdout = io.TextIOWrapper(buffer, encoding=output.encoding, errors="replace", line_buffering=buffer.isatty())
    sys.stderr.reconfigure(errors="replace")  # type: ignore[union-attr]  # a text stream of a process can be reconfigured


class _Output(io.FileIO):
    """A file that says which one it is when it cannot be written."""

    def write(self, data: Buffer, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            if error.errno == errno.EPIPE:  # whoever read it has seen enough
                raise
            raise OutputError(error.errno, error.strerror) from error
