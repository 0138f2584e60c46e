"""What the flow remembers of one trace, while it is open and until late spans can no longer come; its spans are the engine's."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from processor.judging import Judging
    from processor.record import PartitionKey
    from processor.records_read import ReadRecords
    from topics.violation import CloseReason

# The handle of a trace that no engine keeps.
NO_HANDLE = -1
JUDGING = attrgetter("judging")


@dataclass(slots=True)
class Said:
    """What was last said of one rule on this trace: its revision, a digest of its body, whether it stands."""

    revision: int
    digest: bytes
    stands: bool


@dataclass(slots=True, eq=False)
class OpenTrace:
    """One trace: its times and what was said of it. `close_reason` is None while it is open.

    `log` is that of its first record, and both offsets are of it; `number` orders the traces of a partition by their first record.
    `judging` judges it, and `handle` names it to that one's engine; NO_HANDLE where only its times are remembered. `state_lost`: it may
    have begun before what this worker could read, so nothing is decided of it. `over_limit_ns` is when the first span beyond the limit
    arrived. `verdicts` are those of its last close or revision, a byte per enabled rule (processor.trace_engine.VERDICTS), and `said` is
    what went out, by the index of the rule. `queued_ns` is when the partition looks at it next.
    """

    trace_id: str
    judging: Judging
    handle: int
    log: PartitionKey
    first_offset: int
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


def open_trace(
    trace_id: str, judging: Judging, handle: int, records: ReadRecords, place: int, *, arrived_ns: int, number: int
) -> OpenTrace:
    """Return a trace that begins with one of some records."""
    offset, log = records.offsets[place], records.log_of(place)
    opened_ns = None if records.timestamps_ns[place] is None else arrived_ns
    # By place, which takes half the time.
    return OpenTrace(trace_id, judging, handle, log, offset, number, arrived_ns, opened_ns, arrived_ns, arrived_ns, offset)


def by_program(traces: Iterable[OpenTrace]) -> Iterator[tuple[Judging, list[OpenTrace]]]:
    """Yield the traces by who judges them, in order of the first of each."""
    found: dict[Judging, list[OpenTrace]] = {}
    for judging, some in groupby(traces, JUDGING):
        found.setdefault(judging, []).extend(some)
    yield from found.items()
