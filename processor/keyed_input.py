"""Records as they come: whether the key says which trace a record holds, and what becomes of one that is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from processor import metrics as m
from processor.refused_records import letter_of

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Sequence

    from processor.metrics import Metrics
    from processor.record import Record
    from processor.trace_engine import Touch
    from topics.dead_letter import DeadLetter
    from topics.refusal import RefusalReason


def is_keyed_by_trace(record: Record, touches: Sequence[Touch]) -> bool:
    """Say whether the key is the id of the one trace that the record holds; True where it holds none."""
    if not touches:
        return True
    key = record.key
    # The id of a trace is 32 lower-case hex digits, so what equals it is well formed.
    return key is not None and all(touch.trace_id.encode("ascii") == key for touch in touches)


def bury_refused(record: Record, refused: Counter[RefusalReason], metrics: Metrics, bury: Callable[[DeadLetter], None]) -> None:
    """Count what of a record was refused, and bury the record."""
    for reason, count in sorted(refused.items()):
        metrics.add(m.ITEMS_REFUSED, count, reason)
        metrics.add(m.RECORDS_REFUSED, 1, reason)
    bury(letter_of(record, refused))
