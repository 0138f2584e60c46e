"""Toxiproxy between two parts: slows, throttles and cuts their connections. Built by Go where Go is."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from loadtest.kafka_broker import lasting_port

if TYPE_CHECKING:
    from collections.abc import Iterator

VERSION = "2.5.0"
_MODULE = f"github.com/Shopify/toxiproxy/v2/cmd/server@v{VERSION}"
_FOLDER = Path.home() / ".cache" / "betrace" / f"toxiproxy-{VERSION}"
_GO = "/usr/local/go/bin"
_BUILD_TIMEOUT_S = 300.0
_UP_TIMEOUT_S = 20.0


class NoProxy(Exception):  # noqa: N818 - it says what is so
    """Toxiproxy cannot be had here; the text says why."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """One connection's way: from its own port to the port behind it, whose answers take so long whatever else happens."""

    api: str
    name: str
    port: int
    behind: int
    distance_ms: int = 0

    def make(self) -> None:
        """Listen."""
        way = {"name": self.name, "listen": f"127.0.0.1:{self.port}", "upstream": f"127.0.0.1:{self.behind}", "enabled": True}
        _ask(f"{self.api}/proxies", way)
        if self.distance_ms:
            self._toxic("distance", "latency", {"latency": self.distance_ms})

    def slow(self, latency_ms: int, jitter_ms: int, kbytes_a_second: int) -> None:
        """Let every answer take longer, and much of it longer still."""
        self._toxic("slow", "latency", {"latency": latency_ms, "jitter": jitter_ms})
        self._toxic("narrow", "bandwidth", {"rate": kbytes_a_second})

    def cut(self) -> None:
        """Close all connections and take no new ones."""
        _ask(f"{self.api}/proxies/{self.name}", {"enabled": False})

    def hush(self) -> None:
        """Let through what is asked and lose what is answered; the connections stand until they are mended."""
        self._toxic("hush", "timeout", {"timeout": 0})

    def mend(self) -> None:
        """Let everything through again, on new connections: to take a toxic away from one that is ending may take for ever."""
        _ask(f"{self.api}/proxies/{self.name}", method="DELETE")
        self.make()

    def _toxic(self, name: str, kind: str, attributes: dict[str, int]) -> None:
        _ask(f"{self.api}/proxies/{self.name}/toxics", {"name": name, "type": kind, "stream": "downstream", "attributes": attributes})


@contextmanager
def toxiproxy(folder: Path) -> Iterator[Toxiproxy]:
    """A server of proxies. Raises NoProxy."""
    program, port = _program(), lasting_port()
    with (folder / "toxiproxy.log").open("wb") as log:
        process = subprocess.Popen([program, "-host", "127.0.0.1", "-port", str(port)], stdout=log, stderr=log)
    try:
        server = Toxiproxy(f"http://127.0.0.1:{port}")
        server.wait_until_up()
        yield server
    finally:
        process.kill()
        process.wait()


@dataclass(frozen=True, slots=True)
class Toxiproxy:
    """The server."""

    api: str

    def proxy(self, name: str, port: int, behind: int, distance_ms: int = 0) -> Proxy:
        """Listen on a port for what is behind, at some distance."""
        made = Proxy(self.api, name, port, behind, distance_ms)
        made.make()
        return made

    def wait_until_up(self) -> None:
        """Return when it answers."""
        until = time.monotonic() + _UP_TIMEOUT_S
        while True:
            try:
                _ask(f"{self.api}/version")
            except OSError as error:
                if time.monotonic() > until:
                    raise NoProxy(f"toxiproxy does not answer: {error}") from error
                time.sleep(0.05)
            else:
                return


def _program() -> Path:
    """Return the program, built once."""
    program = _FOLDER / "server"
    if program.exists():
        return program
    go = shutil.which("go") or shutil.which("go", path=_GO)
    if go is None:
        raise NoProxy(f"toxiproxy needs Go, or its program as {program}")
    partial = _FOLDER / f"partial-{os.getpid()}"
    partial.mkdir(parents=True, exist_ok=True)
    try:
        environment = os.environ | {"GOBIN": str(partial)}
        subprocess.run([go, "install", _MODULE], check=True, capture_output=True, env=environment, timeout=_BUILD_TIMEOUT_S)
        (partial / "server").rename(program)
    except (subprocess.SubprocessError, OSError) as error:
        raise NoProxy(f"toxiproxy could not be built: {error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return program


def _ask(url: str, body: dict[str, object] | None = None, *, method: str | None = None) -> None:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)  # noqa: S310 - our own loopback address
    try:
        urllib.request.urlopen(request, timeout=10).close()  # noqa: S310 - as above
    except urllib.error.HTTPError as error:
        with error:
            raise AssertionError(f"toxiproxy refuses {url}: {error.read().decode()}") from error
