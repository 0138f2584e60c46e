"""The rule files of a path are read all, or an error says which one could not be."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from processor import rule_directory
from processor.rule_directory import read_sources
from tests.nobody import nobody


def _names(path: Path) -> list[str]:
    return [Path(source.name).relative_to(path).as_posix() for source in read_sources(path)]


def test_hidden_files_and_others_are_left_out_and_links_to_files_are_followed(tmp_path: Path) -> None:
    (tmp_path / "..data").mkdir()
    (tmp_path / "sub.yaml").mkdir()
    for name in ("..data/a.yaml", ".b.yaml", "c.txt", "sub.yaml/d.yml"):
        (tmp_path / name).write_text(name)
    (tmp_path / "a.yaml").symlink_to("..data/a.yaml")
    (tmp_path / "loop").symlink_to(".")
    assert _names(tmp_path) == ["a.yaml", "sub.yaml/d.yml"]


def test_a_link_to_nothing_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").symlink_to("gone.yaml")
    with pytest.raises(FileNotFoundError, match=r"a\.yaml"):
        read_sources(tmp_path)


def test_a_pipe_is_no_rule_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.yaml")
    with pytest.raises(OSError, match=r"it is no file.*a\.yaml"):
        read_sources(tmp_path)


def test_a_directory_that_cannot_be_listed_is_said() -> None:
    with nobody() as folder:
        (folder / "sub").mkdir(mode=0)
        with pytest.raises(PermissionError, match="sub"):
            read_sources(folder)


def test_a_file_that_does_not_end_is_not_read_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rule_directory, "FILE_SIZE_MAX_BYTES", 1000)
    (tmp_path / "a.yaml").write_bytes(b"#" * 1000)
    assert len(read_sources(tmp_path)) == 1
    with pytest.raises(OSError, match="it has more than 1000 bytes"):
        read_sources(Path("/dev/zero"))
