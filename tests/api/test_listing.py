"""Cursors and filters: a cursor leads on for the filters it was made for, everything else is refused."""

from __future__ import annotations

import base64

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from api.listing import BadCursorError, Place, ViolationFilter, ViolationQuery, read_cursor, write_cursor
from topics.violation import SaidVerdict

PLACE = Place("2026-01-31T12:00:00.000000000Z", "ab" * 16)


@given(st.text(), st.text())
def test_a_cursor_leads_back_to_its_place(decided_at: str, violation: str) -> None:
    place = Place(decided_at, violation)
    assert read_cursor(write_cursor(place, ViolationFilter()), ViolationFilter()) == place


@given(st.text(max_size=200))
@example("")
@example("AAAA")
@example("é")
@example(base64.urlsafe_b64encode(b"[" * 300).decode())
@example(base64.urlsafe_b64encode(b'[1,2,"x","y"]').decode())
@example(base64.urlsafe_b64encode(b'[1,"\\ud800","x","y"]').decode())
def test_any_other_text_is_no_cursor(text: str) -> None:
    with pytest.raises(BadCursorError):
        read_cursor(text, ViolationFilter())


@given(st.integers(0, 120), st.integers(1, 255))
def test_a_cursor_with_one_changed_letter_is_refused_or_means_the_same_kind_of_place(at: int, by: int) -> None:
    cursor = write_cursor(PLACE, ViolationFilter())
    at %= len(cursor)
    changed = cursor[:at] + chr((ord(cursor[at]) + by) % 128) + cursor[at + 1 :]
    try:
        place = read_cursor(changed, ViolationFilter())
    except BadCursorError:
        return
    assert write_cursor(place, ViolationFilter()) == changed


def test_a_cursor_belongs_to_its_filters() -> None:
    cursor = write_cursor(PLACE, ViolationFilter(rule=["a", "b"]))
    assert read_cursor(cursor, ViolationFilter(rule=["b", "a", "a"])) == PLACE
    with pytest.raises(BadCursorError, match="other filters"):
        read_cursor(cursor, ViolationFilter(rule=["a"]))


def test_the_default_verdict_is_the_same_filter_as_asking_for_it() -> None:
    assert ViolationFilter().digest() == ViolationFilter(verdict=[SaidVerdict.VIOLATED]).digest()


def test_the_limit_and_the_cursor_are_no_part_of_the_filters() -> None:
    assert ViolationQuery(limit=7, cursor="x").digest() == ViolationFilter().digest()


@pytest.mark.parametrize("limit", [0, -1, 501, 10**30, "ten", 1.5])
def test_a_limit_out_of_bounds_is_refused(limit: object) -> None:
    with pytest.raises(ValidationError):
        ViolationQuery.model_validate({"limit": limit})
