"""Where a partition was when its offset was committed: the note that travels with the commit.

The committed offset is the low watermark, older than what has been said. A worker that starts there replays up to the position of the
note in silence, forgets what had been forgotten by then, and goes on.
"""

from __future__ import annotations

from typing import NamedTuple

_WORD = "betrace-1"


class Resume(NamedTuple):
    """Position and partition time at a commit, and how far record timestamps had lain behind partition time."""

    position: int
    time_ns: int
    lag_ns: int

    def note(self) -> str:
        """Return the metadata to commit with the offset."""
        return f"{_WORD} {self.position} {self.time_ns} {self.lag_ns}"


class Commit(NamedTuple):
    """What a checkpoint wants committed: the low watermark and its note."""

    offset: int
    note: str


def read_note(note: str | None) -> Resume | None:
    """Return what a commit's metadata says; None where it is not ours (a commit made by hand)."""
    word, *numbers = (note or "").split(" ")
    if word != _WORD or len(numbers) != len(Resume._fields) or not all(number.isdecimal() and number.isascii() for number in numbers):
        return None
    return Resume(*map(int, numbers))
