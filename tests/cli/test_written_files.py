"""Files that commands write are the old ones or the new ones, whole, whatever stops the writing."""

from __future__ import annotations

import os
import resource
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from cli.written_files import create, replace, write_all
from tests.cli.run import run, written
from tests.nobody import nobody

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

UNFORMATTED = "rules:\n" + "".join(f"  - id: r{at}\n    rule: 'when {{ a }} always {{ b and c }}'\n" for at in range(40))
QUERY = '{ name = "a" }\n'
# Its one test expects too little.
FAILING = """rules:
  - id: one
    rule: never { b }
    tests:
      - {name: t, trace: "b  0s..1s", expect: satisfied}
"""


@contextmanager
def _little_room(size_max: int = 10) -> Iterator[None]:
    """Let no file grow beyond some bytes, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_max, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(("content", "arguments"), [(UNFORMATTED, ["format"]), (FAILING, ["test", "--update"])])
def test_without_room_a_rule_file_stays_as_it_was(content: str, arguments: list[str], tmp_path: Path) -> None:
    path = written(tmp_path, "rules.yaml", content)
    with _little_room():
        result = run("rules", *arguments, path)
    assert (result.exit_code, path.read_text()) == (2, content)
    assert f"betrace: {path}: File too large" in result.stderr
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "arguments",
    [
        ["init", "one", "--to", "new.yaml"],
        ["import", "traceql", "../query", "--to", "new.yaml"],
        ["library", "copy", "--all", "--to", "new.yaml"],
        ["library", "copy", "--all", "--to", "."],
    ],
)
def test_without_room_no_new_file_is_left(arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, "query", QUERY)
    (folder := tmp_path / "in").mkdir()
    monkeypatch.chdir(folder)
    with _little_room():
        result = run("rules", *arguments)
    assert result.exit_code == 2
    assert ".yaml: File too large" in result.stderr
    assert list(folder.iterdir()) == []


def test_of_several_files_none_is_written_where_one_cannot_be(tmp_path: Path) -> None:
    path = written(tmp_path, "a", "old")
    with _little_room(), pytest.raises(OSError, match="File too large"):
        write_all({path: b"new", tmp_path / "b": b"x" * 100})
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_has_changed_since_it_was_read_is_not_overwritten(tmp_path: Path) -> None:
    path = written(tmp_path, "a", "theirs")
    with pytest.raises(OSError, match="it has changed since it was read"):
        replace(path, b"read", b"new")
    assert path.read_text() == "theirs"


def test_a_file_keeps_its_mode_and_a_link_stays_one(tmp_path: Path) -> None:
    path = written(tmp_path, "rules", UNFORMATTED)
    path.chmod(0o640)
    link = tmp_path / "link.yaml"
    link.symlink_to(path)
    assert run("rules", "format", link).exit_code == 0
    assert link.is_symlink()
    assert path.read_text() != UNFORMATTED
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_new_file_can_be_read_by_whom_the_mask_says(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        create(tmp_path / "a", b"x")
        write_all({tmp_path / "b": b"x"})
    finally:
        os.umask(before)
    assert {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in "ab"} == {0o640}


def test_a_file_that_may_not_be_written_is_not_replaced() -> None:
    with nobody() as folder:
        path = written(folder, "rules.yaml", UNFORMATTED)
        path.chmod(0o444)
        result = run("rules", "format", path)
        assert (result.exit_code, path.read_text()) == (2, UNFORMATTED)
    assert "Permission denied" in result.stderr
