"""A store in memory (processor.store.Store): the definition of what a real one has to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from processor.record import PartitionKey
from processor.store import HEAD_SIZE, OPEN, Delta, Snapshot, Written

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
        before: Mapping[int, Mapping[bytes, bytes]] = {} if delta.base is None or there is None else there.states
        closed = {} if delta.base is None else _closed(before.get(OPEN, {}), delta)
        if closed is None:
            return Written.STALE
        states = _without(before, delta)
        for bucket, put in delta.put.items():
            states.setdefault(bucket, {}).update(put)
        for bucket, some in closed.items():
            for trace_id in some:
                states.get(OPEN, {}).pop(trace_id, None)
            states.setdefault(bucket, {}).update(some)
        self.snapshots[key] = Snapshot(delta.label, delta.header, {bucket: some for bucket, some in states.items() if some})
        return Written.DONE


def _closed(there: Mapping[bytes, bytes], delta: Delta) -> Buckets | None:
    """The states of traces that close: what stands behind their old heads stands behind the new ones. None where one cannot."""
    found: Buckets = {}
    for bucket, heads in delta.closed.items():
        for trace_id, head in heads.items():
            state = there.get(trace_id, b"")
            size = HEAD_SIZE.unpack_from(state)[0] if len(state) >= HEAD_SIZE.size else len(state) + 1
            if size > len(state):
                return None
            found.setdefault(bucket, {})[trace_id] = head + state[size:]
    return found


def _without(states: Mapping[int, Mapping[bytes, bytes]], delta: Delta) -> Buckets:
    return {
        bucket: {trace_id: state for trace_id, state in some.items() if trace_id not in delta.gone.get(bucket, frozenset())}
        for bucket, some in states.items()
        if bucket not in delta.passed
    }
