"""Temporary folders: a killed process leaves one behind until the next start; what is in use or not ours is never touched."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import ModuleType

import pytest

from api.scratch_folder import PREFIX, scratch_folder
from api.view import View

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys
from api.view import View
view = View(None)
print(view.path.parent, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that temporary folders are made in."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@contextmanager
def another_process(parent: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A process with a temporary view, and the folder of that."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(parent)}
    command = [sys.executable, "-c", PROGRAM]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        try:
            yield process, Path(process.stdout.readline().strip())
        finally:
            process.kill()


def test_the_folder_of_a_killed_process_is_gone_with_the_next_start(parent: Path) -> None:
    with another_process(parent) as (process, left):
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert (left / "view.sqlite").exists()
    with closing(View(None)) as view:
        assert [view.path.parent] == list(parent.iterdir())
    assert not list(parent.iterdir())


def test_the_folder_of_a_process_that_lives_is_left_alone(parent: Path) -> None:
    with another_process(parent) as (process, held), closing(View(None)):
        assert (held / "view.sqlite").exists()
        assert process.poll() is None


def test_two_views_of_one_process_have_a_folder_each(parent: Path) -> None:
    with closing(View(None)) as one, closing(View(None)) as other:
        assert {one.path.parent, other.path.parent} == set(parent.iterdir())


def test_what_is_named_alike_and_is_not_ours_is_left_alone(parent: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    precious = tmp_path_factory.mktemp("precious")
    (precious / "file").touch()
    precious.chmod(0o700)
    (parent / f"{PREFIX}link").symlink_to(precious)
    (parent / f"{PREFIX}file").touch()
    (parent / f"{PREFIX}open").mkdir(mode=0o755)
    (parent / "other").mkdir(mode=0o700)
    before = set(parent.iterdir())
    with scratch_folder():
        pass
    assert set(parent.iterdir()) == before
    assert (precious / "file").exists()


def test_the_folder_of_another_user_is_left_alone(parent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (parent / f"{PREFIX}theirs").mkdir(mode=0o700)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with scratch_folder():
        assert (parent / f"{PREFIX}theirs").exists()


@pytest.mark.parametrize(("module", "step"), [(os, "open"), (fcntl, "flock")])
def test_a_folder_that_is_swept_away_before_it_is_locked_is_made_again(
    parent: Path, monkeypatch: pytest.MonkeyPatch, module: ModuleType, step: str
) -> None:
    whole, swept = getattr(module, step), list[Path]()

    def sweep_first(*given: object) -> object:
        if not swept:
            swept.extend(parent.iterdir())
            swept[0].rmdir()
        return whole(*given)

    monkeypatch.setattr(module, step, sweep_first)
    with scratch_folder() as folder:
        assert folder.exists()
        assert folder not in swept


def test_nobody_else_can_enter_the_folder(parent: Path) -> None:
    with scratch_folder() as folder:
        assert folder.parent == parent
        assert folder.stat().st_mode & 0o077 == 0
