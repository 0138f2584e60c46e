"""CloudEvents 1.0 in Kafka's binary mode: attributes are record headers, the value is the data.

Source: the CloudEvents Kafka protocol binding 1.0.2, sections 3.1 and 3.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

    from topics.violation import Violation
    from topics.written_violation import WrittenViolation

SPEC_VERSION = "1.0"
JSON = "application/json"
TYPE_PREFIX = "betrace.violation."

Header: TypeAlias = tuple[str, bytes]
ReadHeader: TypeAlias = "tuple[str, bytes | str | None]"


@dataclass(frozen=True, slots=True)
class Event:
    """The context of an event: everything but its data. `time` is RFC 3339; empty texts are attributes that are not there."""

    id: str
    type: str
    source: str
    time: str = ""
    content_type: str = JSON
    subject: str = ""

    def headers(self) -> list[Header]:
        """Return the record headers, in a fixed order."""
        texts = [
            ("ce_specversion", SPEC_VERSION),
            ("ce_id", self.id),
            ("ce_type", self.type),
            ("ce_source", self.source),
            ("ce_subject", self.subject),
            ("ce_time", self.time),
            ("content-type", self.content_type),
        ]
        return [(name, text.encode()) for name, text in texts if text]


def read_event(headers: Iterable[ReadHeader] | None) -> Event | None:
    """Return the event that record headers describe, None where they are not those of CloudEvents 1.0.

    Of a repeated header the last counts. Raises nothing on any headers.
    """
    texts = {name: _text(value) for name, value in headers or ()}
    if texts.get("ce_specversion") != SPEC_VERSION:
        return None
    if not all(texts.get(name) for name in ("ce_id", "ce_type", "ce_source")):
        return None
    return Event(
        id=texts["ce_id"],
        type=texts["ce_type"],
        source=texts["ce_source"],
        time=texts.get("ce_time", ""),
        content_type=texts.get("content-type", ""),
        subject=texts.get("ce_subject", ""),
    )


def violation_event(violation: Violation | WrittenViolation, source: str) -> Event:
    """Return the event of a violation record.

    `source` is a URI reference that names the judge, the same on every worker that judges the same input, so that a record said again is
    the same event.
    """
    return Event(
        id=violation.ce_id,
        type=TYPE_PREFIX + violation.change.value,
        source=source,
        time=violation.decided_at,
        subject=violation.trace_id,
    )


def _text(value: bytes | str | None) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else value.decode("utf-8", "replace")
