"""The logs of a demo's parts: they stay small, and a disk without room is said, not suffered."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cli.demo_logs import LOG_SIZE_MAX, PartError, PartLogs
from tests.cli.processes import started, still_there
from tests.skipping import missing

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of a megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], check=False, capture_output=True)
    if mounted.returncode:
        missing("this user may not mount a disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def _fill(folder: Path) -> None:
    with (folder / "full").open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)):
            pass


def test_a_log_that_grows_too_long_begins_anew_and_all_of_it_is_counted(tmp_path: Path) -> None:
    logs = PartLogs(tmp_path)
    with logs.path("broker").open("ab") as log:
        log.write(bytes(LOG_SIZE_MAX + 1))
        log.flush()
        logs.check()
        assert logs.path("broker").stat().st_size == 0
        log.write(b"one\ntwo\n")
        log.flush()
        logs.check()
    assert logs.tail("broker") == "one\ntwo"
    assert logs.byte_count == LOG_SIZE_MAX + 9
    assert logs.tail("worker-1") == ""


def test_a_full_disk_is_said(tiny_disk: Path) -> None:
    folder = tiny_disk / "logs"
    folder.mkdir()
    logs = PartLogs(folder)
    logs.check()
    _fill(tiny_disk)
    with pytest.raises(PartError, match=f"no room for the logs of broker, store and workers in {tiny_disk}: No space left"):
        logs.check()
    assert list(folder.iterdir()) == []


@pytest.mark.slow
def test_a_demo_whose_disk_fills_up_says_so_with_status_1_and_leaves_nothing_behind(tiny_disk: Path, tmp_path: Path) -> None:
    with started(tmp_path, "demo", environment={"TMPDIR": str(tiny_disk)}) as demo:
        demo.line("playing")
        parts = demo.descendants()
        _fill(tiny_disk)
        status, output = demo.ended(30)
        assert status == 1, output
        assert f"betrace demo: no room for the logs of broker, store and workers in {tiny_disk}: No space left on device\n" in output
        assert "Traceback" not in output
        assert still_there(parts) == {}
        assert [path.name for path in tiny_disk.iterdir()] == ["full"]


def test_a_demo_without_room_for_logs_says_so_before_it_starts_anything(tmp_path: Path) -> None:
    with started(tmp_path, "demo", file_size_max=8 * 1024) as demo:
        status, output = demo.ended(30)
        assert status == 1, output
        assert output.startswith("betrace demo: no room for the logs of broker, store and workers in ")
        assert demo.left_files() == []
