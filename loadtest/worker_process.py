"""A worker as operators run it: the `betrace worker` command in a process of its own, looked at from outside."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from loadtest.machine import ROOT

STOP_TIMEOUT_S = 90.0
COMMAND = (sys.executable, "-m", "cli", "worker")
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class WorkerEndedError(Exception):
    """A worker ended that should run; the text has the end of its log."""


@dataclass
class Worker:
    """A worker that runs; `url` is where its pages are."""

    process: subprocess.Popen[str]
    url: str
    log_file: Path

    def get(self, path: str) -> tuple[int, bytes]:
        """Return status and body of a page; status 0 while it does not answer."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=5) as answer:  # noqa: S310 - our own loopback address
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()
        except OSError:
            return 0, b""

    def metrics(self) -> dict[str, float]:
        """Return all metrics, each with its labels as the page writes them; none while it does not answer."""
        lines = self.get("/metrics")[1].decode().splitlines()
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if not line.startswith("#"))}

    def metric(self, name: str) -> float:
        """Return the sum of a metric over its labels."""
        return total(self.metrics(), name)

    def cpu_s(self) -> float:
        """Return the processor time, user and system, of all its threads so far."""
        return cpu_s(self.process.pid)

    def resident_mib(self) -> float:
        """Return how much of it is in memory."""
        found = re.search(r"^VmRSS:\s+(\d+) kB", Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii"), re.MULTILINE)
        return int(found[1]) / 1024 if found else 0.0

    def check(self) -> None:
        """Raise WorkerEndedError where it does not run any more."""
        if self.process.poll() is not None:
            raise WorkerEndedError(f"the worker ended with {self.process.returncode}:\n{self.log()[-4000:]}")

    def kill(self) -> None:
        """End it without warning, as a crash of the machine would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """Stop it as an operator would; return its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_TIMEOUT_S)

    def log(self) -> str:
        """Return what it logged."""
        return self.log_file.read_text()


def cpu_s(pid: int) -> float:
    """Return the processor time, user and system, of all threads of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def total(metrics: Mapping[str, float], name: str) -> float:
    """Return the sum of a metric over its labels."""
    return sum(value for key, value in metrics.items() if key == name or key.startswith(name + "{"))


def environment(settings: Mapping[str, object], prefix: str = "BETRACE_") -> dict[str, str]:
    """Return the environment of a command of ours that has these settings, and none of those that are in force here."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("BETRACE_")}
    return clean | {prefix + key.upper(): str(value) for key, value in settings.items()}


def start_worker(variables: Mapping[str, str], log_file: Path, cpu: int | None = None) -> Worker:
    """Start a worker, on one processor if so asked, and return when its pages have an address. Raises WorkerEndedError."""
    with log_file.open("w") as log:
        process = subprocess.Popen(  # noqa: S603 - our own command
            COMMAND, cwd=ROOT, env=dict(variables), stdout=subprocess.PIPE, stderr=log, text=True
        )
    if cpu is not None:
        # Before it has a second thread: those that it starts stay where it is.
        os.sched_setaffinity(process.pid, {cpu})
    assert process.stdout is not None
    with process.stdout as output:
        words = output.readline().split()
    if len(words) < 3:  # noqa: PLR2004 - `betrace worker: URL ...`
        raise WorkerEndedError(f"the worker ended with {process.wait(STOP_TIMEOUT_S)}:\n{log_file.read_text()[-4000:]}")
    return Worker(process, words[2], log_file)
