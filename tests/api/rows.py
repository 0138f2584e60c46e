"""Rows of the view for tests."""

from __future__ import annotations

import json
from typing import Any

from api.projection import Aside, AsideReason, TopicRecord, ViolationRow, project
from tests.topics.records import violation


def row(number: int, **changes: Any) -> ViolationRow:  # noqa: ANN401  # any field of a record
    """Return the row of violation `number`, decided `number` seconds after noon; the body is a whole record."""
    whole = {"id": f"{number:032x}", "decided_at": f"2026-01-31T12:{number // 60:02d}:{number % 60:02d}.000000000Z", **changes}
    projected = project(TopicRecord(0, number, violation(**whole).canonical_json()))
    assert isinstance(projected, ViolationRow)
    return projected


def aside(offset: int) -> Aside:
    """Return a record that was set aside."""
    return Aside(0, offset, AsideReason.NOT_JSON, "no JSON", b"?")


def ids(bodies: tuple[bytes, ...]) -> list[int]:
    """Return the numbers of the violations of a page."""
    return [int(json.loads(body)["id"], 16) for body in bodies]
