"""What there is to see of a demo at one moment: data, for whoever shows it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from processor.finite import FiniteOutcome, RuleCounts
from topics.violation import Violation

STORY_LENGTH_MAX = 1_000


class Phase(StrEnum):
    """What a worker does, as far as one sees from outside."""

    STARTING = "starting"
    JOINING = "joining"
    REPLAYING = "replaying"
    JUDGING = "judging"
    IDLE = "idle"
    DRAINING = "draining"
    DEAD = "dead"
    ENDED = "ended"


class Tone(StrEnum):
    """Whether what happened is good or bad."""

    PLAIN = "plain"
    BAD = "bad"
    GOOD = "good"


@dataclass(frozen=True, slots=True)
class Told:
    """Something that happened, so many seconds after the beginning; `number` counts from 0."""

    number: int
    at_s: float
    text: str
    tone: Tone


class Story:
    """What happens, in sentences, and what is waited for now (`doing`); told from any thread."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.doing = ""
        self._told: deque[Told] = deque(maxlen=STORY_LENGTH_MAX)
        self._count = 0

    @property
    def elapsed_s(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self.began

    def tell(self, text: str, tone: Tone = Tone.PLAIN) -> None:
        """Add a sentence."""
        self._told.append(Told(self._count, self.elapsed_s, text, tone))
        self._count += 1

    def told(self) -> list[Told]:
        """Return the last sentences, oldest first."""
        return list(self._told)


@dataclass(frozen=True, slots=True)
class WorkerScene:
    """A worker: its process (`part` names its log), what that does, the partitions it has."""

    number: int
    part: str
    pid: int
    phase: Phase
    restart_count: int
    partitions: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class PartitionScene:
    """A partition of the spans: whose it is, how far that one is, and how many records there are. `time_s` is unix time."""

    number: int
    owner: WorkerScene | None
    position: int
    end: int
    time_s: float | None

    @property
    def lag(self) -> int:
        """How many records are not read."""
        return max(0, self.end - self.position)

    @property
    def is_settled(self) -> bool:
        """Whether somebody judges it and has read all of it."""
        return self.owner is not None and self.owner.phase is Phase.JUDGING and not self.lag


@dataclass(frozen=True, slots=True)
class Scene:
    """All of it. Traces judged, verdicts and journal are as the journal says; `closed` is as workers count it, those killed included."""

    elapsed_s: float = 0.0
    doing: str = ""
    played_count: int = 0
    record_count: int = 0
    workers: Sequence[WorkerScene] = ()
    partitions: Sequence[PartitionScene] = ()
    traces_begun: int = 0
    traces_judged: int = 0
    closed: Mapping[str, int] = field(default_factory=dict)
    verdicts: Mapping[str, RuleCounts] = field(default_factory=dict)
    violations: Sequence[Violation] = ()
    said_count: int = 0
    again_count: int = 0
    fence_count: int = 0
    journal_count: int = 0
    void_count: int = 0
    store_writes: Mapping[str, int] = field(default_factory=dict)
    story: Sequence[Told] = ()

    @property
    def traces_open(self) -> int:
        """How many traces have begun and are not judged."""
        return max(0, self.traces_begun - self.traces_judged)

    @property
    def is_staffed(self) -> bool:
        """Whether every partition is judged, and by as many workers as can be."""
        owners = {it.owner.number for it in self.partitions if it.owner is not None and it.owner.phase is Phase.JUDGING}
        return self.is_covered and len(owners) == min(len(self.workers), len(self.partitions))

    @property
    def is_covered(self) -> bool:
        """Whether every partition is judged by somebody."""
        judged = [it for it in self.partitions if it.owner is not None and it.owner.phase is Phase.JUDGING]
        return bool(judged) and len(judged) == len(self.partitions)

    @property
    def is_settled(self) -> bool:
        """Whether all records have been played, and read by workers that judge."""
        return self.played_count == self.record_count and bool(self.partitions) and all(it.is_settled for it in self.partitions)


@dataclass(frozen=True, slots=True)
class Introduction:
    """What is told once, when all parts are there; `expected` is what `betrace check` says of the records."""

    broker: str
    store: str
    workers: Sequence[str]
    api: str
    rule_path: str
    record_count: int
    expected: FiniteOutcome


class Report(Protocol):
    """Whoever shows it."""

    def introduce(self, introduction: Introduction) -> None:
        """Say what there is, once."""

    def show(self, scene: Scene, news: Sequence[Violation]) -> None:
        """Show how things stand, and the violations that are new, oldest first."""

    def close(self) -> None:
        """Show nothing more."""
