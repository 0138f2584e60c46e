"""Times as RFC 3339 text with nanoseconds: what records and the API carry where a person reads along."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

_SECOND_NS = 1_000_000_000
_LEAP_SECOND = 60
_SECOND_LENGTH = len("2026-01-01T00:00:00")
_SECONDS_REMEMBERED = 1024
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TEXT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,18}))?(?:([Zz])|([+-])([01]\d|2[0-3]):([0-5]\d))",
    re.ASCII,
)
SHOWN_PATTERN = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{9}Z$"
TIME_NS_MAX = int((datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC) - _EPOCH).total_seconds()) * _SECOND_NS + _SECOND_NS - 1


def format_ns(time_ns: int) -> str:
    """Return unix nanoseconds as `2026-01-01T00:00:00.000000000Z`: always nine digits and `Z`, so that text sorts as time does.

    Raises ValueError outside of 1970 to 9999.
    """
    if not 0 <= time_ns <= TIME_NS_MAX:
        raise ValueError(f"time out of range: {time_ns} ns")
    seconds, fraction = divmod(time_ns, _SECOND_NS)
    return f"{_second(seconds)}.{fraction:09d}Z"


@lru_cache(_SECONDS_REMEMBERED)
def _second(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).isoformat()[:_SECOND_LENGTH]


def parse_ns(text: str) -> int:
    """Return the unix nanoseconds of an RFC 3339 time with any offset; digits beyond nine are cut off.

    A leap second counts as the second after it (RFC 3339 section 5.7). Raises ValueError for any other text and for years outside of
    1970 to 9999.
    """
    match = _TEXT.fullmatch(text)
    if match is None:
        raise ValueError(f"not an RFC 3339 time: {text[:64]!r}")
    *numbers, fraction, _zulu, sign, hours, minutes = match.groups()
    year, month, day, hour, minute, second = map(int, numbers)
    leap = timedelta(seconds=1 if second == _LEAP_SECOND else 0)
    moment = datetime(year, month, day, hour, minute, second - bool(leap), tzinfo=UTC)
    whole = moment - _EPOCH + leap - _offset(sign, hours, minutes)
    time_ns = (whole.days * 86_400 + whole.seconds) * _SECOND_NS + int((fraction or "0")[:9].ljust(9, "0"))
    if not 0 <= time_ns <= TIME_NS_MAX:
        raise ValueError(f"time out of range: {text[:64]!r}")
    return time_ns


def _offset(sign: str | None, hours: str, minutes: str) -> timedelta:
    if not sign:
        return timedelta()
    ahead = timedelta(hours=int(hours), minutes=int(minutes))
    return ahead if sign == "+" else -ahead
