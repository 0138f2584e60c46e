"""The parts of a demo: broker and worker as processes of their own, the API beside them, all ended together."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from api.server import ApiServer
from api.settings import ApiSettings
from processor.engines import EngineName

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 60.0
_POLL_S = 0.1
_HTTP_TIMEOUT_S = 10.0


class PartError(Exception):
    """A part of the demo did not do its work; the text says which and why."""


@dataclass(slots=True)
class Worker:
    """A worker process, and the address of its pages."""

    process: subprocess.Popen[bytes]
    address: str
    log_file: Path

    @property
    def is_running(self) -> bool:
        """Whether the process has not ended."""
        return self.process.poll() is None

    def stop(self) -> None:
        """Let it drain what is open, say the last verdicts and commit. Raises PartError where it does not end well."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise PartError(f"the worker did not end within {STOP_TIMEOUT_S:g} s: {_tail(self.log_file)}") from None
        if status:
            raise PartError(f"the worker ended with status {status}: {_tail(self.log_file)}")

    def records_read(self) -> int:
        """Return how many records it has read; none where it does not answer."""
        try:
            text = get_text(f"{self.address}/metrics")
        except OSError:
            return 0
        return sum(int(float(line.rpartition(" ")[2])) for line in text.splitlines() if line.startswith("betrace_records_read_total "))


@contextmanager
def running_worker(bootstrap_servers: str, rules: Path, engine: EngineName, log_file: Path) -> Iterator[Worker]:
    """Start a worker that drains its traces when it is stopped; yield it once it owns its partitions."""
    command = [sys.executable, "-m", "cli", "worker", "--rules", str(rules), "--bootstrap-servers", bootstrap_servers]
    command += ["--engine", engine, "--http-port", "0", "--drains-on-stop", "--group-id", "betrace-demo", "--source", "betrace-demo"]
    with log_file.open("wb") as log:
        # In a session of its own: a Ctrl-C is ours, and we stop it in order.
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)  # noqa: S603 - no shell, our own arguments
        try:
            yield _await_worker(process, log_file)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()


def _await_worker(process: subprocess.Popen[bytes], log_file: Path) -> Worker:
    until = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < until:
        if process.poll() is not None:
            raise PartError(f"the worker ended with status {process.returncode}: {_tail(log_file)}")
        address = _address(log_file)
        if address and _is_ready(address):
            return Worker(process, address, log_file)
        time.sleep(_POLL_S)
    raise PartError(f"the worker was not ready within {START_TIMEOUT_S:g} s: {_tail(log_file)}")


def _address(log_file: Path) -> str:
    for line in log_file.read_text(errors="replace").splitlines():
        if line.startswith("betrace worker: http://"):
            return line.split()[2]
    return ""


def _is_ready(address: str) -> bool:
    """Whether the worker has its partitions: all of them, for it is alone."""
    try:
        body = json.loads(get_text(f"{address}/readyz"))
    except (OSError, ValueError):
        return False
    return bool(body.get("ready")) and bool(body.get("partitions"))


def _tail(log_file: Path) -> str:
    return "\n".join(log_file.read_text(errors="replace").splitlines()[-12:])


@contextmanager
def running_api(bootstrap_servers: str, rules: Path) -> Iterator[str]:
    """Start the API in this process on a free port and yield its address."""
    server = ApiServer(ApiSettings(port=0, rules=rules, bootstrap_servers=bootstrap_servers))
    address = server.start()
    try:
        yield address
    finally:
        server.stop()


def get_text(url: str) -> str:
    """Return what a page of ours answers. Raises OSError."""
    try:
        with urllib.request.urlopen(url, timeout=_HTTP_TIMEOUT_S) as answer:  # noqa: S310 - our own loopback address
            body: bytes = answer.read()
    except urllib.error.HTTPError as error:
        body = error.read()
    return body.decode()


def get_violations(address: str) -> list[dict[str, Any]]:
    """Return every violation record that the API has, newest first, over all its pages."""
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = json.loads(get_text(f"{address}/v1/violations?limit=200{cursor}"))
        found += page["items"]
        if page["next"] is None:
            return found
        cursor = f"&cursor={page['next']}"
