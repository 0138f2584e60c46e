"""What a store holds of a partition, compared with what it would be told anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

from processor.snapshot import header_of
from tests.doubles.store import MemoryStore
from tests.processor.logs import KEY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.processor.logs import Log, Owner

_MINUTE_NS = 60 * 10**9


def holds_what_there_is(log: Log, owner: Owner) -> bool:
    """Say whether the store holds the partition as it would be told anew; besides only what was forgotten in its time, in its bucket."""
    assert isinstance(log.store, MemoryStore)
    stored, there = owner.handler.owned[KEY].stored, log.store.snapshots[KEY]
    assert stored is not None
    header = header_of(there)
    assert header is not None
    anew = stored.delta(there.label, owner.owner.standing, whole=True).put
    wanted, held = _flat(anew), _flat(there.states)
    return wanted <= held and all(0 <= bucket * _MINUTE_NS <= header.forgotten_until_ns for bucket, _, _ in held - wanted)


def _flat(states: Mapping[int, Mapping[bytes, bytes]]) -> set[tuple[int, bytes, bytes]]:
    return {(bucket, trace_id, state) for bucket, some in states.items() for trace_id, state in some.items()}
