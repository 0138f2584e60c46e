"""Workers under a supervisor, as operators keep them: who dies is replaced, who is not wanted any more is stopped."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from loadtest.machine import ROOT
from loadtest.worker_process import COMMAND
from tests.frozen import freeze

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# What a worker may end with when its surroundings fail it; anything else is a fault of its own.
_OF_THE_OUTSIDE = frozenset({"JournalError", "DeliveryError", "KafkaException"})
_CRASHED = re.compile(r"Crashed reason=(\w+)")
_STOP_TIMEOUT_S = 60.0


@dataclass
class Member:
    """A worker, and what is meant to become of it. `restart_at`: not before that is it replaced when it has ended."""

    number: int
    process: subprocess.Popen[bytes]
    log_file: Path
    is_wanted: bool = True
    is_frozen: bool = False
    restart_at: float = 0.0

    @property
    def is_running(self) -> bool:
        """Whether its process is there."""
        return self.process.poll() is None

    @property
    def has_joined(self) -> bool:
        """Whether its group has ever told it which partitions are its own."""
        return b"] assigned " in self.log_file.read_bytes()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        if self.is_running:
            self.process.send_signal(number)

    def freeze(self) -> None:
        """Let it stand where it stands."""
        if self.is_running:
            freeze(self.process)
        self.is_frozen = True

    def resume(self) -> None:
        """Let it go on as if nothing had been."""
        self.signal(signal.SIGCONT)
        self.is_frozen = False


@dataclass
class Crew:
    """The members. `ended` counts the exit statuses of those that ended by themselves, `complaints` what must not have happened."""

    environment: Mapping[str, str]
    folder: Path
    members: list[Member] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    _started: int = 0

    def add(self) -> Member:
        """Start one more."""
        process, log_file = self._start()
        member = Member(len(self.members), process, log_file)
        self.members.append(member)
        return member

    @staticmethod
    def replace(member: Member, after_s: float) -> None:
        """Let another take its place in a while; it has ended."""
        member.restart_at = time.monotonic() + after_s

    def supervise(self) -> None:
        """Replace who is wanted and has ended."""
        for member in self.members:
            if member.is_running or not member.is_wanted or time.monotonic() < member.restart_at:
                continue
            self._note_end(member)
            member.process, member.log_file = self._start()
            member.is_frozen = False

    def standing(self) -> list[Member]:
        """Return those that are wanted, there, and awake."""
        return [member for member in self.members if member.is_wanted and member.is_running and not member.is_frozen]

    def wanted_count(self) -> int:
        """Return how many there should be."""
        return sum(member.is_wanted for member in self.members)

    def stop(self) -> None:
        """Stop all as an operator would, and wait for them."""
        running = [member for member in self.members if member.is_running]
        for member in self.members:
            if member not in running:
                self._note_end(member)
            member.is_wanted = False
            member.resume()
            member.signal(signal.SIGTERM)
        for member in running:
            try:
                status = member.process.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.complaints.append(f"{member.log_file.stem} did not stop within {_STOP_TIMEOUT_S} s")
            else:
                if status not in {0, -signal.SIGTERM}:
                    self.complaints.append(f"{member.log_file.stem} ended with {status} when it was stopped")

    def end(self) -> None:
        """Kill what is still there."""
        for member in self.members:
            if member.is_running:
                member.process.kill()
                member.process.wait()

    def _note_end(self, member: Member) -> None:
        """Take note of a worker that ended, unless it was killed or stopped by us."""
        status = member.process.returncode
        # One that is stopped before it listens to signals ends with them.
        if status in {0, -signal.SIGKILL, -signal.SIGTERM}:
            return
        crash = _CRASHED.search(member.log_file.read_text(errors="replace"))
        reason = crash[1] if crash else "nothing that it says"
        self.ended.append(f"{member.log_file.stem}: {status} after {reason}")
        if status != 1 or reason not in _OF_THE_OUTSIDE:
            self.complaints.append(f"{member.log_file.stem} ended by itself with {status} after {reason}")

    def _start(self) -> tuple[subprocess.Popen[bytes], Path]:
        log_file = self.folder / f"worker-{self._started}.log"
        self._started += 1
        with log_file.open("wb") as log:
            process = subprocess.Popen(COMMAND, cwd=ROOT, env=dict(self.environment), stdout=log, stderr=log)
        return process, log_file
