"""What the tutorials say is what happens: their files are written, their commands run, their output compared."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.main import betrace

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / page
    for page in ("README.md", "docs/tutorial/first-rule.md", "docs/how-to/learn-from-an-incident.md", "docs/how-to/write-a-rule.md")
]
_BLOCK = re.compile(r"^( *)```(console|yaml \S+)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
# A line that stands for any number of lines.
_SOME = "…"


def steps(page: str) -> Iterator[tuple[str, list[str]]]:
    """What is to be done, and what is then seen: a command and its output, or a file's name and its lines."""
    for indent, kind, content in _BLOCK.findall(page):
        lines = [line.removeprefix(indent) for line in content.splitlines()]
        if kind != "console":
            yield kind.partition(" ")[2], lines
            continue
        starts = [number for number, line in enumerate(lines) if line.startswith("$ ")]
        for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
            yield lines[start], lines[start + 1 : end]


def agree(expected: Sequence[str], found: Sequence[str]) -> bool:
    """Whether the lines found are those expected."""
    pattern = "".join("(?:.*\n)*?" if line == _SOME else f"{re.escape(line)}\n" for line in expected)
    return re.fullmatch(pattern, "".join(f"{line.rstrip()}\n" for line in found)) is not None


def run(step: str) -> str:
    """Run a command, here; what it says goes into a file where the step says so, but for what it says of itself."""
    command, sign, target = re.fullmatch(r"(.*?)(?: (>>?) (\S+))?", step).groups()  # type: ignore[union-attr]  # anything matches
    result = CliRunner().invoke(betrace, shlex.split(command)[2:], catch_exceptions=False)
    if sign is None:
        return result.output
    with Path(target).open("a" if sign == ">>" else "w", encoding="utf-8") as file:
        file.write(result.stdout)
    return result.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_step_of_a_tutorial_does_what_the_page_says(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("topics").symlink_to(ROOT / "topics")
    commands = 0
    for step, lines in steps(page.read_text("utf-8")):
        if step.startswith("$ betrace "):
            commands += 1
            output = run(step)
            assert agree(lines, output.rstrip().splitlines()), f"{step}\n{output}"
        elif not step.startswith("$ "):
            Path(step).parent.mkdir(exist_ok=True)
            Path(step).write_text("\n".join(lines) + "\n", "utf-8")
    assert commands


def test_a_line_that_differs_is_no_agreement() -> None:
    assert agree(["a", "…", "d"], ["a", "b", "c", "d"])
    assert not agree(["a", "…", "d"], ["a", "b", "c"])
    assert not agree(["a"], ["a", "b"])
