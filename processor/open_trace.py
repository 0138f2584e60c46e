"""What the flow remembers of one trace, while it is open and until late spans can no longer come; its spans are the engine's."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from topics.violation import CloseReason

if TYPE_CHECKING:
    from processor.judging import Judging
    from processor.trace_engine import Touch

# The handle of a trace that no engine keeps.
NO_HANDLE = -1


class Origin(NamedTuple):
    """The first record of a trace."""

    topic: str
    partition: int
    offset: int


class Arrival(NamedTuple):
    """A record as the traces see it: where it stands and when it arrived in partition time.

    `timed` is False for a record without a timestamp, `scattered` True for one whose traces may lie in other partitions too.
    """

    topic: str
    partition: int
    offset: int
    arrived_ns: int
    timed: bool = True
    scattered: bool = False


@dataclass(slots=True)
class Said:
    """What was last said of one rule on this trace: its revision, a digest of its body, whether it stands."""

    revision: int
    digest: bytes
    stands: bool


@dataclass(slots=True, eq=False)
class OpenTrace:
    """One trace: its times and what was said of it. `close_reason` is None while it is open.

    `judging` judges it, and `handle` names it to that one's engine; NO_HANDLE where only its times are remembered. `state_lost`: it may
    have begun before what this worker could read, so nothing is decided of it. `over_limit_ns` is when the first span beyond the limit
    arrived. `verdicts` are those of its last close or revision, a byte per enabled rule (processor.trace_engine.VERDICTS), and `said` is
    what went out, by the index of the rule. `queued_ns` belongs to the partition's queue of due times.
    """

    trace_id: str
    judging: Judging
    handle: int
    origin: Origin
    number: int
    first_record_ns: int
    opened_ns: int | None
    last_record_ns: int
    last_new_span_ns: int
    last_offset: int
    root_seen: bool = False
    scattered: bool = False
    state_lost: bool = False
    over_limit_ns: int | None = None
    close_reason: CloseReason | None = None
    verdicts: bytes = b""
    said: dict[int, Said] = field(default_factory=dict)
    queued_ns: int | None = None

    def touched(self, touch: Touch, arrival: Arrival) -> None:
        """Take note of what a record brought."""
        self.last_record_ns = max(self.last_record_ns, arrival.arrived_ns)
        self.scattered = self.scattered or arrival.scattered
        if touch.over_limit_count and self.over_limit_ns is None:
            self.over_limit_ns = arrival.arrived_ns
        if touch.new_count:
            self.root_seen = self.root_seen or touch.root_seen
            self.last_new_span_ns = max(self.last_new_span_ns, arrival.arrived_ns)
            if (arrival.topic, arrival.partition) == self.origin[:2]:
                self.last_offset = max(self.last_offset, arrival.offset)


def open_trace(touch: Touch, arrival: Arrival, judging: Judging, number: int) -> OpenTrace:
    """Return a trace that begins with this record; `number` orders the traces of a partition by their first record."""
    at_ns = arrival.arrived_ns
    return OpenTrace(
        touch.trace_id,
        judging,
        touch.handle,
        Origin(arrival.topic, arrival.partition, arrival.offset),
        number,
        first_record_ns=at_ns,
        opened_ns=at_ns if arrival.timed else None,
        last_record_ns=at_ns,
        last_new_span_ns=at_ns,
        last_offset=arrival.offset,
    )


def shed_trace(trace_id: str, arrival: Arrival, judging: Judging, number: int) -> OpenTrace:
    """Return a trace that is shed from this record on: only its times are remembered, so that none of it is ever judged."""
    at_ns = arrival.arrived_ns
    return OpenTrace(
        trace_id,
        judging,
        NO_HANDLE,
        Origin(arrival.topic, arrival.partition, arrival.offset),
        number,
        first_record_ns=at_ns,
        opened_ns=at_ns if arrival.timed else None,
        last_record_ns=at_ns,
        last_new_span_ns=at_ns,
        last_offset=arrival.offset,
        close_reason=CloseReason.SHED,
    )
