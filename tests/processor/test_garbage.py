"""When old garbage is collected."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from processor.garbage import OldGarbage, spare_collector


class Ring:
    """Holds itself."""

    def __init__(self) -> None:
        self.me = self


@pytest.fixture(autouse=True)
def thresholds() -> Iterator[None]:
    before = gc.get_threshold()
    spare_collector()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


def test_a_cycle_that_grew_old_is_collected_every_ten_minutes_and_not_before() -> None:
    garbage = OldGarbage(now_s=50.0)
    ring = Ring()
    gc.collect()
    there = weakref.ref(ring)
    del ring
    assert [garbage.collect(now_s) for now_s in (50.0, 649.9)] == [False, False]
    assert there() is not None
    assert garbage.collect(650.0)
    assert there() is None
    assert not garbage.collect(1249.0)


def test_objects_that_stay_are_looked_through_once_however_many() -> None:
    gc.collect()
    before = [kind["collections"] for kind in gc.get_stats()]
    kept = [[number] for number in range(1_200_000)]
    young, older, old = [kind["collections"] - was for kind, was in zip(gc.get_stats(), before, strict=True)]
    assert young >= 1_200_000 // 20_000 - 1
    assert (older, old) == (0, 0)
    assert len(kept) == 1_200_000
