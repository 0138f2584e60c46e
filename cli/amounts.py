"""Durations and values as people read them."""

from __future__ import annotations

import math

_UNITS = (("h", 3600 * 10**9), ("m", 60 * 10**9), ("s", 10**9), ("ms", 10**6), ("us", 10**3))
_DIGITS = 3
# Of the about 16 digits of a double the last ones are noise where it was computed: 0.1 + 0.2.
_SIGNIFICANT_DIGITS = 14


def duration_text(nanoseconds: int) -> str:
    """Return a duration in its largest fitting unit, with at most three decimals: `1.5s`."""
    for unit, scale in _UNITS:
        if abs(nanoseconds) >= scale:
            return f"{round(nanoseconds / scale, _DIGITS):g}{unit}" if nanoseconds % scale else f"{nanoseconds // scale}{unit}"
    return f"{nanoseconds}ns" if nanoseconds else "0s"


def without_noise(value: float, *terms: float) -> float:
    """Return a computed number without the digits that only its computation made: `29.97` of 29.96999999999997.

    `terms` are what it was computed of: a difference is no more exact than they are.
    """
    largest = max(map(abs, (value, *terms)))
    if isinstance(value, int) or not math.isfinite(largest) or not largest:
        return value
    return round(value, _SIGNIFICANT_DIGITS - 1 - math.floor(math.log10(largest)))
