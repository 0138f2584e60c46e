"""The traces of one partition: touches come in; marks close, revise, cut and forget."""

from __future__ import annotations

import math
from collections import Counter, deque
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING

from processor import metrics as m
from processor.closing import ClosingPolicy, begins_anew, due, forgotten
from processor.cut_times import CutTimes
from processor.due_times import DueTimes
from processor.ledger import Ledger
from processor.open_trace import JUDGING, NO_HANDLE, by_program, open_trace
from processor.routing import Router, take
from processor.shedding import NONE_SHED, Shedding
from processor.trace_engine import NONE, ORDER_BITS, Batch
from topics.journal import CUT_MAX, Mark
from topics.violation import CloseReason

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from processor.judging import Judging
    from processor.metrics import Metrics
    from processor.open_trace import OpenTrace
    from processor.records_read import ReadRecords
    from processor.routing import Brought
    from processor.shedding import Shed, ShedRecord
    from processor.trace_engine import Touch


class Partition:
    """Open and remembered traces, in order of their first records.

    Deterministic: what is said depends on the spans, their arrivals and the marks alone. `number` tells the partition from others that its
    engines serve. `judging` judges the traces that begin now, `judgings` says how many each judges. Traces that begin up to `lost_until_ns`
    may have begun earlier. `changed`, if it is there, is given the id of every trace of which anything changed, in order, with whether
    what its engine keeps may have; not of those that are forgotten in their time. By the limits in force all of these are forgotten whose
    time came until `forgotten_until_ns`; -1: some may be left.
    """

    def __init__(self, number: int, policy: ClosingPolicy, judging: Judging, metrics: Metrics, ledger: Ledger | None = None) -> None:
        self.policy = policy
        self.judging = judging
        self.metrics = metrics
        self.ledger = Ledger() if ledger is None else ledger
        self.lost_until_ns = -1
        self.forgotten_until_ns = -1
        self.changed: dict[str, bool] | None = None
        self.traces: dict[str, OpenTrace] = {}
        self.judgings: Counter[Judging] = Counter()
        self.shedding = Shedding()
        self.number = number
        # Traces with anything new since the last mark, by number, and where among all records it came first.
        self._touched: dict[int, tuple[int, OpenTrace]] = {}
        self._order_before = 0
        self._due_times = DueTimes()
        self._cut_times = CutTimes(self.traces)
        # Handles of an engine that stand for nothing the flow remembers.
        self._superfluous: dict[Judging, list[int]] = {}
        self._opened_count = 0
        # Counted since the last records settled.
        self._spans_read = self._opened = self._lost = self._shed_count = 0

    @property
    def first_offset(self) -> int | None:
        """The first record of the oldest remembered trace; None where nothing is remembered."""
        return next((trace.first_offset for trace in self.traces.values()), None)

    def offset_behind_oldest(self, share: float) -> int | None:
        """Return the offset before which this share of the traces that engines keep began; None where they keep none."""
        kept = [trace.first_offset for trace in self.traces.values() if trace.handle != NO_HANDLE]
        return kept[math.ceil(share * len(kept)) - 1] + 1 if kept else None

    @property
    def next_due_ns(self) -> int | None:
        """A time at or before which no mark can close, cut or forget anything; None where nothing will ever fall due."""
        times = (self._due_times.first_ns, self._cut_times.first_ns)
        return min((at_ns for at_ns in times if at_ns is not None), default=None)

    # ---- records --------------------------------------------------------------------------------------------------------------------

    def take(self, records: ReadRecords, arrived_ns: Sequence[int], shed: Shed = NONE_SHED, *, is_keyed: bool = False) -> Brought:
        """Take in records, given when each arrived; the key is the id of the trace, if they are keyed. Others between them are shed.

        Nothing is said before the next mark, but of a trace that one of the same id displaces.
        """
        batch = Batch(records.values, records.formats, arrived_ns, records.keys, is_keyed)
        # Where several logs are read as one, a trace remembers the last offset of its own.
        policy = self.policy.take_policy._replace(by_record=records.log is None)
        if self.judgings.keys() <= {self.judging}:
            brought = take(self.number, batch, self.judging, policy)
        else:
            brought = Router(self.number, self.traces, self.judging, policy).take(batch)
        waiting = deque(shed.shed)
        for judging, touches in brought.touches:
            for touch in touches:
                while waiting and waiting[0].before <= touch.record:
                    self._shed(waiting.popleft(), shed.records)
                self._arrive(touch, records, arrived_ns, judging)
        for one in waiting:
            self._shed(one, shed.records)
        self._settle(len(records))
        return brought

    def _arrive(self, touch: Touch, records: ReadRecords, arrived_ns: Sequence[int], judging: Judging) -> None:
        """Take in what records brought to a trace."""
        # All at once: this runs for nearly every record.
        _, _, trace_id, opened, spans, new, _, _, _, at_ns, new_at_ns, new_order, last_new, first_over_limit, first_root, apart = touch
        trace = self.traces.get(trace_id)
        if trace is not None and opened:
            trace = self._unless_displaced(trace, touch, arrived_ns, judging)
        if trace is None:
            trace = self._begin(touch, records, arrived_ns, judging)
        self._spans_read += spans
        if new != spans:
            self._count_not_new(touch)
        if apart != NONE and not trace.scattered:
            # It is judged by another column from now on, be the spans known or not.
            trace.scattered = True
            new_order = new_order if NONE < new_order < apart else apart
        if new_order != NONE and trace.number not in self._touched:
            self._touched[trace.number] = (self._order_before + new_order, trace)
        trace.last_record_ns = max(trace.last_record_ns, at_ns)
        if last_new != NONE:
            trace.last_new_span_ns = max(trace.last_new_span_ns, new_at_ns)
            if records.offsets[last_new] > trace.last_offset and trace.log == records.log_of(last_new):
                trace.last_offset = records.offsets[last_new]
        is_shorter = trace.queued_ns is None
        if first_root != NONE:
            trace.root_seen = is_shorter = True
        if first_over_limit != NONE and trace.over_limit_ns is None:
            trace.over_limit_ns, is_shorter = arrived_ns[first_over_limit], True
        # Records let a trace live longer, for which the time it is looked at need not change, unless one brings a shorter limit.
        if is_shorter:
            self._enqueue(trace)
        if self.changed is not None:
            self.changed[trace_id] = True

    def _unless_displaced(self, trace: OpenTrace, touch: Touch, arrived_ns: Sequence[int], judging: Judging) -> OpenTrace | None:
        """Return the trace there is although an engine has opened one of its id, or None, where it is over."""
        at_ns = arrived_ns[touch.record]
        if trace.handle == NO_HANDLE and not begins_anew(self.policy.take_policy, trace.last_record_ns, at_ns):
            self._superfluous.setdefault(judging, []).append(touch.handle)
            return trace
        self._displace(trace, at_ns)
        return None

    def _begin(self, touch: Touch, records: ReadRecords, arrived_ns: Sequence[int], judging: Judging) -> OpenTrace:
        """Let a trace begin with the first record that touched it."""
        index = touch.record
        at_ns = arrived_ns[index]
        self._opened_count += 1
        trace = open_trace(touch.trace_id, judging, touch.handle, records, index, arrived_ns=at_ns, number=self._opened_count)
        self._add(trace)
        self._opened += 1
        if at_ns <= self.lost_until_ns:
            trace.state_lost = True
            self.ledger.traces_state_lost += 1
            self._lost += 1
        return trace

    def _shed(self, shed: ShedRecord, records: ReadRecords) -> None:
        """Take note of one of some records, which is shed (processor/shedding.py)."""
        trace_id, place, _, arrived_ns = shed
        trace = self.traces.get(trace_id)
        if trace is not None and begins_anew(self.policy.take_policy, trace.last_record_ns, arrived_ns):
            self._displace(trace, arrived_ns)
            trace = None
        is_new = trace is None or trace.close_reason is not CloseReason.SHED
        self.ledger.traces_shed += is_new
        self._shed_count += is_new
        if trace is None:
            self._opened_count += 1
            trace = open_trace(trace_id, self.judging, NO_HANDLE, records, place, arrived_ns=arrived_ns, number=self._opened_count)
            trace.close_reason = CloseReason.SHED
            self.remember(trace)
        elif is_new:
            self._end(trace, CloseReason.SHED)
            self.shedding.trace_ids.add(trace_id)
            self._drop([trace])
            self._enqueue(trace)
        trace.last_record_ns = max(trace.last_record_ns, arrived_ns)
        self._note(trace)

    def _settle(self, count: int) -> None:
        """All that so many records brought has arrived: count it; let engines forget what came of traces that nobody judges any more."""
        self._order_before += count << ORDER_BITS
        for metric, amount in (
            (m.SPANS_READ, self._spans_read),
            (m.TRACES_OPENED, self._opened),
            (m.TRACES_STATE_LOST, self._lost),
            (m.TRACES_SHED, self._shed_count),
        ):
            if amount:
                self.metrics.add(metric, amount)
        self._spans_read = self._opened = self._lost = self._shed_count = 0
        for judging, handles in self._superfluous.items():
            judging.engine.drop_many(handles)
        self._superfluous.clear()

    def _count_not_new(self, touch: Touch) -> None:
        for metric, count in (
            (m.SPANS_REDELIVERED, touch.redelivered_count),
            (m.SPANS_DIFFERING, touch.differing_count),
            (m.SPANS_OVER_LIMIT, touch.over_limit_count),
        ):
            if count:
                self.metrics.add(metric, count)

    # ---- traces that come and go ----------------------------------------------------------------------------------------------------

    def remember(self, trace: OpenTrace) -> None:
        """Add a trace behind all others: one that begins, or one of a snapshot, in order of their first records."""
        self._opened_count = max(self._opened_count, trace.number)
        self._add(trace)
        self._enqueue(trace)
        if trace.close_reason is CloseReason.SHED:
            self.shedding.trace_ids.add(trace.trace_id)

    def _add(self, trace: OpenTrace) -> None:
        self.traces[trace.trace_id] = trace
        self.judgings[trace.judging] += 1

    def judge_by(self, judging: Judging) -> None:
        """Let the traces that begin from now on be judged by this one."""
        self.judging = judging

    def limit_by(self, policy: ClosingPolicy) -> None:
        """Put other limits in force, for the traces that are there too."""
        self.policy = policy
        self.forgotten_until_ns = -1
        self._due_times.clear()
        self._cut_times.clear()
        for trace in self.traces.values():
            trace.queued_ns = None
            self._enqueue(trace)
            self._note(trace)

    def release(self) -> None:
        """Drop all traces; nothing more is said of them."""
        self._drop(self.traces.values())
        self.traces.clear()
        self.judgings.clear()
        self._touched.clear()
        self._due_times.clear()
        self._cut_times.clear()
        self.shedding.clear()

    def _forget(self, traces: Sequence[OpenTrace], *, in_time: bool = False) -> None:
        for trace in traces:
            self._touched.pop(trace.number, None)
            trace.queued_ns = None
            del self.traces[trace.trace_id]
            self.shedding.trace_ids.discard(trace.trace_id)
            if not in_time:
                self._note(trace)
        self.judgings -= Counter(map(JUDGING, traces))
        self._drop(traces)

    @staticmethod
    def _drop(traces: Iterable[OpenTrace]) -> None:
        """Let engines forget what they keep of some traces."""
        for judging, some in by_program(trace for trace in traces if trace.handle != NO_HANDLE):
            judging.engine.drop_many([trace.handle for trace in some])
            for trace in some:
                trace.handle = NO_HANDLE

    def _displace(self, trace: OpenTrace, now_ns: int) -> None:
        """Say what the trace still has to say, then forget it."""
        if trace.close_reason is None:
            limit = due(trace, self.policy)
            self._end(trace, CloseReason.MAX_AGE if limit is None else limit[1])
            self._say_closed([trace], now_ns)
        elif trace.handle != NO_HANDLE and self._touched.pop(trace.number, None) is not None:
            self._revise([trace], now_ns)
        self._forget([trace])

    # ---- marks ----------------------------------------------------------------------------------------------------------------------

    def obey(self, mark: Mark) -> None:
        """Say and do what is decided by a mark: late spans' revisions, closings, early verdicts, cuts, in this order."""
        now_ns = mark.time_ns
        touched = [trace for _, trace in sorted(self._touched.values(), key=itemgetter(0))]
        self._touched.clear()
        self._revise([trace for trace in touched if trace.close_reason is not None and trace.handle != NO_HANDLE], now_ns)
        if mark.evict_before is not None:
            self._evict(mark.evict_before, now_ns)
        self._fall_due(now_ns)
        if mark.drain:
            self._close_all(CloseReason.DRAINED, now_ns)
            self.forgotten_until_ns = -1
        if self.policy.early_verdicts:
            for judging, some in by_program(trace for trace in touched if trace.close_reason is None):
                judging.early(some, now_ns)
        if cut := [self.traces[trace_id] for trace_id in mark.cut if trace_id in self.traces]:
            self.metrics.add(m.TRACES_CUT, len(cut))
            self._forget(cut)
        self.shedding.marked = mark.position
        if mark.shed_level is not None:
            self.shedding.level = mark.shed_level

    def end(self, reason: CloseReason, now_ns: int) -> None:
        """Close every trace that is still open, for any reason: a test says so."""
        self.obey(Mark(position=0, time_ns=now_ns))
        self._close_all(reason, now_ns)

    def _close_all(self, reason: CloseReason, now_ns: int) -> None:
        self._close([trace for trace in self.traces.values() if trace.close_reason is None], reason, now_ns)

    def overdue(self, now_ns: int) -> list[str]:
        """Return the traces to be cut at this time, oldest first, as many as a mark can name; each is named once."""
        passed = (one.trace_id for one in self._cut_times.passed(now_ns) if not _is_past(forgotten(one, self.policy), now_ns))
        return list(islice(passed, CUT_MAX))

    def _close(self, traces: Sequence[OpenTrace], reason: CloseReason, now_ns: int) -> None:
        for trace in traces:
            self._end(trace, reason)
            self._enqueue(trace)
        self._say_closed(traces, now_ns)

    def _evict(self, offset: int, now_ns: int) -> None:
        """Close open traces that began before an offset; of these and of closed ones only times and what was said are remembered."""
        older = [trace for trace in self.traces.values() if trace.first_offset < offset and trace.handle != NO_HANDLE]
        still_open = [trace for trace in older if trace.close_reason is None]
        self.ledger.traces_evicted += len(older)
        self.metrics.add(m.TRACES_EVICTED, len(older))
        self._close(still_open, CloseReason.EVICTED, now_ns)
        self._drop(older)
        for trace in older:
            self._note(trace)

    def _fall_due(self, now_ns: int) -> None:
        """Close and forget what falls due; verdicts are asked for together, before the first trace is forgotten.

        Traces close in the order in which they were due, however early the queue asked after them.
        """
        closed: list[tuple[int, int, OpenTrace]] = []
        gone: list[OpenTrace] = []
        while passed := self._due_times.passed(now_ns):
            for trace in passed:
                if trace.close_reason is None:
                    limit = due(trace, self.policy)
                    if limit is not None and limit[0] <= now_ns:
                        self._end(trace, limit[1])
                        closed.append((limit[0], trace.number, trace))
                elif _is_past(forgotten(trace, self.policy), now_ns):
                    gone.append(trace)
                    continue
                self._enqueue(trace)
        closed.sort()
        self._say_closed([trace for _, _, trace in closed], now_ns)
        self._forget(gone, in_time=True)
        self.forgotten_until_ns = now_ns

    def _say_closed(self, traces: Sequence[OpenTrace], now_ns: int) -> None:
        for reason, count in Counter(trace.close_reason for trace in traces).items():
            assert reason is not None
            self.metrics.add(m.TRACES_CLOSED, count, reason)
        for judging, some in by_program(traces):
            judging.close(some, now_ns)

    def _end(self, trace: OpenTrace, reason: CloseReason) -> None:
        trace.close_reason = reason
        self._touched.pop(trace.number, None)
        self._note(trace)

    def _revise(self, traces: Sequence[OpenTrace], now_ns: int) -> None:
        if traces:
            self.metrics.add(m.TRACES_REVISED, len(traces))
        for judging, some in by_program(traces):
            judging.revise(some, now_ns)

    def _enqueue(self, trace: OpenTrace) -> None:
        if trace.close_reason is None:
            limit = due(trace, self.policy)
            at_ns = None if limit is None else limit[0]
        else:
            at_ns = forgotten(trace, self.policy)
        if at_ns is not None and (trace.queued_ns is None or at_ns < trace.queued_ns):
            self._due_times.add(at_ns, trace)
            if trace.close_reason is not None:
                self._cut_before(at_ns, trace)

    def _cut_before(self, at_ns: int, trace: OpenTrace) -> None:
        """Let a closed trace be cut in time, if that is before it is looked at again; open ones are closed before."""
        age_ns = self.policy.cut_age_ns
        if age_ns is not None and trace.first_record_ns + age_ns <= at_ns:
            self._cut_times.add(trace.first_record_ns + age_ns, trace)

    def _note(self, trace: OpenTrace) -> None:
        if self.changed is not None:
            self.changed.setdefault(trace.trace_id, False)


def _is_past(at_ns: int | None, now_ns: int) -> bool:
    return at_ns is not None and at_ns <= now_ns
