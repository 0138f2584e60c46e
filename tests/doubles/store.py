"""A store in memory (processor.store.Store): the definition of what a real one has to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from processor.record import PartitionKey
from processor.store import Delta, Snapshot, Written

Buckets = dict[int, dict[bytes, bytes]]


@dataclass
class MemoryStore:
    """The states of all partitions."""

    snapshots: dict[PartitionKey, Snapshot] = field(default_factory=dict)

    def load(self, key: PartitionKey) -> Snapshot | None:
        """Return the state of a partition."""
        return self.snapshots.get(key)

    def write(self, deltas: Mapping[PartitionKey, Delta]) -> dict[PartitionKey, Written]:
        """Write each change by itself."""
        return {key: self._write(key, delta) for key, delta in deltas.items()}

    def disown(self, key: PartitionKey) -> None:
        """Forget the state of a partition."""
        self.snapshots.pop(key, None)

    def _write(self, key: PartitionKey, delta: Delta) -> Written:
        there = self.snapshots.get(key)
        if there is not None and there.label.offset > delta.label.offset:
            return Written.NEWER
        if delta.base is not None and (there is None or there.label != delta.base):
            return Written.STALE
        states = {} if delta.base is None or there is None else _without(there.states, delta)
        for bucket, put in delta.put.items():
            states.setdefault(bucket, {}).update(put)
        self.snapshots[key] = Snapshot(delta.label, delta.header, {bucket: some for bucket, some in states.items() if some})
        return Written.DONE


def _without(states: Mapping[int, Mapping[bytes, bytes]], delta: Delta) -> Buckets:
    return {
        bucket: {trace_id: state for trace_id, state in some.items() if trace_id not in delta.gone.get(bucket, frozenset())}
        for bucket, some in states.items()
        if bucket not in delta.passed
    }
