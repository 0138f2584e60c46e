"""Durations and values as people read them."""

from __future__ import annotations

_UNITS = (("h", 3600 * 10**9), ("m", 60 * 10**9), ("s", 10**9), ("ms", 10**6), ("us", 10**3))
_DIGITS = 3


def duration_text(nanoseconds: int) -> str:
    """Return a duration in its largest fitting unit, with at most three decimals: `1.5s`."""
    for unit, scale in _UNITS:
        if abs(nanoseconds) >= scale:
            return f"{round(nanoseconds / scale, _DIGITS):g}{unit}" if nanoseconds % scale else f"{nanoseconds // scale}{unit}"
    return f"{nanoseconds}ns" if nanoseconds else "0s"
