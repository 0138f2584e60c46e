"""What the flow remembers of one trace, while it is open and until late spans can no longer come; its spans are the engine's."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from processor.trace_engine import NONE

if TYPE_CHECKING:
    from processor.judging import Judging
    from processor.record import Record
    from processor.trace_engine import Touch
    from topics.violation import CloseReason

# The handle of a trace that no engine keeps.
NO_HANDLE = -1


class Origin(NamedTuple):
    """The first record of a trace."""

    topic: str
    partition: int
    offset: int


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

    def touched(self, touch: Touch, last_new: Record | None) -> None:
        """Take note of what records brought, the last of them that brought a span that was kept (None: none did) among it."""
        self.last_record_ns = max(self.last_record_ns, touch.arrived_ns)
        self.scattered = self.scattered or touch.apart_order != NONE
        if last_new is not None:
            self.last_new_span_ns = max(self.last_new_span_ns, touch.new_arrived_ns)
            if last_new.partition == self.origin.partition and last_new.topic == self.origin.topic:
                self.last_offset = max(self.last_offset, last_new.offset)


def open_trace(trace_id: str, judging: Judging, handle: int, record: Record, arrived_ns: int, number: int) -> OpenTrace:
    """Return a trace that begins with this record; `number` orders the traces of a partition by their first record."""
    return OpenTrace(
        trace_id,
        judging,
        handle,
        Origin(record.topic, record.partition, record.offset),
        number,
        first_record_ns=arrived_ns,
        opened_ns=None if record.timestamp_ns is None else arrived_ns,
        last_record_ns=arrived_ns,
        last_new_span_ns=arrived_ns,
        last_offset=record.offset,
    )
