"""`betrace demo`, as a process of its own and without a terminal: what it says at the end, and what it leaves behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import tempfile
import time
import urllib.request
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from cli import embedded_broker as broker_module
from cli.demo_logs import part_logs
from cli.main import betrace
from tests.cli.processes import started, still_there
from tests.cli.run import written
from topics.recordings import HOTROD_PROTO_KEYED, recording

if TYPE_CHECKING:
    from pathlib import Path

SAME = "the same as betrace check says of these records\n"
OWN_RULES = """
rules:
  - {id: nobody-asks, rule: 'never { "SQL SELECT" }'}
  - {id: nobody-is-lost, rule: 'when { "HTTP GET" } never { lost }'}
"""


@pytest.fixture
def short(tmp_path: Path) -> tuple[object, ...]:
    """A demo of few records and two rules, one of which is broken by almost every trace."""
    return ("demo", "--rules", written(tmp_path, "own.yaml", OWN_RULES), "--records", recording(HOTROD_PROTO_KEYED))


@pytest.mark.slow
def test_the_demo_ends_by_itself_with_the_verdicts_of_betrace_check(tmp_path: Path) -> None:
    with started(tmp_path, "demo", "--seconds", "12") as demo:
        status, output = demo.ended(120)
        assert status == 0, output
        assert "embedded broker: clock check off" in output
        assert "(spans: otlp_spans, violations: betrace.violations)" in output
        assert "api         http://127.0.0.1:" in output
        assert "did not hold: always { fraud.check" in output
        assert "6164 records, 628 traces, 48 violations" in output
        assert "journal: 3920 verdicts counted, betrace check counts 3920; 4 fences" in output
        assert output.endswith(SAME)
        assert "\x1b" not in output
        assert demo.left_files() == []


@pytest.mark.slow
def test_killed_workers_lose_nothing(tmp_path: Path) -> None:
    with started(tmp_path, "demo", "--kill", "--seconds", "30", "--output", "json") as demo:
        status, output = demo.ended(180)
        assert status == 0, output
        ending = json.loads(output)
        assert (ending["outcome"], ending["records"], ending["traces"], ending["violations"]) == ("same", 6164, 628, 48)
        # A violation that was said early is said once more when its trace closes, as its next revision.
        assert ending["said"]["records"] >= 48 + ending["said"]["again"]
        assert ending["said"]["differing"] == []
        assert ending["journal"]["verdicts"] == 3920
        first, last = ending["kills"][0], ending["kills"][-1]
        assert 6164 / 3 <= first["played_count"] < 6164
        assert last["judged_after_s"] > 0
        # A partition at least was taken a second time, behind what the killed worker had written.
        assert ending["journal"]["fences"] > 4
        assert ending["store_writes"]["done"] > 0
        assert all(
            (rule["violations"], rule["counts"]) == (rule["check"]["violations"], rule["check"]["counts"]) for rule in ending["rules"]
        )
        assert demo.left_files() == []


@pytest.mark.slow
def test_the_demo_judges_other_records_by_other_rules_and_serves_what_it_found(short: tuple[object, ...], tmp_path: Path) -> None:
    with started(tmp_path, *short, "--seconds", "8", "--workers", "1") as demo:
        api = demo.line("api").split()[1]
        assert demo.line("rules") == f"rules       2 from {short[2]}"
        with urllib.request.urlopen(f"{api.removesuffix('/violations')}/rules", timeout=10) as answer:  # noqa: S310 - our own loopback address
            assert "nobody-asks" in answer.read().decode()
        demo.line("✗ nobody-asks")
        with urllib.request.urlopen(f"{api}?rule=nobody-asks", timeout=10) as answer:  # noqa: S310 - our own loopback address
            assert json.load(answer)["items"][0]["rule"]["id"] == "nobody-asks"
        status, output = demo.ended()
        assert status == 0, output
        assert ["nobody-is-lost", "0", "0"] in [line.split()[:3] for line in output.splitlines()]
        assert "122 traces" in output
        assert demo.left_files() == []


@pytest.mark.slow
def test_ctrl_c_leaves_nothing_behind(short: tuple[object, ...], tmp_path: Path) -> None:
    with started(tmp_path, *short) as demo:
        demo.line("playing")
        parts = demo.descendants()
        servers = [pid for pid, command in parts.items() if any(word in command for word in (" broker ", "valkey", " worker "))]
        assert len(servers) == 4
        assert len({os.getsid(pid) for pid in servers} | {os.getsid(demo.process.pid)}) == 5
        time.sleep(1)
        demo.process.send_signal(signal.SIGINT)
        status, output = demo.ended()
        assert status == 0, output
        assert "ended before all records were played" in output
        assert "Traceback" not in output
        assert still_there(parts) == {}
        assert demo.left_files() == []


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_a_demo_that_is_ended_while_it_starts_leaves_nothing_behind(
    number: signal.Signals, short: tuple[object, ...], tmp_path: Path
) -> None:
    with started(tmp_path, *short) as demo:
        until = time.monotonic() + 60
        while not (parts := demo.descendants()) and time.monotonic() < until:
            time.sleep(0.05)
        demo.process.send_signal(number)
        time.sleep(0.5)
        parts |= demo.descendants()
        status, output = demo.ended()
        assert (status, "Traceback" in output) == (0, False), output
        assert parts
        assert still_there(parts) == {}
        assert demo.left_files() == []


def test_what_a_killed_demo_started_ends_and_the_next_one_takes_its_files_away(
    short: tuple[object, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with started(tmp_path, *short) as demo:
        parts: dict[int, str] = {}
        until = time.monotonic() + 60
        while sum(" worker " in command for command in parts.values()) < 2 and time.monotonic() < until:
            parts = demo.descendants()
            time.sleep(0.05)
        demo.process.kill()
        demo.process.wait()
        assert len(parts) >= 4
        left = still_there(parts)
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        assert left == {}
        assert any(path.name.startswith("betrace-demo-") for path in demo.left_files())
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
        with part_logs():
            pass
        assert [path for path in demo.left_files() if path.name.startswith("betrace-demo-")] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("part", "said"), [(" worker", "worker 2 (pid "), (" broker ", "betrace demo: "), ("valkey", "the embedded store at ")]
)
def test_a_demo_whose_part_dies_says_so_with_status_1_and_leaves_nothing_behind(
    part: str, said: str, short: tuple[object, ...], tmp_path: Path
) -> None:
    with started(tmp_path, *short) as demo:
        demo.line("playing")
        parts = demo.descendants()
        os.kill(max(pid for pid, command in parts.items() if part in command and "/bin/sh" not in command), signal.SIGKILL)
        status, output = demo.ended(90)
        assert status == 1, output
        assert said in output.partition("betrace demo: ")[2] or said == "betrace demo: "
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


def test_a_demo_without_its_broker_says_so_with_status_1(tmp_path: Path) -> None:
    with started(tmp_path, "demo", environment={"CALF_TANSU_BIN": "/nowhere/tansu"}) as demo:
        status, output = demo.ended()
        assert status == 1
        assert "betrace demo: no embedded broker for this machine: " in output
        assert "Traceback" not in output
        assert demo.left_files() == []


def test_a_demo_whose_port_is_taken_says_so_with_status_1(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setattr(broker_module, "free_port", lambda: taken.getsockname()[1])
        ended = CliRunner().invoke(betrace, ["demo", "--output", "json"])
    assert ended.exit_code == 1, ended.output
    assert ended.stderr.startswith("betrace demo: the embedded broker ended at once")
    # What its log says last: the log itself is gone.
    assert "in use" in ended.stderr


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
