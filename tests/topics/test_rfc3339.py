"""Times as text: one form out, every form of RFC 3339 in."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from topics.rfc3339 import SHOWN_PATTERN, TIME_NS_MAX, format_ns, parse_ns

TIMES = st.integers(0, TIME_NS_MAX)


@given(TIMES)
def test_reading_a_written_time_gives_the_time(time_ns: int) -> None:
    assert parse_ns(format_ns(time_ns)) == time_ns
    assert re.search(SHOWN_PATTERN, format_ns(time_ns))


@given(TIMES, TIMES)
def test_written_times_sort_as_times_do(one: int, other: int) -> None:
    assert (format_ns(one) < format_ns(other)) == (one < other)


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-31T12:00:00.25Z",
        "2026-01-31t12:00:00.250z",
        "2026-01-31 13:00:00.25+01:00",
        "2026-01-31T06:30:00.25-05:30",
        "2026-01-31T12:00:00.2500000009999Z",
        "2026-01-31T11:59:60.25Z",
    ],
)
def test_every_form_of_a_time_is_read(text: str) -> None:
    assert format_ns(parse_ns(text)) == "2026-01-31T12:00:00.250000000Z"


@pytest.mark.parametrize(
    "text",
    [
        *("", "now", "2026-01-31", "2026-01-31T12:00:00", "2026-02-30T12:00:00Z", "2026-01-31T24:00:00Z", "2026-01-31T12:00:00+24:00"),
        *("1969-12-31T23:59:59Z", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59-01:00", "٢026-01-31T12:00:00Z", "2026-01-31T12:00:61Z"),
        "2026-01-31T12:00:00Z\n",
    ],
)
def test_what_is_no_time_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_ns(text)


@pytest.mark.parametrize("time_ns", [-1, TIME_NS_MAX + 1])
def test_a_time_before_1970_or_after_9999_cannot_be_written(time_ns: int) -> None:
    with pytest.raises(ValueError, match="out of range"):
        format_ns(time_ns)


def test_the_greatest_time_a_span_can_have_can_be_written() -> None:
    assert format_ns(2**64 - 1) == "2554-07-21T23:34:33.709551615Z"
