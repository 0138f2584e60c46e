"""CloudEvents headers and dead letters: what is written can be read, and nothing makes the reading fail."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.topics.records import RECORD, violation
from topics.cloudevents import Event, read_event, violation_event
from topics.dead_letter import DETAIL_BYTES_MAX, DeadLetter, read_dead_letter

HEADERS = st.lists(
    st.tuples(st.sampled_from(["ce_specversion", "ce_id", "ce_type", "ce_source", "x"]) | st.text(), st.none() | st.binary() | st.text())
)


def test_a_violation_travels_as_a_cloud_event_in_binary_mode() -> None:
    headers = dict(violation_event(violation(), "betrace/shop").headers())
    assert headers == {
        "ce_specversion": b"1.0",
        "ce_id": f"{RECORD['id']}.1".encode(),
        "ce_type": b"betrace.violation.raised",
        "ce_source": b"betrace/shop",
        "ce_subject": b"ab" * 16,
        "ce_time": b"2026-01-31T12:00:00.000000000Z",
        "content-type": b"application/json",
    }


def test_reading_the_headers_of_an_event_gives_the_event() -> None:
    event = violation_event(violation(), "betrace")
    assert read_event(event.headers()) == event
    assert read_event(Event("i", "t", "s").headers()) == Event("i", "t", "s")


@pytest.mark.parametrize("missing", ["ce_specversion", "ce_id", "ce_type", "ce_source"])
def test_headers_without_a_required_attribute_are_no_event(missing: str) -> None:
    headers = [header for header in violation_event(violation(), "betrace").headers() if header[0] != missing]
    assert read_event(headers) is None


@given(st.none() | HEADERS)
def test_reading_any_headers_raises_nothing(headers: list[tuple[str, bytes | str | None]] | None) -> None:
    read_event(headers)


def test_a_dead_letter_keeps_the_record_and_says_why_and_where() -> None:
    letter = DeadLetter(
        "truncated", "otlp_spans", 3, 42, b"key", b"\x00value", (("content-type", b"x"), ("empty", None)), "ends in the middle"
    )
    assert read_dead_letter(b"key", b"\x00value", letter.record_headers()) == letter


def test_a_letter_that_died_twice_keeps_its_first_headers() -> None:
    first = DeadLetter("truncated", "otlp_spans", 3, 42, None, None)
    second = DeadLetter("too_large", "betrace.dead-letters", 0, 1, None, None, tuple(first.record_headers()))
    read = read_dead_letter(None, None, second.record_headers())
    assert read == second
    assert read_dead_letter(None, None, read.headers) == first


def test_a_long_detail_of_a_dead_letter_is_cut() -> None:
    headers = dict(DeadLetter("bad", "t", 0, 0, None, None, detail="é" * 5_000).record_headers())
    assert len(headers["betrace_dead_detail"] or "") == DETAIL_BYTES_MAX


@given(HEADERS)
def test_a_record_that_is_no_dead_letter_is_a_value_error(headers: list[tuple[str, bytes | str | None]]) -> None:
    with pytest.raises(ValueError, match="no dead letter"):
        read_dead_letter(None, None, headers)
