"""The traces of one partition: touches come in, marks close, revise and forget."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from processor import metrics as m
from processor.closing import due, forgotten
from processor.open_trace import open_trace
from topics.violation import CloseReason

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from processor.closing import ClosingPolicy
    from processor.judging import Judging
    from processor.metrics import Metrics
    from processor.open_trace import Arrival, OpenTrace
    from processor.trace_engine import Taken, TakenRecord, Touch


class Partition:
    """Open and remembered traces, in order of their first records.

    Deterministic: what is said depends on the spans, their arrivals and the marks alone. `number` tells the partition from others that its
    engine serves. `judging` says verdicts; a muted one in a replay of what was said before.
    """

    def __init__(self, number: int, policy: ClosingPolicy, judging: Judging, metrics: Metrics) -> None:
        self.policy = policy
        self.judging = judging
        self.metrics = metrics
        self.traces: dict[str, OpenTrace] = {}
        self._number = number
        self._take_policy = policy.take_policy
        self._touched: dict[int, OpenTrace] = {}
        self._queue: list[tuple[int, int, str]] = []
        self._opened_count = 0

    @property
    def first_offset(self) -> int | None:
        """The first record of the oldest remembered trace; None where nothing is remembered."""
        return next((trace.origin.offset for trace in self.traces.values()), None)

    @property
    def next_due_ns(self) -> int | None:
        """A time at or before which no mark can close or forget anything; None where nothing will ever fall due."""
        return self._queue[0][0] if self._queue else None

    def take(self, records: Sequence[TakenRecord]) -> Taken:
        """Give records to the engine; each one's touches are to arrive next, in their order."""
        return self.judging.engine.take(self._number, records, self._take_policy)

    def arrive(self, arrival: Arrival, touches: Iterable[Touch]) -> None:
        """Take in what one record brought; nothing is said before the next mark, but of a trace that this one's id displaces."""
        for touch in touches:
            trace = self._trace(touch, arrival)
            self._count(touch)
            # A trace that turns out to be scattered is judged by another column, be the spans known or not.
            if touch.new_count or (arrival.scattered and not trace.scattered):
                self._touched[trace.number] = trace
            trace.touched(touch, arrival)
            self._enqueue(trace)

    def _trace(self, touch: Touch, arrival: Arrival) -> OpenTrace:
        if not touch.opened:
            return self.traces[touch.trace_id]
        displaced = self.traces.get(touch.trace_id)
        if displaced is not None:
            self._settle(displaced, arrival.arrived_ns)
            self._forget(displaced, arrival.arrived_ns)
        self._opened_count += 1
        trace = self.traces[touch.trace_id] = open_trace(touch, arrival, self._opened_count)
        self.metrics.add(m.TRACES_OPENED)
        return trace

    def _count(self, touch: Touch) -> None:
        self.metrics.add(m.SPANS_READ, touch.span_count)
        if touch.new_count == touch.span_count:
            return
        for metric, count in (
            (m.SPANS_REDELIVERED, touch.redelivered_count),
            (m.SPANS_DIFFERING, touch.differing_count),
            (m.SPANS_OVER_LIMIT, touch.over_limit_count),
        ):
            if count:
                self.metrics.add(metric, count)

    def mark(self, now_ns: int) -> None:
        """Say what is decided at this moment: late spans' revisions, then traces that fell due, then early verdicts."""
        touched, self._touched = self._touched, {}
        self._revise([trace for trace in touched.values() if trace.close_reason is not None], now_ns)
        self._fall_due(now_ns)
        if self.policy.early_verdicts:
            self.judging.early([trace for trace in touched.values() if trace.close_reason is None], now_ns)

    def drain(self, reason: CloseReason, now_ns: int) -> None:
        """Close every trace that is still open, in order of their first records: the input has ended, or a test says so."""
        self.mark(now_ns)
        still_open = [trace for trace in self.traces.values() if trace.close_reason is None]
        for trace in still_open:
            self._end(trace, reason)
            self._enqueue(trace)
        self.judging.close(still_open, now_ns)

    def release(self) -> None:
        """Drop all traces; nothing more is said of them."""
        for trace in self.traces.values():
            self.judging.engine.drop(trace.handle)
        self.traces.clear()
        self._touched.clear()
        self._queue.clear()

    def recall(self, now_ns: int, slack_ns: int) -> None:
        """Drop the traces that were forgotten by then; `slack_ns` is how late records may have been stamped."""
        for trace in list(self.traces.values()):
            at_ns = forgotten(trace, self.policy)
            if at_ns is not None and at_ns + slack_ns < now_ns:
                self._forget(trace, now_ns)

    def repeat(self, now_ns: int) -> None:
        """Say once more what was last said of every trace that is remembered."""
        self.judging.repeat(list(self.traces.values()), now_ns)

    def _fall_due(self, now_ns: int) -> None:
        """Close and forget what falls due; verdicts are asked for together, before the first trace is forgotten."""
        closed: list[OpenTrace] = []
        gone: list[OpenTrace] = []
        while self._queue and self._queue[0][0] <= now_ns:
            queued_ns, number, trace_id = heapq.heappop(self._queue)
            trace = self.traces.get(trace_id)
            if trace is None or trace.number != number or trace.queued_ns != queued_ns:
                continue
            trace.queued_ns = None
            if trace.close_reason is None:
                limit = due(trace, self.policy)
                if limit is not None and limit[0] <= now_ns:
                    self._end(trace, limit[1])
                    closed.append(trace)
            elif (at_ns := forgotten(trace, self.policy)) is not None and at_ns <= now_ns:
                gone.append(trace)
                continue
            self._enqueue(trace)
        self.judging.close(closed, now_ns)
        for trace in gone:
            self._forget(trace, now_ns)

    def _settle(self, trace: OpenTrace, now_ns: int) -> None:
        """Say what the trace still has to say before it is displaced."""
        if trace.close_reason is None:
            limit = due(trace, self.policy)
            self._end(trace, CloseReason.MAX_AGE if limit is None else limit[1])
            self.judging.close([trace], now_ns)
        elif self._touched.pop(trace.number, None) is not None:
            self._revise([trace], now_ns)

    def _end(self, trace: OpenTrace, reason: CloseReason) -> None:
        trace.close_reason = reason
        self._touched.pop(trace.number, None)
        self.metrics.add(m.TRACES_CLOSED, 1, reason)

    def _revise(self, traces: Sequence[OpenTrace], now_ns: int) -> None:
        if traces:
            self.metrics.add(m.TRACES_REVISED, len(traces))
            self.judging.revise(traces, now_ns)

    def _forget(self, trace: OpenTrace, now_ns: int) -> None:
        retention_ns = self.policy.closed_retention_ns
        if retention_ns is not None and now_ns <= trace.last_record_ns + retention_ns:
            self.metrics.add(m.TRACES_CUT)
        self._touched.pop(trace.number, None)
        del self.traces[trace.trace_id]
        self.judging.engine.drop(trace.handle)

    def _enqueue(self, trace: OpenTrace) -> None:
        if trace.close_reason is None:
            limit = due(trace, self.policy)
            at_ns = None if limit is None else limit[0]
        else:
            at_ns = forgotten(trace, self.policy)
        if at_ns is not None and (trace.queued_ns is None or at_ns < trace.queued_ns):
            trace.queued_ns = at_ns
            heapq.heappush(self._queue, (at_ns, trace.number, trace.trace_id))
