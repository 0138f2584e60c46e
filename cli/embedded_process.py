"""A server started for as long as we need it: in a session of its own, ended in order, and never left behind."""

from __future__ import annotations

import signal
import subprocess
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

STOP_TIMEOUT_S = 10.0
# Kills the process $0 when its own standard input ends: together with whoever holds the other end, however that one ends.
_WATCH = 'read -r _; kill -KILL "$0"'


@contextmanager
def embedded_process(
    command: Sequence[str], log: IO[bytes], environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a command and end it, also when this process is killed. What it prints goes to `log`. Raises OSError where it cannot start.

    `environment` None: our own.
    """
    # In a session of its own, so that a Ctrl-C meant for us does not end it before what it serves has ended.
    process = subprocess.Popen(  # noqa: S603 - no shell, our own arguments
        command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True
    )
    try:
        with _killed_after_us(process.pid, log):
            yield process
    finally:
        _end(process)


@contextmanager
def _killed_after_us(pid: int, log: IO[bytes]) -> Iterator[None]:
    watch = ["/bin/sh", "-c", _WATCH, str(pid)]
    watcher = subprocess.Popen(watch, stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True)  # noqa: S603 - our own arguments
    try:
        yield
    finally:
        # Before the process is waited for: it must never find another one of the same number.
        watcher.kill()
        watcher.communicate()


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
