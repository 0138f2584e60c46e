"""Redis servers for the tests: the embedded Valkey, and a Redis 7 where there is one. Each ends with the test that started it."""

from __future__ import annotations

import re
import shutil
import signal
import socket
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from cli.embedded_broker import free_port
from cli.embedded_store import store_binary
from tests.frozen import freeze
from tests.skipping import missing

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVERS = ("valkey", "redis")
_UP_TIMEOUT_S = 30.0
# The first Redis with functions.
_VERSION_MIN = 7


class NoRedis(Exception):  # noqa: N818 - it says what is so
    """There is no Redis here that a worker can use; the text says why."""


def redis_program() -> Path:
    """The Redis of this machine. Raises NoRedis."""
    found = shutil.which("redis-server")
    if found is None:
        raise NoRedis("no redis-server on this machine")
    said = subprocess.run([found, "--version"], check=True, capture_output=True, text=True).stdout
    version = re.search(r"v=(\d+)", said)
    if version is None or int(version[1]) < _VERSION_MIN:
        raise NoRedis(f"this redis-server knows no functions: {said.strip()}")
    return Path(found)


def binary(name: str) -> Path:
    """The program of a server; the test is skipped where there is none."""
    if name == "valkey":
        return store_binary()
    try:
        return redis_program()
    except NoRedis as reason:
        missing(str(reason))


@dataclass
class RedisServer:
    """A server with a folder of its own, which can be killed and started again on the same port."""

    program: Path
    folder: Path
    arguments: tuple[str, ...] = ()
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"redis://127.0.0.1:{self.port}"

    def client(self) -> redis.Redis:
        """A client of the test's own, as the default user."""
        # Once: a server that a storm has frozen does not answer the tenth time either.
        return redis.Redis(port=self.port, socket_timeout=10, retry=Retry(NoBackoff(), 0))

    def start(self) -> None:
        """Start it, and wait until something listens."""
        listen = () if "--tls-port" in self.arguments else ("--port", str(self.port))
        command = [self.program, *self.arguments, "--bind", "127.0.0.1", *listen, "--dir", self.folder, "--save", "", "--appendonly", "no"]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder)
        until = time.monotonic() + _UP_TIMEOUT_S
        while time.monotonic() < until and self.process.poll() is None:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
                    connection.sendall(b"PING\r\n")
                    # Any answer will do, and a closed connection: it may want a password, or TLS.
                    connection.recv(1)
                    return
            except ConnectionRefusedError:
                time.sleep(0.02)
            except ConnectionError:
                return
        raise AssertionError(f"no server: {(self.folder / 'log').read_text(errors='replace')[-2000:]}")

    def kill(self) -> None:
        """End it without a word."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        self.process = None

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Let it hear everything and answer nothing."""
        assert self.process is not None
        freeze(self.process)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)


@contextmanager
def running(program: Path, folder: Path, *arguments: str) -> Iterator[RedisServer]:
    """A server, up."""
    folder.mkdir(parents=True, exist_ok=True)
    server = RedisServer(program, folder, arguments)
    server.start()
    try:
        yield server
    finally:
        server.kill()
