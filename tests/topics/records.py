"""Violation records for tests: a whole one, of which a test changes what it is about."""

from __future__ import annotations

from typing import Any

from topics.violation import Violation, violation_id

RECORD: dict[str, Any] = {
    "id": violation_id("payment-check", "0a1b2c3d4e5f", "ab" * 16, 3, 17),
    "revision": 1,
    "change": "raised",
    "verdict": "violated",
    "early": False,
    "decided_at": "2026-01-31T12:00:00.000000000Z",
    "clauses": ["always"],
    "rule": {
        "id": "payment-check",
        "version": "0a1b2c3d4e5f",
        "fingerprint": "feedbeef",
        "severity": "high",
        "mode": "enforce",
        "tags": ["payments"],
        "controls": ["SOC2:CC7.2"],
    },
    "trace": {
        "id": "ab" * 16,
        "root_name": "checkout",
        "root_service": "shop",
        "services": ["payments", "shop"],
        "start_time": "2026-01-31T11:59:50.000000001Z",
        "duration_ns": 90_000_000,
        "span_count": 2,
        "close_reason": "root_ended",
        "complete": True,
        "orphan_count": 0,
    },
    "offenders": [
        {
            "span_id": "cd" * 8,
            "service": "payments",
            "name": "payment.charge",
            "start_offset_ns": 10_000_000,
            "duration_ns": 21_000_000,
            "attributes": {"amount": 5000, "currency": "USD"},
        }
    ],
    "offender_count": 1,
    "comparisons": [{"text": "amount > 1000", "left": 5000, "right": 1000, "margin": 4000}],
    "input": {"topic": "otlp_spans", "partition": 3, "first_offset": 17, "last_offset": 19},
}


def record(**changes: Any) -> dict[str, Any]:  # noqa: ANN401  # any field of a record
    """Return a record's JSON; `rule__id=…` changes a field within."""
    made: dict[str, Any] = {**RECORD, "rule": {**RECORD["rule"]}, "trace": {**RECORD["trace"]}, "input": {**RECORD["input"]}}
    for path, value in changes.items():
        outer, _, inner = path.partition("__")
        if inner:
            made[outer][inner] = value
        else:
            made[outer] = value
    return made


def violation(**changes: Any) -> Violation:  # noqa: ANN401  # as above
    """Return a valid record with these changes."""
    return Violation.model_validate(record(**changes))
