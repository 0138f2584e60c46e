"""`betrace demo`, as a process of its own and without a terminal."""

from __future__ import annotations

import json
import os
import signal
import time
import urllib.request
from typing import TYPE_CHECKING

import pytest

from tests.cli.processes import started, still_there
from tests.cli.run import written
from topics.recordings import HOTROD_PROTO_KEYED, recording

if TYPE_CHECKING:
    from pathlib import Path

OWN_RULES = """
rules:
  - {id: nobody-asks, rule: 'never { "SQL SELECT" }'}
  - {id: nobody-is-lost, rule: 'when { "HTTP GET" } never { lost }'}
"""


@pytest.fixture
def short(tmp_path: Path) -> tuple[object, ...]:
    """A demo of few records and two rules, one of which is broken by almost every trace."""
    return ("demo", "--rules", written(tmp_path, "own.yaml", OWN_RULES), "--records", recording(HOTROD_PROTO_KEYED))


def test_the_demo_ends_by_itself_with_the_verdicts_of_betrace_check(tmp_path: Path) -> None:
    with started(tmp_path, "demo", "--seconds", "12") as demo:
        status, output = demo.ended(120)
        assert status == 0, output
        assert "embedded broker: clock check off" in output
        assert "(spans: otlp_spans, violations: betrace.violations)" in output
        assert "api         http://127.0.0.1:" in output
        assert "did not hold: always { fraud.check" in output
        assert "6164 records, 628 traces, 48 violations" in output
        assert output.endswith("the same as betrace check says of these records\n")
        assert "\x1b" not in output
        assert demo.left_files() == []


def test_the_demo_judges_other_records_by_other_rules_and_serves_what_it_found(short: tuple[object, ...], tmp_path: Path) -> None:
    with started(tmp_path, *short, "--seconds", "8") as demo:
        api = demo.line("api").split()[1]
        assert demo.line("rules") == f"rules       2 from {short[2]}"
        with urllib.request.urlopen(f"{api.removesuffix('/violations')}/rules", timeout=10) as answer:  # noqa: S310 - our own loopback address
            assert "nobody-asks" in answer.read().decode()
        demo.line("✗ nobody-asks")
        with urllib.request.urlopen(f"{api}?rule=nobody-asks", timeout=10) as answer:  # noqa: S310 - our own loopback address
            assert json.load(answer)["items"][0]["rule"]["id"] == "nobody-asks"
        status, output = demo.ended()
        assert status == 0, output
        assert ["nobody-is-lost", "0", "0"] in [line.split() for line in output.splitlines()]
        assert "122 traces" in output
        assert demo.left_files() == []


def test_ctrl_c_leaves_nothing_behind(short: tuple[object, ...], tmp_path: Path) -> None:
    with started(tmp_path, *short) as demo:
        demo.line("playing")
        parts = demo.descendants()
        # The worker, the broker, and what ends the broker where nobody else does.
        assert len(parts) == 3
        assert len({os.getsid(pid) for pid in parts} | {os.getsid(demo.process.pid)}) == 4
        time.sleep(1)
        demo.process.send_signal(signal.SIGINT)
        status, output = demo.ended()
        assert status == 0, output
        assert "ended before all records were played" in output
        assert "Traceback" not in output
        assert still_there(parts) == {}
        assert demo.left_files() == []


def test_a_demo_whose_terminal_is_closed_while_it_starts_leaves_nothing_behind(short: tuple[object, ...], tmp_path: Path) -> None:
    with started(tmp_path, *short) as demo:
        until = time.monotonic() + 60
        while not (parts := demo.descendants()) and time.monotonic() < until:
            time.sleep(0.05)
        demo.process.send_signal(signal.SIGHUP)
        time.sleep(0.5)
        parts |= demo.descendants()
        status, output = demo.ended()
        assert (status, "Traceback" in output) == (0, False), output
        assert parts
        assert still_there(parts) == {}
        assert demo.left_files() == []


@pytest.mark.parametrize("part", [" worker ", " broker "])
def test_a_demo_whose_part_dies_says_so_with_status_1_and_leaves_nothing_behind(
    part: str, short: tuple[object, ...], tmp_path: Path
) -> None:
    with started(tmp_path, *short) as demo:
        demo.line("playing")
        parts = demo.descendants()
        os.kill(next(pid for pid, command in parts.items() if part in command), signal.SIGKILL)
        status, output = demo.ended(90)
        assert status == 1, output
        assert "betrace demo: " in output
        assert "Traceback" not in output.partition("betrace demo: ")[0]
        assert still_there(parts) == {}
        assert demo.left_files() == []


def test_a_demo_that_nobody_reads_ends_and_leaves_nothing_behind(short: tuple[object, ...], tmp_path: Path) -> None:
    with started(tmp_path, *short) as demo:
        assert demo.process.stdout is not None
        demo.process.stdout.close()
        parts: dict[int, str] = {}
        until = time.monotonic() + 60
        while demo.process.poll() is None and time.monotonic() < until:
            parts |= demo.descendants()
            time.sleep(0.05)
        assert demo.process.returncode == 1
        assert len(set(parts.values())) >= 2
        assert still_there(parts) == {}
        assert demo.left_files() == []


def test_rules_or_records_that_cannot_be_used_end_the_demo_with_status_2(tmp_path: Path) -> None:
    bad = written(tmp_path, "bad.yaml", "rules: [{id: a, rule: charge}]")
    with started(tmp_path, "demo", "--rules", bad, "--seconds", "10") as demo:
        status, output = demo.ended()
        assert status == 2
        assert "[needs-always-or-never]" in output
        assert demo.left_files() == []


def test_a_file_without_records_ends_the_demo_with_status_2(tmp_path: Path) -> None:
    with started(tmp_path, "demo", "--records", written(tmp_path, "none.ndjson", "")) as demo:
        status, output = demo.ended()
    assert status == 2
    assert output.endswith("none.ndjson: no records\n")
