"""Runs side by side, timed by the processor time of this process: on a machine shared with others a ratio holds, a rate does not."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is run: each contestant for `warm_s` before it is timed, then in `turn_count` turns for at least `run_s_min` seconds.

    What compiles itself while it runs has done so by then; shorter runs measure the clock, and how cold the turn before left the caches.
    A shared processor is now and then slower by half for seconds: of many turns few have such a change between two neighbours.
    `run_count`: how often what takes no turns is done.
    """

    turn_count: int
    warm_s: float
    run_s_min: float
    run_count: int


FULL = Effort(15, 1.5, 0.15, 5)
QUICK = Effort(3, 0.2, 0.03, 3)


@dataclass(frozen=True, slots=True)
class Contestant:
    """Something to be timed; `run` works on `span_count` spans once."""

    run: Callable[[], object]
    span_count: int


@dataclass(frozen=True, slots=True)
class Timings:
    """Nanoseconds per span of every run, by contestant; the runs of one index were made one after the other."""

    ns_per_span: Mapping[str, Sequence[float]]

    @property
    def run_count(self) -> int:
        """How often each contestant ran."""
        return min(len(runs) for runs in self.ns_per_span.values())

    def times_as_fast(self, name: str, other: str) -> float:
        """Return how many times as fast as another a contestant is: the median over the runs."""
        pairs = zip(self.ns_per_span[name], self.ns_per_span[other], strict=True)
        return median([theirs / ours for ours, theirs in pairs])

    def median_ns(self, name: str) -> float:
        """Return the median nanoseconds per span of a contestant."""
        return median(self.ns_per_span[name])


def timed(contestants: Mapping[str, Contestant], effort: Effort) -> Timings:
    """Let contestants run until they are warm, then in turns."""
    for contestant in contestants.values():
        _ns_per_span(contestant, effort.warm_s)
    found: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(effort.turn_count):
        for name, contestant in contestants.items():
            gc.collect()
            found[name].append(_ns_per_span(contestant, effort.run_s_min))
    return Timings(found)


def _ns_per_span(contestant: Contestant, s_min: float) -> float:
    began_ns, count = time.process_time_ns(), 0
    while True:
        contestant.run()
        count += 1
        taken_ns = time.process_time_ns() - began_ns
        if taken_ns >= s_min * 1e9:
            return taken_ns / (count * contestant.span_count)
