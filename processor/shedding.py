"""Which records are shed: dropped before they are decoded, so that a worker that lags does less. A trace is judged whole or not at all.

The rule, a function of the log and the marks alone. Of a record whose key is a trace id, and the trace that is remembered under it:

- a trace that is remembered as shed: the record is shed, whatever the level;
- a trace that began before the last mark: the record is taken in, whatever the level;
- none, one that began since the last mark, or one after whose silence the record begins another: the record is shed if the trace's share
  (topics.journal.shed_share) is less than the level. A trace that is there all the same, because a record under another key brought spans
  of it, is shed from its beginning: nothing has been said of it yet.

A record without such a key is taken in: which traces it holds is not known. Why this is enough: docs/explanation/protocol.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from processor.closing import begins_anew
from processor.routing import TRACE_ID
from topics.journal import shed_share
from topics.violation import CloseReason

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from processor.open_trace import OpenTrace
    from processor.record import Record
    from processor.trace_engine import TakePolicy


class ShedRecord(NamedTuple):
    """The id of a trace, its record that is shed, and when it arrived."""

    trace_id: str
    record: Record
    arrived_ns: int


class Run(NamedTuple):
    """Some records: the indices of those to be taken in, and those that are shed, each with how many of the former come before it."""

    kept: list[int]
    shed: list[tuple[int, ShedRecord]]


class Shedding:
    """How much of the traces of one partition is shed, and which are remembered as shed.

    `level` is in force since the last mark, `marked` is the position of that mark.
    """

    def __init__(self) -> None:
        self.level = 0
        self.marked = 0
        self.trace_ids: set[str] = set()

    def __bool__(self) -> bool:
        """Whether any record may be shed."""
        return bool(self.level or self.trace_ids)

    def clear(self) -> None:
        """Shed nothing and remember nothing."""
        self.level = self.marked = 0
        self.trace_ids.clear()

    def runs(self, records: Sequence[Record], at_ns: Sequence[int], traces: Mapping[str, OpenTrace], policy: TakePolicy) -> Iterator[Run]:
        """Yield runs of records, in their order, each to be taken in before the next is asked for; `at_ns` is when they arrived.

        What a run decides beforehand is what would be decided record by record: one before which another trace may have taken the place
        of the one that its key names is in a run of its own.
        """
        first = 0
        while first < len(records):
            behind, shed = self._decided(records, at_ns, first, traces, policy)
            kept = [index for index in range(first, behind) if index not in shed]
            yield Run(kept, _between(records, at_ns, shed, first))
            first = behind

    def _decided(
        self, records: Sequence[Record], at_ns: Sequence[int], first: int, traces: Mapping[str, OpenTrace], policy: TakePolicy
    ) -> tuple[int, dict[int, str]]:
        """Return the end of the run that begins at `first`, and the traces of its records that are shed, by index."""
        shed: dict[int, str] = {}
        greatest_ns = 0
        for index in range(first, len(records)):
            key = records[index].key
            greatest_ns = max(greatest_ns, at_ns[index])
            if key is None or not TRACE_ID.fullmatch(key):
                continue
            trace_id = key.decode("ascii")
            trace = traces.get(trace_id)
            is_alone = trace is not None and begins_anew(policy, trace.last_record_ns, greatest_ns)
            if is_alone and index > first:
                return index, shed
            if self._is_shed(key, trace, at_ns[index], policy):
                shed[index] = trace_id
            if is_alone:
                return index + 1, shed
        return len(records), shed

    def _is_shed(self, key: bytes, trace: OpenTrace | None, arrived_ns: int, policy: TakePolicy) -> bool:
        if trace is not None and not begins_anew(policy, trace.last_record_ns, arrived_ns):
            if trace.close_reason is CloseReason.SHED:
                return True
            if trace.origin.offset < self.marked:
                return False
        return shed_share(key) < self.level


def _between(records: Sequence[Record], at_ns: Sequence[int], shed: Mapping[int, str], first: int) -> list[tuple[int, ShedRecord]]:
    numbered = enumerate(shed.items())
    return [(index - first - number, ShedRecord(trace_id, records[index], at_ns[index])) for number, (index, trace_id) in numbered]
