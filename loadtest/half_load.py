"""Half of what a worker bears: of what it reads alone or, where it does not keep up with that, of what it reads beside broker and feed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from loadtest.consumption import PARTITION_COUNT, NotMeasuredError
from loadtest.feed import feeding, steady, watched
from loadtest.latency import wait_until_ready
from loadtest.pipeline_stage import Stage
from loadtest.pipeline_work import Work
from loadtest.worker_process import Worker

# A worker that is this near to the pace of its feed keeps up with it.
_KEEPS_UP: Final = 0.95


@dataclass(frozen=True, slots=True)
class Trial:
    """How a worker is tried: for how long, with which settings that are not as usual, and on which processor, if only on one."""

    seconds: float
    settings: Mapping[str, object]
    cpu: int | None = None


class Standing(NamedTuple):
    """Where a worker stood, in seconds since the begin: the next offset of each partition, by the name of its gauge."""

    at_s: float
    positions: Mapping[str, float]


def positions(worker: Worker) -> dict[str, float]:
    """Return where a worker stands now, as `Standing` has it. Raises WorkerEndedError where it has ended."""
    worker.check()
    return {name: value for name, value in worker.metrics().items() if name.startswith("betrace_position{")}


def half_load(stage: Stage, work: Work, alone_per_s: float, trial: Trial) -> float:
    """Return half of the records a second that a worker bears, which reads so many alone.

    Raises NotMeasuredError where the trial is too short to say.
    """
    half = alone_per_s / 2
    beside = pace(_standings(stage, work, half, trial))
    return half if beside >= _KEEPS_UP * half else beside / 2


def pace(standings: Sequence[Standing]) -> float:
    """Return the records a second that were read in the second half of the time. Raises NotMeasuredError where it had no two looks."""
    half = standings[len(standings) // 2 :]
    if len(half) < 2:  # noqa: PLR2004 - a begin and an end
        raise NotMeasuredError("too short to say how fast a worker reads")
    return (sum(half[-1].positions.values()) - sum(half[0].positions.values())) / (half[-1].at_s - half[0].at_s)


def _standings(stage: Stage, work: Work, records_per_s: float, trial: Trial) -> list[Standing]:
    """Let a worker read what comes at a steady rate, and look where it stands every second."""
    topic = stage.spans_topic(PARTITION_COUNT)
    order = steady(stage.servers, topic, PARTITION_COUNT, work.loop, records_per_s, trial.seconds)
    outputs = stage.outputs(topic, PARTITION_COUNT)
    worker = stage.start(topic, outputs, stage.write_rules("rules", work.sources), trial.settings, trial.cpu)
    wait_until_ready(worker, PARTITION_COUNT)
    with feeding(order) as feed:
        found = watched(feed, lambda at_s: Standing(at_s, positions(worker)))
        feed.result()
    worker.stop()
    stage.remove(topic)
    return found
