"""Real processes of the command line, and what they leave behind."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).resolve().parents[2]
_GONE_WITHIN_S = 5.0
_ENDED_WITHIN_S = 30.0


@dataclass
class Started:
    """A `betrace` process in a folder of its own: its working directory `work`, its temporary files in `tmp`."""

    process: subprocess.Popen[str]
    folder: Path

    def line(self, start: str) -> str:
        """Return the next line of its output that starts so."""
        assert self.process.stdout is not None
        seen = []
        for line in self.process.stdout:
            if line.startswith(start):
                return line.strip()
            seen.append(line)
        raise AssertionError(f"no line begins with {start!r}: {''.join(seen)}")

    def ended(self, timeout_s: float = 60) -> tuple[int, str]:
        """Wait for its end; return status and the rest of its output."""
        output, _ = self.process.communicate(timeout=timeout_s)
        return self.process.returncode, output

    def descendants(self) -> dict[int, str]:
        """Return the processes below it by id, whatever session they are in, each with its command."""
        below = {self.process.pid}
        while grown := {pid for pid, parent in _parents().items() if parent in below} - below:
            below |= grown
        return {pid: command for pid in below - {self.process.pid} if (command := _command(pid))}

    def left_files(self) -> list[Path]:
        """Return what it left in its folders."""
        return [path for folder in ("work", "tmp") for path in (self.folder / folder).iterdir()]


@contextmanager
def started(
    folder: Path, *arguments: object, environment: Mapping[str, str] | None = None, file_size_max: int | None = None
) -> Iterator[Started]:
    """Run `betrace` without a terminal; what is left of it when the test is over ends. No file it writes may be larger than the limit."""
    for name in ("work", "tmp"):
        (folder / name).mkdir()
    given = os.environ | {"TMPDIR": str(folder / "tmp"), "PYTHONPATH": str(ROOT)} | dict(environment or {})
    limited = [] if file_size_max is None else ["prlimit", f"--fsize={file_size_max}"]
    with subprocess.Popen(
        [*limited, sys.executable, "-m", "cli", *map(str, arguments)],
        cwd=folder / "work",
        env=given,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield Started(process, folder)
        finally:
            _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    """End it in order, so that its parts end too; what does not is killed."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_ENDED_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()


def still_there(processes: Mapping[int, str]) -> dict[int, str]:
    """Return which of these processes have not gone after a moment."""
    until = time.monotonic() + _GONE_WITHIN_S
    while (left := {pid: name for pid, name in processes.items() if _command(pid) == name}) and time.monotonic() < until:
        time.sleep(0.1)
    return left


def _parents() -> dict[int, int]:
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                found[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:  # it ended meanwhile
                continue
    return found


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
