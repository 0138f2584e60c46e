"""The command line as real processes: statuses, standard input, terminals, signals, memory."""

from __future__ import annotations

import gzip
import os
import pty
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from typing import TYPE_CHECKING

import pytest

from cli.embedded_broker import embedded_broker
from tests.cli.processes import ROOT, started, still_there
from tests.cli.run import COMPLIANT, NEEDS_CHECK, VIOLATING, document, span, written
from topics.admin import apply
from topics.settings import TopicSettings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BETRACE = (sys.executable, "-m", "cli")


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    return written(tmp_path, "rules.yaml", NEEDS_CHECK)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with embedded_broker(tmp_path_factory.mktemp("broker") / "log") as address:
        yield address


def _check(*arguments: object, stdin: bytes = b"", **environment: str) -> subprocess.CompletedProcess[bytes]:
    command = [*BETRACE, "check", *map(str, arguments)]
    return subprocess.run(command, check=False, cwd=ROOT, input=stdin, capture_output=True, env=os.environ | environment, timeout=60)


@pytest.mark.parametrize(
    ("stdin", "status"),
    [
        (VIOLATING.encode(), 1),
        (gzip.compress(VIOLATING.encode()), 1),
        (COMPLIANT.encode(), 0),
        (b"", 2),
        (gzip.compress(VIOLATING.encode())[:40], 2),
    ],
    ids=["violation", "gzip", "compliant", "empty", "truncated"],
)
def test_standard_input_is_judged_and_the_status_says_how(stdin: bytes, status: int, rules: Path) -> None:
    ended = _check("-", "--rules", rules, stdin=stdin)
    assert ended.returncode == status, ended.stderr
    assert b"Traceback" not in ended.stderr


