"""`betrace demo`, as a process of its own and without a terminal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path


def _demo(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    environment = os.environ | {"TMPDIR": str(folder)}
    command = [sys.executable, "-m", "cli", "demo", *arguments]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)


def _processes_with(word: str) -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if word in command:
                found.append(command)
    return found


def test_the_demo_ends_by_itself_with_the_verdicts_of_betrace_check(tmp_path: Path) -> None:
    with _demo(tmp_path, "--seconds", "16") as demo:
        output, _ = demo.communicate(timeout=120)
    assert demo.returncode == 0, output
    assert "embedded broker: clock check off" in output
    assert "violations: betrace.violations" in output
    assert "api         http://127.0.0.1:" in output
    assert "did not hold: always { fraud.check" in output
    assert "6164 records, 628 traces, 48 violations" in output
    assert "the same as betrace check says of these records" in output
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_leaves_nothing_behind(tmp_path: Path) -> None:
    with _demo(tmp_path) as demo:
        assert demo.stdout is not None
        lines = [demo.stdout.readline() for _ in range(3)]
        while not any(line.startswith("playing") for line in lines):
            lines.append(demo.stdout.readline())
        broker = next(line for line in lines if line.startswith("broker")).split()[1]
        time.sleep(2)
        demo.send_signal(signal.SIGINT)
        output, _ = demo.communicate(timeout=60)
    assert demo.returncode == 0, output
    assert _processes_with(broker) == []
    assert list(tmp_path.iterdir()) == []


def test_rules_that_are_refused_end_the_demo_with_status_2(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("rules: [{id: a, rule: charge}]")
    with _demo(tmp_path, "--rules", str(bad), "--seconds", "10") as demo:
        output, _ = demo.communicate(timeout=60)
    assert demo.returncode == 2
    assert "[needs-always-or-never]" in output
