"""What is remembered of one trace, while it is open and until late spans can no longer come."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from compiler.verdict import Verdict
    from topics.span import Span
    from topics.violation import CloseReason


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


class Taken(Enum):
    """What became of a span."""

    NEW = auto()
    REDELIVERED = auto()
    DIFFERING = auto()
    OVER_LIMIT = auto()


@dataclass(slots=True)
class Said:
    """What was last said of one rule on this trace: its revision, a digest of its body, whether it stands."""

    revision: int
    digest: bytes
    stands: bool


@dataclass(slots=True, eq=False)
class OpenTrace:
    """One trace: its spans in order of arrival, its times, what was said of it. `close_reason` is None while it is open.

    `over_limit_ns` is when the first span beyond the limit arrived. `queued_ns` belongs to the partition's queue of due times.
    """

    trace_id: str
    origin: Origin
    number: int
    first_record_ns: int
    opened_ns: int | None
    last_record_ns: int
    last_new_span_ns: int
    last_offset: int
    spans: dict[str, Span] = field(default_factory=dict)
    root_seen: bool = False
    scattered: bool = False
    over_limit_ns: int | None = None
    close_reason: CloseReason | None = None
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    said: dict[str, Said] = field(default_factory=dict)
    queued_ns: int | None = None

    def take(self, span: Span, arrival: Arrival, span_count_max: int) -> Taken:
        """Keep a span unless its id has come before or the trace has too many; of one id the first to arrive stands."""
        kept = self.spans.get(span.span_id)
        if kept is not None:
            return Taken.REDELIVERED if kept == span else Taken.DIFFERING
        if len(self.spans) >= span_count_max:
            if self.over_limit_ns is None:
                self.over_limit_ns = arrival.arrived_ns
            return Taken.OVER_LIMIT
        self.spans[span.span_id] = span
        self.root_seen = self.root_seen or not span.parent_id
        self.last_new_span_ns = max(self.last_new_span_ns, arrival.arrived_ns)
        if (arrival.topic, arrival.partition) == self.origin[:2]:
            self.last_offset = max(self.last_offset, arrival.offset)
        return Taken.NEW


def open_trace(trace_id: str, arrival: Arrival, number: int) -> OpenTrace:
    """Return a trace that begins with this record; `number` orders the traces of a partition by their first record."""
    at_ns = arrival.arrived_ns
    return OpenTrace(
        trace_id,
        Origin(arrival.topic, arrival.partition, arrival.offset),
        number,
        first_record_ns=at_ns,
        opened_ns=at_ns if arrival.timed else None,
        last_record_ns=at_ns,
        last_new_span_ns=at_ns,
        last_offset=arrival.offset,
    )
