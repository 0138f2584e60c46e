"""What becomes of a record that was refused, whole or in part: a dead letter that says which reasons, most frequent first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from processor import metrics as m
from topics.dead_letter import DeadLetter

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable

    from processor.metrics import Metrics
    from processor.record import Record
    from topics.refusal import RefusalReason


def letter_of(record: Record, refused: Counter[RefusalReason]) -> DeadLetter:
    """Return the dead letter of a record with at least one item refused."""
    reason = min(refused, key=lambda word: (-refused[word], word))
    return DeadLetter(
        reason=reason,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        key=record.key,
        value=record.value,
        headers=tuple(record.headers),
        detail=", ".join(f"{word}: {count}" for word, count in sorted(refused.items())),
    )


def bury_refused(record: Record, refused: Counter[RefusalReason], metrics: Metrics, bury: Callable[[DeadLetter], None]) -> None:
    """Count what of a record was refused, and bury the record."""
    for reason, count in sorted(refused.items()):
        metrics.add(m.ITEMS_REFUSED, count, reason)
        metrics.add(m.RECORDS_REFUSED, 1, reason)
    bury(letter_of(record, refused))
