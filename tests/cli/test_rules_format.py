"""`betrace rules format`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.cli.run import run, written

if TYPE_CHECKING:
    from pathlib import Path

UNTIDY = "rules:\n- rule: never{b}\n  id: a\n"
TIDY = "rules:\n  - id: a\n    rule: |\n      never { b }\n"


def test_files_are_written_in_their_canonical_form(tmp_path: Path) -> None:
    untidy, tidy = written(tmp_path, "a.yaml", UNTIDY), written(tmp_path, "b.yaml", TIDY)
    result = run("rules", "format", untidy, tidy)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "1 file formatted, 1 as they should be\n"
    assert untidy.read_text() == tidy.read_text() == TIDY


def test_check_names_what_would_change_and_writes_nothing(tmp_path: Path) -> None:
    untidy, tidy = written(tmp_path, "a.yaml", UNTIDY), written(tmp_path, "b.yaml", TIDY)
    result = run("rules", "format", "--check", tmp_path)
    assert (result.exit_code, result.stdout) == (1, f"{untidy}\n")
    assert untidy.read_text() == UNTIDY
    assert run("rules", "format", "--check", tidy).exit_code == 0


def test_diff_shows_what_would_change_and_writes_nothing(tmp_path: Path) -> None:
    untidy = written(tmp_path, "a.yaml", UNTIDY)
    result = run("rules", "format", "--diff", untidy)
    assert result.exit_code == 1
    assert result.stdout.splitlines()[3:5] == [" rules:", "-- rule: never{b}"]
    assert untidy.read_text() == UNTIDY
    assert run("rules", "format", "--diff", written(tmp_path, "b.yaml", TIDY)).stdout == ""


def test_standard_input_is_answered_on_standard_output() -> None:
    result = run("rules", "format", "-", stdin=UNTIDY.encode())
    assert (result.exit_code, result.stdout) == (0, TIDY)
    checked = run("rules", "format", "-", "--check", stdin=UNTIDY.encode())
    assert (checked.exit_code, checked.stdout) == (1, "-\n")


def test_a_file_with_errors_is_left_alone_and_the_others_are_formatted(tmp_path: Path) -> None:
    bad, untidy = written(tmp_path, "a.yaml", "rules:\n- rule: b\n  id: a\n"), written(tmp_path, "b.yaml", UNTIDY)
    result = run("rules", "format", tmp_path)
    assert result.exit_code == 2
    assert "[needs-always-or-never]" in result.stderr
    assert result.stderr.endswith("1 file formatted, 0 as they should be, 1 refused\n")
    assert bad.read_text() == "rules:\n- rule: b\n  id: a\n"
    assert untidy.read_text() == TIDY


def test_a_diff_shows_no_control_sequences_of_a_file(tmp_path: Path) -> None:
    assert "\u202e" not in run("rules", "format", "--diff", written(tmp_path, "a.yaml", UNTIDY + "  name: '\u202e'\n")).stdout
