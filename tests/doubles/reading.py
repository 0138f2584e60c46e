"""Reads violation records as they are published, and holds them to the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from topics.violation import Violation
    from topics.written_violation import WrittenViolation


def reread(written: WrittenViolation) -> Violation:
    """Return a record as its readers have it; what was written must be what the model says of itself."""
    record = written.violation
    assert record.canonical_json() == written.value
    said = (written.id, written.revision, written.change, written.decided_at, written.trace_id, written.ce_id)
    assert said == (record.id, record.revision, record.change, record.decided_at, record.trace.id, record.ce_id)
    return record
