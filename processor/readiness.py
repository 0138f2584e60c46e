"""Why a worker is not ready, and what spoils its work although it is: enumerated, each with a section in docs/how-to/runbook.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class NotReady(StrEnum):
    """A worker that is not ready judges nothing, or not yet."""

    WAITING_FOR_ASSIGNMENT = "waiting_for_assignment"
    NO_ASSIGNMENT = "no_assignment"
    RULES_MISSING = "rules_missing"
    TAKING_PARTITIONS = "taking_partitions"
    REPLAYING = "replaying"
    NO_PROGRESS = "no_progress"


class Notice(StrEnum):
    """Something an operator has to know of a worker that judges."""

    RULES_REFUSED = "rules_refused"
    RULES_UNREADABLE = "rules_unreadable"
    OLD_PROGRAMS_NOT_KEPT = "old_programs_not_kept"
    UNKEYED_INPUT = "unkeyed_input"
    STORE_UNAVAILABLE = "store_unavailable"
    CLOCK_OFF = "clock_off"
    STATE_LOST = "state_lost"
    EVICTING = "evicting"
    SHEDDING = "shedding"


@dataclass(frozen=True, slots=True)
class Facts:
    """What the parts of a worker say of themselves.

    `waited_s`: how long it has waited for its first assignment, None once it had one; `assignment_hint`: what may be wrong. `taking`: the
    partitions that it was given and has not taken yet; `replaying`: those still read again; `stuck`: those whose position has not moved
    although there is more to read, and for how many seconds; `shed_shares`: what share of the traces that begin now is shed, of the
    partitions where any is.
    """

    waited_s: float | None
    assignment_timeout_s: float
    assignment_hint: str
    spans_topic: str
    has_rules: bool = True
    refused: Sequence[str] = ()
    rules_trouble: str = ""
    not_kept: str = ""
    taking: Sequence[str] = ()
    replaying: Sequence[str] = ()
    stuck: Mapping[str, float] = field(default_factory=dict)
    unkeyed_count: int = 0
    store_trouble: str | None = None
    clock_offset_s: float | None = None
    losses: Mapping[str, int] = field(default_factory=dict)
    evicted_count: int = 0
    shed_count: int = 0
    shed_shares: Mapping[str, float] = field(default_factory=dict)


def not_ready(facts: Facts) -> dict[NotReady, str]:
    """Return the reasons, each with a sentence; none: the worker is ready."""
    found: dict[NotReady, str] = {}
    if not facts.has_rules:
        return {NotReady.RULES_MISSING: "there are no rules yet: nothing is judged before `betrace rules apply` has written a set"}
    if facts.waited_s is not None and facts.waited_s < facts.assignment_timeout_s:
        found[NotReady.WAITING_FOR_ASSIGNMENT] = "waiting for the group to assign partitions"
    elif facts.waited_s is not None:
        found[NotReady.NO_ASSIGNMENT] = f"no assignment for {facts.waited_s:.0f} s: {facts.assignment_hint}"
    if facts.taking:
        found[NotReady.TAKING_PARTITIONS] = f"finding out how partitions stood: {', '.join(facts.taking)}"
    if facts.replaying:
        found[NotReady.REPLAYING] = f"reading again what an earlier owner had open: {', '.join(facts.replaying)}"
    if facts.stuck:
        listed = ", ".join(f"{name} for {seconds:.0f} s" for name, seconds in facts.stuck.items())
        found[NotReady.NO_PROGRESS] = f"there is more to read and nothing is read: {listed}"
    return found


def notices(facts: Facts) -> dict[Notice, str]:
    """Return what does not stop the worker but spoils its verdicts, or will."""
    found: dict[Notice, str] = {}
    if facts.refused:
        found[Notice.RULES_REFUSED] = "the newest rule set is refused, the one before judges on:\n" + "\n".join(facts.refused)
    if facts.rules_trouble:
        found[Notice.RULES_UNREADABLE] = f"whether there are other rules is not known: {facts.rules_trouble}"
    if facts.not_kept:
        found[Notice.OLD_PROGRAMS_NOT_KEPT] = f"should rules change and a worker end, old traces would be inconclusive: {facts.not_kept}"
    if facts.unkeyed_count:
        found[Notice.UNKEYED_INPUT] = (
            f"{facts.unkeyed_count} records of {facts.spans_topic} are not keyed by trace id: their traces are judged as incomplete. "
            "Set partition_traces_by_id in the Collector's Kafka exporter, or run betrace shard"
        )
    if facts.store_trouble is not None:
        found[Notice.STORE_UNAVAILABLE] = f"trace states are not stored, a new owner would read the input again: {facts.store_trouble}"
    if facts.clock_offset_s is not None:
        found[Notice.CLOCK_OFF] = (
            f"this machine's clock is {facts.clock_offset_s:+.1f} s off the broker's: traces close by the time of records alone"
        )
    if facts.losses:
        listed = ", ".join(f"{reason}: {count}" for reason, count in sorted(facts.losses.items()))
        found[Notice.STATE_LOST] = f"state of partitions was lost ({listed}): traces that may have begun before are inconclusive"
    if facts.evicted_count:
        found[Notice.EVICTING] = f"memory ran short: {facts.evicted_count} traces were closed early or can no longer be revised"
    if facts.shed_count or facts.shed_shares:
        now = ", ".join(f"{share:.0%} of {name}" for name, share in facts.shed_shares.items()) or "none"
        found[Notice.SHEDDING] = f"the worker lagged: {facts.shed_count} traces were not judged and are in no count; shed now: {now}"
    return found
