"""When the garbage collector looks through everything: seldom, and between two rounds of the work, for all threads wait meanwhile.

Traces have no cycles and go when they are forgotten. The collector's own habit is to look through all of them whenever their number has
grown by a quarter, also in the middle of taking partitions: with 200 000 traces that is half a second of silence, each time.
"""

from __future__ import annotations

import gc
from typing import Final

# What is young is looked through as ever, in fewer and larger steps; what is old, never by itself.
_THRESHOLDS: Final = (5_000, 20, 1_000_000)
# What has cycles and grew old are programs and connections, a few a day.
_INTERVAL_S: Final = 600.0


class OldGarbage:
    """Collects what grew old before it became garbage."""

    def __init__(self, now_s: float) -> None:
        self._last_s = now_s
        gc.set_threshold(*_THRESHOLDS)

    def collect(self, now_s: float) -> bool:
        """Look through everything if the last time is long ago; say whether it was."""
        is_time = now_s - self._last_s >= _INTERVAL_S
        if is_time:
            self._last_s = now_s
            gc.collect()
        return is_time
