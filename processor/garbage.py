"""When the garbage collector looks through everything: seldom, and between two rounds of the work, for all threads wait meanwhile.

Traces have no cycles and go when they are forgotten. The collector's own habit is to look through all of them whenever their number has
grown by a quarter, also in the middle of taking partitions: with 200 000 traces that is half a second of silence, each time.
"""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

# Objects made, young collections, older ones before the next collection of each kind; Python's own: 700, 10, 10. What is young is looked
# through in fewer and larger steps; what outlives that, which traces do, never again by itself.
_THRESHOLDS: Final = (20_000, 1_000_000, 1_000_000)
# What has cycles and grew old are programs and connections, a few a day.
_INTERVAL_S: Final = 600.0


def spare_collector() -> None:
    """Let the collector look at less, and less often: what is loaded by now stays for good.

    Programs are not to be there yet: an engine is a cycle, and what is frozen is never freed.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)


@contextmanager
def uncollected() -> Iterator[None]:
    """Keep the collector still: a compiler makes so many objects that it would look through all of the process's, again and again."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class OldGarbage:
    """Collects what grew old before it became garbage, for which `spare_collector` leaves nobody else."""

    def __init__(self, now_s: float) -> None:
        self._last_s = now_s

    def collect(self, now_s: float) -> bool:
        """Look through everything if the last time is long ago; say whether it was."""
        is_time = now_s - self._last_s >= _INTERVAL_S
        if is_time:
            self._last_s = now_s
            gc.collect()
        return is_time
