"""What must be true of a partition of which something was lost: what cannot be known is said to be, and nothing else is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulation.batch import traces_of_log
from tests.simulation.broker import BrokenPromiseError
from tests.simulation.uninterrupted import STATE_LOST_NS
from topics.violation import CloseReason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from processor.record import PartitionKey
    from tests.simulation.broker import Broker
    from tests.simulation.uninterrupted import Uninterrupted, ValidRecord


def check_losses(broker: Broker, key: PartitionKey, records: Sequence[ValidRecord], run: Uninterrupted) -> None:
    """Raise where a loss is told that was none, ends too soon or too late, or leaves a trace judged as if it had begun in its middle."""
    limits = run.limits
    assert limits is not None
    assert limits.closed_retention_ns is not None
    marks = [mark for record in records for mark in record.record.marks]
    for mark in marks:
        if mark.lost_until_ns == STATE_LOST_NS and key not in broker.losses:
            raise BrokenPromiseError(f"{key.partition}: said to be lost at {mark.position}, where nothing was")
        wanted = mark.time_ns + limits.closed_retention_ns + limits.timestamp_skew_max_ns
        if mark.lost_until_ns not in {None, STATE_LOST_NS, wanted}:
            raise BrokenPromiseError(f"{key.partition}: lost until {mark.lost_until_ns}, of what may have begun before it is {wanted}")
    if any(mark.clamp_ns is not None for mark in marks):
        return
    apart = {trace_id for mark in marks for trace_id in mark.cut}
    traces = list(traces_of_log(broker.logs[key].records, limits))
    if any(mark.shed_level for mark in marks):
        # A key that names another trace is believed: the record is shed with that one.
        apart |= {trace.trace_id for trace in traces if trace.is_doubtful}
    true = {(trace.trace_id, trace.first_offset) for trace in traces}
    for life in run.begun:
        # Of a trace that is shed nothing is judged.
        is_judged = not life.is_lost and life.reason is not CloseReason.SHED
        if is_judged and life.trace_id not in apart and (life.trace_id, life.first_offset) not in true:
            raise BrokenPromiseError(f"{key.partition}: {life.trace_id} is judged as if it began at {life.first_offset}")
