"""The store of trace states as the core sees it: a fast copy of what the input and the journal say. Losing it loses no verdict.

Each partition has one state, a *snapshot* behind one journal record, its *label*. A trace's state lies either with the open ones or in a
*bucket* of the closed ones, numbered by the minute of partition time in which it will be forgotten; it may lie there until that minute has
passed. It begins with a *head*, which is the flow's; what is behind it is the engine's, and often outlasts it: a trace that closes without
new spans gets another head only.
"""

from __future__ import annotations

import struct
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from processor.record import PartitionKey

# The bucket of open traces.
OPEN = -1
# With which a head begins: its size in bytes, these included. Read in redis_put.lua too.
HEAD_SIZE = struct.Struct("<I")


class StoreUnavailableError(Exception):
    """The store did not answer, or refused (out of memory, read only, loading): the text says which. The worker goes on without it."""


class Label(NamedTuple):
    """The journal record that a state belongs to: its offset and its hash (topics.journal.record_hash)."""

    offset: int
    hash: str


class Snapshot(NamedTuple):
    """A whole state: `header` is the core's own, `states` are by bucket and trace id (16 bytes)."""

    label: Label
    header: bytes
    states: Mapping[int, Mapping[bytes, bytes]]


class Delta(NamedTuple):
    """A change of a state, or with `base` None a whole one, which takes the place of whatever is there.

    `put`, `gone` and `closed` are by bucket; `passed` are buckets that nobody needs any more. `closed` are new heads of open traces: each
    moves to its bucket with what is behind its old head. They are not among `gone`.
    """

    base: Label | None
    label: Label
    header: bytes
    put: Mapping[int, Mapping[bytes, bytes]]
    gone: Mapping[int, frozenset[bytes]]
    passed: frozenset[int]
    closed: Mapping[int, Mapping[bytes, bytes]] = {}


class Written(StrEnum):
    """What became of a write: `stale`: the store holds another state than the base; `newer`: it holds a later one than the label."""

    DONE = "done"
    STALE = "stale"
    NEWER = "newer"


class Store(Protocol):
    """Keeps the states of partitions. Every method may raise StoreUnavailableError, in bounded time."""

    def load(self, key: PartitionKey) -> Snapshot | None:
        """Return the state of a partition; None where there is none."""

    def write(self, deltas: Mapping[PartitionKey, Delta]) -> Mapping[PartitionKey, Written]:
        """Write each partition's change whole or not at all.

        A change is written only onto its base, compared by offset and hash, a whole state onto anything; neither over a later label.
        One that closes a trace which is not open there, or has no head, is stale as well.
        """

    def disown(self, key: PartitionKey) -> None:
        """Let the state of a partition count no more: its label is of a journal that is gone, and may be later than any to come."""