def test_text_that_the_locale_cannot_show_is_no_reason_to_fail(rules: Path, tmp_path: Path) -> None:
    text = document(span(1, "注文\udc80", 0, 9), span(2, "charge", 1, 2, parent=1, amount=5000))
    raw = text.replace("\\udc80", "\udc80").encode("utf-8", "surrogateescape")
    assert b"\x80" in raw
    trace = written(tmp_path, "trace.json", raw)
    for form in ("text", "json", "junit"):
        ended = _check(trace, "--rules", rules, "-o", form, LC_ALL="C", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
        assert ended.returncode == 1, ended.stderr
        # JUnit has no place for notes.
        notes = b"note: no span is named `check`, rule needs-check\nnote: no span is named `bypass`, rule needs-check\n"
        assert ended.stderr == (notes if form == "junit" else b"")


def test_a_pipe_that_is_closed_early_is_no_traceback(rules: Path, tmp_path: Path) -> None:
    many = document(*(span(number, "charge", 0, 9, trace_id=f"{number:032x}", amount=5000) for number in range(1, 2_000)))
    with subprocess.Popen(
        [*BETRACE, "check", written(tmp_path, "many.json", many), "--rules", rules],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()


def test_a_terminal_gets_colours_but_nothing_that_a_trace_wrote(rules: Path, tmp_path: Path) -> None:
    hostile = "\x1b]0;owned\x07\x1b[2J\x9b5n\x1bc"
    trace = written(
        tmp_path, "trace.json", document(span(1, hostile, 0, 9), span(2, "charge", 1, 2, parent=1, amount=5000), service=hostile)
    )
    ours, theirs = pty.openpty()
    command = [*BETRACE, "check", str(trace), "--rules", str(rules)]
    environment = os.environ | {"TERM": "xterm-256color"}
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        shown = _read_all(ours).decode()
    assert process.returncode == 1
    assert "\x1b[" in shown
    assert "owned" in shown
    assert not any(sequence in shown for sequence in ("\x1b]", "\x07", "\x1b[2J\x9b", "\x9b", "\x1bc"))


def _read_all(descriptor: int) -> bytes:
    found = b""
    try:
        while some := os.read(descriptor, 65_536):
            found += some
    except OSError:  # how a terminal says that its other end is closed
        pass
    os.close(descriptor)
    return found


def _lines_of_parents(count: int) -> str:
    """A trace in which every span is below the last one, and the first below the last."""
    return document(*(span(number, "charge", 0, 9, parent=(number - 2) % count + 1, amount=5000) for number in range(1, count + 1)))


# Run by a process of its own: the largest memory of a process begins with that of the one that started it.
_MEASURED = """
import os, subprocess, sys
process = subprocess.Popen(sys.argv[1:])
_, status, used = os.wait4(process.pid, 0)
print(os.waitstatus_to_exitcode(status), used.ru_maxrss, used.ru_utime + used.ru_stime, file=sys.stderr)
"""


def test_a_cycle_of_fifty_thousand_spans_is_judged_in_bounded_time_and_memory(rules: Path, tmp_path: Path) -> None:
    trace = written(tmp_path, "trace.json", _lines_of_parents(50_000))
    command = [*BETRACE, "check", str(trace), "--rules", str(rules), "-o", "json"]
    with (tmp_path / "out").open("wb") as out:
        measured = subprocess.run([sys.executable, "-c", _MEASURED, *command], check=True, cwd=ROOT, stdout=out, stderr=subprocess.PIPE)
    status, memory_kib, cpu_s = map(float, measured.stderr.split()[-3:])
    assert status == 0  # the trace is incomplete: a check may be among what was left out
    assert b'"span_limit"' in (tmp_path / "out").read_bytes()
    assert memory_kib < 600 * 1024
    assert cpu_s < 30


def test_a_worker_without_a_journal_ends_with_status_2_and_says_what_to_do(broker: str, rules: Path, tmp_path: Path) -> None:
    environment = {"BETRACE_BOOTSTRAP_SERVERS": broker, "BETRACE_RULE_STATS_TOPIC": "nobody-made-it"}
    with started(tmp_path, "worker", "--rules", rules, "--http-port", 0, environment=environment) as worker:
        status, output = worker.ended()
    assert status == 2
    assert "there is no topic nobody-made-it" in output
    assert "betrace topics apply" in output


def test_a_worker_names_its_address_and_ends_with_status_0_when_stopped(broker: str, rules: Path, tmp_path: Path) -> None:
    apply(TopicSettings(bootstrap_servers=broker, partition_count=1, replication_factor=1))
    with started(tmp_path, "worker", "--rules", rules, "--http-port", 0, environment={"BETRACE_BOOTSTRAP_SERVERS": broker}) as worker:
        words = worker.line("betrace worker: ").split()
        assert words[3:] == ["rules", words[4], "(1", "enabled)"]
        _await_page(f"{words[2]}/metrics")
        worker.process.send_signal(signal.SIGTERM)
        status, output = worker.ended()
        assert status == 0, output


def _await_page(url: str) -> None:
    until = time.monotonic() + 30
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).close()  # noqa: S310 - our own loopback address
        except OSError:
            assert time.monotonic() < until
            time.sleep(0.1)
        else:
            return


def test_the_api_names_its_address_and_ends_with_status_0_when_stopped(broker: str, rules: Path, tmp_path: Path) -> None:
    with started(tmp_path, "api", "--rules", rules, "--port", 0, "--bootstrap-servers", broker) as api:
        address = api.line("betrace api: ").split()[2]
        with urllib.request.urlopen(f"{address}/healthz", timeout=10) as answer:  # noqa: S310 - our own loopback address
            assert answer.status == 200
        api.process.send_signal(signal.SIGINT)
        status, output = api.ended()
        assert status == 0, output
        assert still_there(api.descendants()) == {}


@pytest.mark.parametrize("command", [("api", "--port"), ("worker", "--http-port")])
def test_an_address_that_is_taken_ends_with_status_2(command: tuple[str, str], rules: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with started(tmp_path, *command, port, "--rules", rules) as process:
            status, output = process.ended()
    assert status == 2, output
    assert f"cannot listen on 127.0.0.1:{port}" in output
    assert "Traceback" not in output
