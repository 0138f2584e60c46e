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
    from processor.trace_engine import TakePolicy


class ShedRecord(NamedTuple):
    """The id of a trace, which of some records is shed of it, and when that one arrived."""

    trace_id: str
    place: int
    arrived_ns: int


class Step(NamedTuple):
    """Records to be taken in, from one index to another, and the shed one that comes behind them; None: there is none."""

    first: int
    behind: int
    shed: ShedRecord | None = None


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

        Given are their keys and when they arrived. What is decided of a record while those before it wait is what would be decided behind
        them; where another trace may have taken the place of the one that its key names, they are taken in first.
        """
        first = greatest_ns = 0
        for index, key in enumerate(keys):
            greatest_ns = max(greatest_ns, at_ns[index])
            if key is None or not TRACE_ID.fullmatch(key):
                continue
            trace_id = key.decode("ascii")
            trace = traces.get(trace_id)
            if first < index and trace is not None and begins_anew(policy, trace.last_record_ns, greatest_ns):
                yield Step(first, index)
                first, greatest_ns, trace = index, at_ns[index], traces.get(trace_id)
            if self._is_shed(key, trace, at_ns[index], policy):
                yield Step(first, index, ShedRecord(trace_id, index, at_ns[index]))
                first, greatest_ns = index + 1, 0
        yield Step(first, len(keys))

    def _is_shed(self, key: bytes, trace: OpenTrace | None, arrived_ns: int, policy: TakePolicy) -> bool:
        if trace is not None and not begins_anew(policy, trace.last_record_ns, arrived_ns):
            if trace.close_reason is CloseReason.SHED:
                return True
            if trace.first_offset < self.marked:
                return False
        return shed_share(key) < self.level
