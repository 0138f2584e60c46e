"""The live view of `betrace demo` on a terminal of its own, and how it gives that back."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.cli.processes import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

ENTERED, LEFT, CURSOR_BACK = "\x1b[?1049h", "\x1b[?1049l", "\x1b[?25h"

# What speaks for a terminal before it can speak for itself.
_OVERRIDING = {"NO_COLOR", "COLUMNS", "LINES"}


@dataclass
class OnTerminal:
    """A demo on a terminal; `shown` is all it has written."""

    process: subprocess.Popen[bytes]
    terminal: int
    shown: str = ""

    def resize(self, columns: int, lines: int) -> None:
        """Give the terminal another size, as a window manager does."""
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGWINCH)

    def wait_for(self, text: str, begin: int = 0, timeout_s: float = 90) -> int:
        """Return where the text ends that it shows from `begin` on."""
        until = time.monotonic() + timeout_s
        while text not in self.shown[begin:]:
            assert self.process.poll() is None, self.shown[-2_000:]
            assert time.monotonic() < until, f"no {text!r}: {self.shown[-2_000:]}"
            time.sleep(0.05)
        return self.shown.index(text, begin) + len(text)

    def read(self, reader: int) -> None:
        """Read what it writes until it has ended."""
        with suppress(OSError):  # how a terminal says that its other end is closed
            while some := os.read(reader, 65_536):
                self.shown += some.decode(errors="replace")


@contextmanager
def on_terminal(columns: int, lines: int, *arguments: str, **environment: str) -> Iterator[OnTerminal]:
    reader, terminal = pty.openpty()
    given = {name: value for name, value in os.environ.items() if name not in _OVERRIDING} | {"TERM": "xterm-256color"} | environment
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    command = [sys.executable, "-m", "cli", "demo", *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdin=terminal, stdout=terminal, stderr=terminal, env=given) as process:
        demo = OnTerminal(process, terminal)
        reading = threading.Thread(target=demo.read, args=(reader,), daemon=True)
        reading.start()
        try:
            yield demo
        finally:
            if process.poll() is None:
                process.terminate()
            process.wait(60)
            os.close(terminal)
            reading.join()
            os.close(reader)


@pytest.mark.slow
def test_a_terminal_is_drawn_on_at_any_size_and_given_back_at_ctrl_c() -> None:
    with on_terminal(120, 40) as demo:
        at = demo.wait_for(ENTERED)
        demo.wait_for("judging", at)
        at = demo.wait_for("✗ ", at)
        assert "partitions" in demo.shown
        assert "newest violations" in demo.shown
        demo.resize(60, 20)
        at = demo.wait_for("has 60 and 20", at)
        demo.resize(80, 24)
        demo.wait_for("verdicts by rule: 4 of 20", at)
        demo.process.send_signal(signal.SIGINT)
        assert demo.process.wait(60) == 0
    before, left, after = demo.shown.rpartition(LEFT)
    assert left
    assert CURSOR_BACK in before[-100:] + after
    assert "records" in after
    assert ENTERED not in after
    assert "Traceback" not in demo.shown


@pytest.mark.parametrize(
    ("columns", "lines", "arguments", "environment", "said"),
    [
        (79, 24, (), {}, "plain lines: the live view needs 80 columns and 24 lines; the terminal has 79 and 24"),
        (80, 23, (), {}, "plain lines: the live view needs 80 columns and 24 lines; the terminal has 80 and 23"),
        (120, 40, ("--no-live",), {}, "starting broker, store, topics and workers"),
        (120, 40, (), {"NO_COLOR": "1"}, "starting broker, store, topics and workers"),
        (120, 40, (), {"TERM": "dumb"}, "starting broker, store, topics and workers"),
    ],
    ids=["narrow", "low", "no-live", "no-color", "dumb"],
)
def test_a_terminal_that_is_too_small_or_shall_not_be_drawn_on_gets_plain_lines(
    columns: int, lines: int, arguments: tuple[str, ...], environment: dict[str, str], said: str
) -> None:
    with on_terminal(columns, lines, *arguments, **environment) as demo:
        demo.wait_for(said)
        demo.wait_for("waiting for the group")
        demo.process.terminate()
        assert demo.process.wait(60) == 0
    assert ENTERED not in demo.shown
