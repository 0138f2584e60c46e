"""The Collector's tail sampling over the records that a worker judges, where $OTELCOL names a Collector with the Kafka receiver."""

from __future__ import annotations

import os
import re
import subprocess
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Final

from cli.embedded_broker import free_port
from loadtest.consumption import Load, NotMeasuredError
from loadtest.pipeline_stage import Stage
from loadtest.worker_process import cpu_s

OTELCOL: Final = "OTELCOL"
CONFIGURATION: Final = Path(__file__).parent / "collector_tail.yaml"
_ACCEPTED: Final = "otelcol_receiver_accepted_spans"
_DECIDED: Final = "otelcol_processor_tail_sampling_global_count_traces_sampled"
_TIMEOUT_S: Final = 300.0


def collector_program() -> str | None:
    """Return the Collector to compare with; None where there is none."""
    return os.environ.get(OTELCOL) or None


def spans_per_cpu_second(stage: Stage, load: Load, program: str) -> float:
    """Let a Collector take in all records and decide about every trace; return its spans a second of processor time."""
    port = free_port()
    environment = os.environ | {
        "BROKERS": stage.servers,
        "TOPIC": load.topic,
        "GROUP": f"collector-{stage.number()}",
        "METRICS_PORT": str(port),
        "GOMAXPROCS": "1",
    }
    span_count = load.copy_count * load.work.loop.span_count
    log_file = stage.folder / f"collector-{stage.number()}.log"
    with log_file.open("w") as log:
        process = subprocess.Popen([program, "--config", str(CONFIGURATION)], env=environment, stdout=log, stderr=log)  # noqa: S603 - what the user named
    try:
        os.sched_setaffinity(process.pid, {stage.cpus[0]})
        _wait(process, log_file, lambda: _metric(port, _ACCEPTED) >= span_count)
        _wait(process, log_file, lambda: _metric(port, _DECIDED) >= load.trace_count)
        return span_count / cpu_s(process.pid)
    finally:
        process.kill()
        process.wait()


def metric_of(page: str, name: str) -> float:
    """Return the sum of a Collector's metric, which may or may not end in `_total`, over its labels."""
    found = re.compile(rf"{name}(_total)?[{{ ]")
    return sum(float(line.rpartition(" ")[2]) for line in page.splitlines() if found.match(line))


def _metric(port: int, name: str) -> float:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            return metric_of(answer.read().decode(), name)
    except OSError:
        return 0.0


def _wait(process: subprocess.Popen[bytes], log_file: Path, holds: Callable[[], bool]) -> None:
    until = time.monotonic() + _TIMEOUT_S
    while not holds():
        if process.poll() is not None or time.monotonic() > until:
            raise NotMeasuredError(f"the Collector did not come to its end ({process.poll()}):\n{log_file.read_text()[-2000:]}")
        time.sleep(0.2)
