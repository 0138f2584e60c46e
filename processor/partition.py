"""The traces of one partition: spans come in, marks close, revise and forget."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from processor import metrics as m
from processor.closing import begins_anew, due, forgotten
from processor.open_trace import Taken, open_trace
from topics.violation import CloseReason

if TYPE_CHECKING:
    from collections.abc import Iterable

    from processor.closing import ClosingPolicy
    from processor.judging import Judging
    from processor.metrics import Metrics
    from processor.open_trace import Arrival, OpenTrace
    from topics.span import Span

_COUNTED = {Taken.REDELIVERED: m.SPANS_REDELIVERED, Taken.DIFFERING: m.SPANS_DIFFERING, Taken.OVER_LIMIT: m.SPANS_OVER_LIMIT}


class Partition:
    """Open and remembered traces, in order of their first records.

    Deterministic: what is said depends on the spans, their arrivals and the marks alone. `judging` says verdicts; a muted one in a replay
    of what was said before.
    """

    def __init__(self, policy: ClosingPolicy, judging: Judging, metrics: Metrics) -> None:
        self.policy = policy
        self.judging = judging
        self.metrics = metrics
        self.traces: dict[str, OpenTrace] = {}
        self._touched: dict[int, OpenTrace] = {}
        self._queue: list[tuple[int, int, str]] = []
        self._number = 0

    @property
    def first_offset(self) -> int | None:
        """The first record of the oldest remembered trace; None where nothing is remembered."""
        return next((trace.origin.offset for trace in self.traces.values()), None)

    @property
    def next_due_ns(self) -> int | None:
        """A time at or before which no mark can close or forget anything; None where nothing will ever fall due."""
        return self._queue[0][0] if self._queue else None

    def arrive(self, arrival: Arrival, spans: Iterable[Span]) -> None:
        """Take in the spans of one record; nothing is said before the next mark, but of a trace that this one's id displaces."""
        grown: dict[str, OpenTrace] = {}
        for span in spans:
            trace = grown.get(span.trace_id)
            if trace is None:
                trace = grown[span.trace_id] = self._trace(span.trace_id, arrival)
            taken = trace.take(span, arrival, self.policy.span_count_max)
            self.metrics.add(m.SPANS_READ)
            if taken is Taken.NEW:
                self._touched[trace.number] = trace
            else:
                self.metrics.add(_COUNTED[taken])
        for trace in grown.values():
            self._enqueue(trace)

    def _trace(self, trace_id: str, arrival: Arrival) -> OpenTrace:
        trace = self.traces.get(trace_id)
        if trace is not None and begins_anew(trace, self.policy, arrival.arrived_ns):
            self._settle(trace, arrival.arrived_ns)
            self._forget(trace, arrival.arrived_ns)
            trace = None
        if trace is None:
            self._number += 1
            trace = self.traces[trace_id] = open_trace(trace_id, arrival, self._number)
            self.metrics.add(m.TRACES_OPENED)
        trace.last_record_ns = max(trace.last_record_ns, arrival.arrived_ns)
        trace.scattered = trace.scattered or arrival.scattered
        return trace

    def mark(self, now_ns: int) -> None:
        """Say what is decided at this moment: late spans' revisions, then traces that fell due, then early verdicts."""
        touched, self._touched = self._touched, {}
        for trace in touched.values():
            if trace.close_reason is not None:
                self._revise(trace, now_ns)
        while self._queue and self._queue[0][0] <= now_ns:
            queued_ns, number, trace_id = heapq.heappop(self._queue)
            queued = self.traces.get(trace_id)
            if queued is not None and queued.number == number and queued.queued_ns == queued_ns:
                self._fall_due(queued, now_ns)
        if self.policy.early_verdicts:
            for trace in touched.values():
                if trace.close_reason is None:
                    self.judging.early(trace, now_ns)

    def drain(self, reason: CloseReason, now_ns: int) -> None:
        """Close every trace that is still open, in order of their first records: the input has ended, or a test says so."""
        self.mark(now_ns)
        for trace in self.traces.values():
            if trace.close_reason is None:
                self._close(trace, reason, now_ns)
                self._enqueue(trace)

    def recall(self, now_ns: int, slack_ns: int) -> None:
        """Drop the traces that were forgotten by then; `slack_ns` is how late records may have been stamped."""
        for trace in list(self.traces.values()):
            at_ns = forgotten(trace, self.policy)
            if at_ns is not None and at_ns + slack_ns < now_ns:
                self._forget(trace, now_ns)

    def repeat(self, now_ns: int) -> None:
        """Say once more what was last said of every trace that is remembered."""
        for trace in self.traces.values():
            self.judging.repeat(trace, now_ns)

    def _fall_due(self, trace: OpenTrace, now_ns: int) -> None:
        trace.queued_ns = None
        if trace.close_reason is None:
            limit = due(trace, self.policy)
            if limit is not None and limit[0] <= now_ns:
                self._close(trace, limit[1], now_ns)
        else:
            at_ns = forgotten(trace, self.policy)
            if at_ns is not None and at_ns <= now_ns:
                self._forget(trace, now_ns)
                return
        self._enqueue(trace)

    def _settle(self, trace: OpenTrace, now_ns: int) -> None:
        """Say what the trace still has to say before it is displaced."""
        if trace.close_reason is None:
            limit = due(trace, self.policy)
            self._close(trace, CloseReason.MAX_AGE if limit is None else limit[1], now_ns)
        elif self._touched.pop(trace.number, None) is not None:
            self._revise(trace, now_ns)

    def _close(self, trace: OpenTrace, reason: CloseReason, now_ns: int) -> None:
        trace.close_reason = reason
        self._touched.pop(trace.number, None)
        self.metrics.add(m.TRACES_CLOSED, 1, reason)
        self.judging.close(trace, now_ns)

    def _revise(self, trace: OpenTrace, now_ns: int) -> None:
        self.metrics.add(m.TRACES_REVISED)
        self.judging.revise(trace, now_ns)

    def _forget(self, trace: OpenTrace, now_ns: int) -> None:
        retention_ns = self.policy.closed_retention_ns
        if retention_ns is not None and now_ns <= trace.last_record_ns + retention_ns:
            self.metrics.add(m.TRACES_CUT)
        self._touched.pop(trace.number, None)
        del self.traces[trace.trace_id]

    def _enqueue(self, trace: OpenTrace) -> None:
        if trace.close_reason is None:
            limit = due(trace, self.policy)
            at_ns = None if limit is None else limit[0]
        else:
            at_ns = forgotten(trace, self.policy)
        if at_ns is not None and (trace.queued_ns is None or at_ns < trace.queued_ns):
            trace.queued_ns = at_ns
            heapq.heappush(self._queue, (at_ns, trace.number, trace.trace_id))
