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

from itertools import compress
from typing import TYPE_CHECKING, NamedTuple

from processor.closing import begins_anew
from processor.records_read import ReadRecords
from processor.trace_keys import TRACE_ID, joined_ids
from topics.journal import shed_share
from topics.violation import CloseReason

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from processor.open_trace import OpenTrace
    from processor.trace_engine import TakePolicy


class ShedRecord(NamedTuple):
    """A record that is shed: its trace, which of some records it is, how many of those that are taken in lie before it, when it arrived."""

    trace_id: str
    place: int
    before: int
    arrived_ns: int


class Shed(NamedTuple):
    """Some records, and those of them that are shed, in order."""

    records: ReadRecords
    shed: Sequence[ShedRecord]


NONE_SHED = Shed(ReadRecords.of(()), ())


class Step(NamedTuple):
    """Records from one index to another, and which of them are shed: the others are taken in together."""

    first: int
    behind: int
    shed: Sequence[ShedRecord]

    def taken(self, records: ReadRecords, arrived_ns: Sequence[int]) -> tuple[ReadRecords, Sequence[int]]:
        """Return, of all records and when each arrived, what is taken in."""
        records, arrived_ns = records[self.first : self.behind], arrived_ns[self.first : self.behind]
        if not self.shed:
            return records, arrived_ns
        is_taken = bytearray(b"\1") * len(records)
        for one in self.shed:
            is_taken[one.place - self.first] = 0
        return records.only(is_taken), list(compress(arrived_ns, is_taken))


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

    def steps(
        self, keys: Sequence[bytes | None], at_ns: Sequence[int], traces: Mapping[str, OpenTrace], policy: TakePolicy
    ) -> Iterator[Step]:
        """Yield what is to be done with records, in their order, each step to be done before the next is asked for.

        Given are their keys and when they arrived. A record that may displace a trace, by coming so late that it begins it anew, is first
        in a step, and the only one if it is shed. So what is decided of a record while those before it wait is what would be decided behind
        them, and what comes of records that touch a trace under another key is the same whether the engine forgets it, because one of its
        own is shed, between them or behind them all.
        """
        trace_ids = _trace_ids(keys)
        for piece in _narrow(at_ns, policy):
            first, shed = piece.first, list[ShedRecord]()
            for index in range(piece.first, piece.behind):
                if (trace_id := trace_ids[index]) is None:
                    continue
                trace = traces.get(trace_id)
                may_displace = trace is not None and begins_anew(policy, trace.last_record_ns, piece.greatest_ns)
                if may_displace and first < index:
                    yield Step(first, index, shed)
                    first, shed, trace = index, [], traces.get(trace_id)
                if may_displace and trace is not None and begins_anew(policy, trace.last_record_ns, at_ns[index]):
                    trace = None
                if self._is_shed(trace_id, trace):
                    shed.append(ShedRecord(trace_id, index, index - first - len(shed), at_ns[index]))
                    if may_displace:
                        yield Step(first, index + 1, shed)
                        first, shed = index + 1, []
            if first < piece.behind:
                yield Step(first, piece.behind, shed)

    def _is_shed(self, trace_id: str, trace: OpenTrace | None) -> bool:
        """Say whether a record of a trace is shed, given that trace if the record does not begin it."""
        if trace is not None:
            if trace.close_reason is CloseReason.SHED:
                return True
            if trace.first_offset < self.marked:
                return False
        return shed_share(trace_id.encode("ascii")) < self.level


class _Piece(NamedTuple):
    """Records from one index to another, and the latest time at which one of them arrived."""

    first: int
    behind: int
    greatest_ns: int


def _narrow(at_ns: Sequence[int], policy: TakePolicy) -> Iterator[_Piece]:
    """Cut records, given when they arrived, so that of no piece one could begin anew what another one began."""
    first, least_ns, greatest_ns = 0, min(at_ns), max(at_ns)
    if begins_anew(policy, least_ns, greatest_ns):
        least_ns = greatest_ns = at_ns[0]
        for index, arrived_ns in enumerate(at_ns):
            if begins_anew(policy, min(least_ns, arrived_ns), max(greatest_ns, arrived_ns)):
                yield _Piece(first, index, greatest_ns)
                first, least_ns, greatest_ns = index, arrived_ns, arrived_ns
            least_ns, greatest_ns = min(least_ns, arrived_ns), max(greatest_ns, arrived_ns)
    yield _Piece(first, len(at_ns), greatest_ns)


def _trace_ids(keys: Sequence[bytes | None]) -> list[str | None]:
    """Return of each key the trace id that it writes; None where it writes none."""
    # Asked of all at once, which takes a quarter of the time.
    if joined_ids(keys) is not None:
        return list(map(bytes.decode, keys))  # type: ignore[arg-type]  # none of them is None
    return [key.decode("ascii") if key is not None and TRACE_ID.fullmatch(key) else None for key in keys]
