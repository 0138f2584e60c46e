"""From records to rows: any bytes give a row or a reason."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.projection import VALUE_BYTES_KEPT_MAX, Aside, AsideReason, TopicRecord, ViolationRow, project
from tests.topics.records import RECORD, record, violation
from topics.cloudevents import Event, violation_event

VALID = violation().canonical_json()


def test_a_record_becomes_a_row_with_its_columns_and_its_whole_body() -> None:
    made = project(TopicRecord(0, 0, VALID, tuple(violation_event(violation(), "betrace").headers())))
    assert made == ViolationRow(
        id=RECORD["id"],
        revision=1,
        verdict="violated",
        decided_at="2026-01-31T12:00:00.000000000Z",
        rule_id="payment-check",
        severity="high",
        mode="enforce",
        trace_id="ab" * 16,
        services=("payments", "shop"),
        body=VALID,
    )


def test_fields_of_a_later_version_stay_in_the_body() -> None:
    made = project(TopicRecord(0, 0, json.dumps(record(invented_later=[1, 2])).encode()))
    assert isinstance(made, ViolationRow)
    assert json.loads(made.body)["invented_later"] == [1, 2]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, AsideReason.EMPTY),
        (b"", AsideReason.EMPTY),
        (b"\xff\xfe", AsideReason.NOT_JSON),
        (b"{", AsideReason.NOT_JSON),
        (b"[" * 100_000, AsideReason.NOT_JSON),
        (b"{}", AsideReason.NOT_A_VIOLATION),
        (b"null", AsideReason.NOT_A_VIOLATION),
        (json.dumps(record(decided_at="2026-99-99T12:00:00.000000000Z")).encode(), AsideReason.NOT_A_VIOLATION),
        (json.dumps(record(revision=2**63)).encode(), AsideReason.NOT_A_VIOLATION),
        (json.dumps(record(later=float("nan"))).encode(), AsideReason.NOT_A_VIOLATION),
        (json.dumps(record(later="\ud800")).encode(), AsideReason.NOT_JSON),
    ],
)
def test_a_record_that_is_no_violation_is_set_aside_with_its_reason(value: bytes | None, reason: AsideReason) -> None:
    made = project(TopicRecord(3, 9, value))
    assert isinstance(made, Aside)
    assert (made.partition, made.offset, made.reason, made.value) == (3, 9, reason, (value or b"")[:VALUE_BYTES_KEPT_MAX])
    assert made.detail


def test_an_event_of_another_type_is_set_aside() -> None:
    made = project(TopicRecord(0, 0, VALID, tuple(Event("1", "betrace.rule.changed", "betrace").headers())))
    assert isinstance(made, Aside)
    assert made.reason is AsideReason.OTHER_EVENT


@given(st.binary() | st.none(), st.lists(st.tuples(st.text(), st.none() | st.binary() | st.text())))
def test_any_record_gives_a_row_or_an_aside(value: bytes | None, headers: list[tuple[str, bytes | str | None]]) -> None:
    assert isinstance(project(TopicRecord(0, 0, value, tuple(headers))), Aside)
