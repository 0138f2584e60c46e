"""From a record of the violations topic to a row of the view. Pure: no database, no broker, no clock."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

from pydantic import ValidationError

from topics.cloudevents import TYPE_PREFIX, read_event
from topics.rfc3339 import format_ns, parse_ns
from topics.violation import Violation, canonical_json, read_violation

if TYPE_CHECKING:
    from topics.cloudevents import ReadHeader

VALUE_BYTES_KEPT_MAX = 65_536


class AsideReason(StrEnum):
    """Why a record of the topic is not in the view."""

    EMPTY = "empty"
    OTHER_EVENT = "other_event"
    NOT_JSON = "not_json"
    NOT_A_VIOLATION = "not_a_violation"


@dataclass(frozen=True, slots=True)
class TopicRecord:
    """A record as it was read."""

    partition: int
    offset: int
    value: bytes | None
    headers: tuple[ReadHeader, ...] = ()


@dataclass(frozen=True, slots=True)
class ViolationRow:
    """One revision of a violation: the columns that are searched, and the whole body in canonical JSON."""

    id: str
    revision: int
    verdict: str
    decided_at: str
    rule_id: str
    severity: str
    mode: str
    trace_id: str
    services: tuple[str, ...]
    body: bytes


@dataclass(frozen=True, slots=True)
class Aside:
    """A record that is no violation, kept with the reason; `value` is cut at VALUE_BYTES_KEPT_MAX."""

    partition: int
    offset: int
    reason: AsideReason
    detail: str
    value: bytes


Projected: TypeAlias = ViolationRow | Aside


def project(record: TopicRecord) -> Projected:
    """Return the row of a record, or why it has none. Never raises, on any bytes.

    Fields that this version does not know are kept in the body. Headers are not required, but an event of another type is set aside.
    """
    if not record.value:
        return _aside(record, AsideReason.EMPTY, "the record has no value")
    event = read_event(record.headers)
    if event is not None and not event.type.startswith(TYPE_PREFIX):
        return _aside(record, AsideReason.OTHER_EVENT, f"the event's type is {event.type[:200]!r}")
    try:
        violation = read_violation(record.value)
        body = canonical_json(json.loads(record.value))
        return _row(violation, body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        reason = AsideReason.NOT_JSON if first["type"] == "json_invalid" else AsideReason.NOT_A_VIOLATION
        return _aside(record, reason, f"{'.'.join(map(str, first['loc']))}: {first['msg']}".removeprefix(": "))
    except (ValueError, RecursionError) as error:
        return _aside(record, AsideReason.NOT_A_VIOLATION, str(error))


def _row(violation: Violation, body: bytes) -> ViolationRow:
    services = {*violation.trace.services, *(offender.service for offender in violation.offenders)}
    return ViolationRow(
        id=violation.id,
        revision=violation.revision,
        verdict=violation.verdict.value,
        decided_at=format_ns(parse_ns(violation.decided_at)),
        rule_id=violation.rule.id,
        severity=violation.rule.severity.value,
        mode=violation.rule.mode.value,
        trace_id=violation.trace.id,
        services=tuple(sorted(services - {""})),
        body=body,
    )


def _aside(record: TopicRecord, reason: AsideReason, detail: str) -> Aside:
    return Aside(record.partition, record.offset, reason, detail[:1_000], (record.value or b"")[:VALUE_BYTES_KEPT_MAX])
