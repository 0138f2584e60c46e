"""What the core is given: parts from outside, and settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from processor.closing import SECOND_NS, ClosingPolicy
from processor.group_handler import Bounds, LogBounds
from processor.judging import SaidVerdict, Say
from processor.keyring import NO_KEYS, Keyring
from processor.record import PartitionKey
from processor.store_beside import Aside, at_once

if TYPE_CHECKING:
    from processor.checkpoint import Publisher
    from processor.journal import Journal
    from processor.metrics import Metrics
    from processor.overload import ShedPolicy
    from processor.partition_time import Clock
    from processor.rule_source import RuleSource
    from processor.store import Store


def _no_bounds(_keys: Sequence[PartitionKey]) -> dict[PartitionKey, Bounds]:
    return {}


def _nobody(_said: SaidVerdict) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Surroundings:
    """All that the core is given from outside.

    `journal` None: a run that nobody goes on with. `clock` None: there is no wall clock, partition time follows the records alone. `bounds`
    says where the logs of the input begin and end. `aside` makes the calls to the store. `listen` hears every verdict
    that a record goes out with, when it is decided.
    """

    publisher: Publisher
    rules: RuleSource
    metrics: Metrics
    journal: Journal | None = None
    store: Store | None = None
    aside: Aside = at_once
    clock: Clock | None = None
    bounds: LogBounds = _no_bounds
    listen: Say = _nobody


@dataclass(frozen=True, slots=True)
class CoreSettings:
    """How the core works; times in nanoseconds.

    `is_keyed`: records of a trace all come in one partition, keyed by trace id; others are counted and their traces are judged as
    incomplete. `store_interval_ns`: how often a partition's state goes to the store; where `stored_at_once_max` traces have changed it goes
    before. `idle_interval_ns`: how often a partition where nothing happens says that it is judged. `memory_max_bytes`: what traces may take
    before the oldest are evicted. `worker` names this one in its fences, for people. `keyring` signs what it says. `shed`: when traces are
    shed; None: never.
    """

    policy: ClosingPolicy = field(default_factory=ClosingPolicy)
    is_keyed: bool = True
    store_interval_ns: int = 5 * SECOND_NS
    stored_at_once_max: int = 4_096
    idle_interval_ns: int = 60 * SECOND_NS
    memory_max_bytes: int = 2**63
    worker: str = ""
    keyring: Keyring = NO_KEYS
    shed: ShedPolicy | None = None
