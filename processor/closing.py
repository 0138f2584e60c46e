"""When a trace closes, and what its close says of it. Closing decides when a verdict is said; the spans decide what."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from compiler.verdict import Closing
from processor.trace_engine import TakePolicy
from topics.journal import Limits
from topics.violation import CloseReason

if TYPE_CHECKING:
    from processor.open_trace import OpenTrace

SECOND_NS = 1_000_000_000
# By names of this module: a member of an enum is looked up in Python's slow way, and these are needed several times of every trace.
_ROOT_ENDED, _IDLE, _MAX_AGE, _SPAN_LIMIT = CloseReason.ROOT_ENDED, CloseReason.IDLE, CloseReason.MAX_AGE, CloseReason.SPAN_LIMIT
_OPEN, _WHOLE, _PART = Closing.OPEN, Closing.COMPLETE, Closing.INCOMPLETE
_COMPLETE = frozenset({_ROOT_ENDED, _IDLE, CloseReason.DRAINED})


@dataclass(frozen=True)
class ClosingPolicy:
    """The limits of a trace's life, in nanoseconds of partition time; None: without limit.

    `early_verdicts` says whether violations that are decided while the trace is open are said at once.
    """

    root_grace_ns: int | None = 5 * SECOND_NS
    idle_timeout_ns: int | None = 30 * SECOND_NS
    max_age_ns: int | None = 600 * SECOND_NS
    closed_retention_ns: int | None = 300 * SECOND_NS
    timestamp_skew_max_ns: int = 60 * SECOND_NS
    span_count_max: int = 10_000
    early_verdicts: bool = True

    @property
    def cut_age_ns(self) -> int | None:
        """The age at which a trace is forgotten although records still come: by a mark that names it (topics/journal.py)."""
        if self.max_age_ns is None or self.closed_retention_ns is None:
            return None
        return self.max_age_ns + self.closed_retention_ns

    @cached_property
    def remembered_ns(self) -> int | None:
        """For how long after its last record a closed trace is remembered; None: for ever.

        A record as late as may be, stamped at the end of the retention, still belongs to it: only then it is over.
        """
        return None if self.closed_retention_ns is None else self.closed_retention_ns + self.timestamp_skew_max_ns + 1

    @property
    def take_policy(self) -> TakePolicy:
        """What an engine needs to know of it."""
        return TakePolicy(self.span_count_max, self.closed_retention_ns)


def finite_policy(span_count_max: int) -> ClosingPolicy:
    """Return the policy of a finite input: nothing closes before its end but a trace with too many spans.

    Nor is anything said before: nobody reads it until the end, and what is said then does not hang on how the input was cut into chunks.
    """
    return ClosingPolicy(None, None, None, None, 0, span_count_max, early_verdicts=False)


def limits_of(policy: ClosingPolicy) -> Limits:
    """Return the limits as a journal record has them."""
    return Limits(
        root_grace_ns=policy.root_grace_ns,
        idle_timeout_ns=policy.idle_timeout_ns,
        max_age_ns=policy.max_age_ns,
        closed_retention_ns=policy.closed_retention_ns,
        timestamp_skew_max_ns=policy.timestamp_skew_max_ns,
        span_count_max=policy.span_count_max,
        early_verdicts=policy.early_verdicts,
    )


def policy_of(limits: Limits) -> ClosingPolicy:
    """Return the limits of a journal record as the flow has them."""
    return ClosingPolicy(**limits.model_dump())


def due(trace: OpenTrace, policy: ClosingPolicy) -> tuple[int, CloseReason] | None:
    """Return when an open trace must close and why: the earliest limit, in the order of `CloseReason` where several fall together."""
    found: tuple[int, CloseReason] | None = None
    # Written out: it is asked several times of every trace.
    if trace.root_seen and policy.root_grace_ns is not None:
        found = (trace.last_new_span_ns + policy.root_grace_ns, _ROOT_ENDED)
    if policy.idle_timeout_ns is not None and (found is None or trace.last_record_ns + policy.idle_timeout_ns < found[0]):
        found = (trace.last_record_ns + policy.idle_timeout_ns, _IDLE)
    if policy.max_age_ns is not None and (found is None or trace.first_record_ns + policy.max_age_ns < found[0]):
        found = (trace.first_record_ns + policy.max_age_ns, _MAX_AGE)
    if trace.over_limit_ns is not None and (found is None or trace.over_limit_ns < found[0]):
        found = (trace.over_limit_ns, _SPAN_LIMIT)
    return found


def forgotten(trace: OpenTrace, policy: ClosingPolicy) -> int | None:
    """Return the first nanosecond at which a closed trace is no longer remembered, because nothing of it can come any more; None: never."""
    remembered_ns = policy.remembered_ns
    return None if remembered_ns is None else trace.last_record_ns + remembered_ns


def begins_anew(policy: TakePolicy, last_record_ns: int, arrived_ns: int) -> bool:
    """Say whether a record that arrives now begins a new trace of the id instead of belonging to the one whose last record came then."""
    return policy.closed_retention_ns is not None and arrived_ns > last_record_ns + policy.closed_retention_ns


def completeness(trace: OpenTrace) -> Closing:
    """Say which column judges the trace, by its close reason: open, incomplete, complete."""
    if trace.close_reason is None:
        return _OPEN
    if trace.scattered:
        return _PART
    whole = trace.close_reason in _COMPLETE or (trace.close_reason is _MAX_AGE and trace.root_seen)
    return _WHOLE if whole else _PART
