"""The workers of a demo: processes of their own, killed and replaced while one watches, all ended together."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

from cli.demo_logs import PartError, PartLogs
from cli.embedded_process import embedded_process
from processor.engines import EngineName
from topics import names
from topics.connection import ConnectionSettings

if TYPE_CHECKING:
    from types import TracebackType

GROUP_SESSION_S = 6
STOP_TIMEOUT_S = 60.0
_ROOT_GRACE_S = "1"
_ENVIRONMENT = "BETRACE_"
_NAMED = "betrace worker: http://"


@dataclass(slots=True)
class Life:
    """One process of a worker, from its start to its end; `part` names its log."""

    part: str
    process: subprocess.Popen[bytes]
    ending: ExitStack
    _log_file: Path
    _address: str = ""

    @property
    def is_running(self) -> bool:
        """Whether the process has not ended."""
        return self.process.poll() is None

    @property
    def address(self) -> str:
        """Where its pages are; empty until it says so."""
        if not self._address:
            lines = self._log_file.read_text(errors="replace").splitlines()
            self._address = next((line.split()[2] for line in lines if line.startswith(_NAMED)), "")
        return self._address


@dataclass(slots=True)
class Worker:
    """A place among the workers, and the process that holds it now."""

    number: int
    life: Life
    restart_count: int = 0
    is_killed: bool = False

    @property
    def name(self) -> str:
        """What it is called on screen."""
        return f"worker {self.number}"


@dataclass
class Workers:
    """All workers of a demo; as a context it ends them, however it is left itself."""

    count: int
    environment: Mapping[str, str]
    logs: PartLogs
    all: list[Worker] = field(default_factory=list)
    is_stopping: bool = False
    _started: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        """Start them; whether they have joined the group is theirs to say."""
        try:
            for number in range(1, self.count + 1):
                self.all.append(Worker(number, self._begin(f"worker-{number}")))
        except BaseException:
            self._started.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Kill what still runs: whoever wants them to end in order calls `stop` before."""
        for worker in self.all:
            if worker.life.is_running:
                worker.life.process.kill()
        self._started.close()

    def kill(self, worker: Worker) -> None:
        """End a worker as the loss of its machine would: at once, wherever it stands."""
        worker.is_killed = True
        worker.life.process.kill()
        worker.life.ending.close()

    def replace(self, worker: Worker) -> None:
        """Start another process in the place of one that was killed."""
        worker.restart_count += 1
        worker.life = self._begin(f"worker-{worker.number}-{worker.restart_count}")
        worker.is_killed = False

    def check(self) -> None:
        """Raise PartError where a worker has ended that nobody killed or stopped."""
        for worker in self.all:
            if not worker.life.is_running and not worker.is_killed and not self.is_stopping:
                raise self._error(worker, f"ended by itself with status {worker.life.process.returncode}")

    def stop(self) -> None:
        """Let all drain what is open, say the last verdicts and commit. Raises PartError where one does not end well."""
        self.is_stopping = True
        for worker in self.all:
            worker.life.process.send_signal(signal.SIGTERM)
        until = time.monotonic() + STOP_TIMEOUT_S
        for worker in self.all:
            try:
                status = worker.life.process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                raise self._error(worker, f"did not end within {STOP_TIMEOUT_S:g} s") from None
            if status:
                raise self._error(worker, f"ended with status {status}")

    def _begin(self, part: str) -> Life:
        log_file = self.logs.path(part)
        ending = self._started.enter_context(ExitStack())
        log = ending.enter_context(log_file.open("ab"))
        process = ending.enter_context(embedded_process([sys.executable, "-m", "cli", "worker"], log, self.environment))
        return Life(part, process, ending, log_file)

    def _error(self, worker: Worker, what: str) -> PartError:
        return PartError(f"{worker.name} (pid {worker.life.process.pid}) {what}: {self.logs.tail(worker.life.part)}")


def worker_environment(bootstrap_servers: str, store_url: str, rules: Path, engine: EngineName) -> dict[str, str]:
    """Return the environment of a worker that drains its traces when it is stopped.

    Closing policy and the like are those of our own environment; where Kafka is and how one logs in there is not. Unless that says
    otherwise, a trace closes soon enough for one who watches.
    """
    ours = {
        "rules": rules,
        "engine": engine,
        "bootstrap_servers": bootstrap_servers,
        "store_url": store_url,
        "spans_topic": names.SPANS.name,
        "violations_topic": names.VIOLATIONS.name,
        "dead_letters_topic": names.DEAD_LETTERS.name,
        "rule_stats_topic": names.RULE_STATS.name,
        "group_id": "betrace-demo",
        "group_session_timeout_s": GROUP_SESSION_S,
        "group_protocol": "classic",
        "source": "betrace-demo",
        "http_host": "127.0.0.1",
        "http_port": 0,
        "drains_on_stop": True,
    }
    away = {f"{_ENVIRONMENT}{name}".upper() for name in ConnectionSettings.model_fields}
    given = {name: value for name, value in os.environ.items() if name.upper() not in away}
    return (
        {f"{_ENVIRONMENT}ROOT_GRACE_S": _ROOT_GRACE_S}
        | given
        | {f"{_ENVIRONMENT}{name}".upper(): str(value) for name, value in ours.items()}
    )
