"""What is remembered of a trace, in words that both the core and the oracle can say."""

from __future__ import annotations

from typing import NamedTuple

from processor.open_trace import NO_HANDLE
from processor.partition import Partition


class TraceState(NamedTuple):
    """A remembered trace. `grown` is None where only times are remembered: its last new span's time, and its last record that counts,
    whether a root came, when it grew too long, how many spans it has. `said` is by rule: the revision, and whether it stands.
    """

    first_offset: int
    first_ns: int
    last_ns: int
    program: str
    reason: str | None
    is_scattered: bool
    is_lost: bool
    said: dict[str, tuple[int, bool]]
    grown: tuple[int, int, bool, int | None, int] | None


def traces_of(partition: Partition) -> dict[str, TraceState]:
    """Return what a partition of the core remembers."""
    found: dict[str, TraceState] = {}
    for trace in partition.traces.values():
        rules = trace.judging.engine.rule_set.enabled
        grown = None
        if trace.handle != NO_HANDLE:
            count = trace.judging.engine.facts(trace.handle).span_count
            grown = (trace.last_new_span_ns, trace.last_offset, trace.root_seen, trace.over_limit_ns, count)
        found[trace.trace_id] = TraceState(
            trace.first_offset,
            trace.first_record_ns,
            trace.last_record_ns,
            trace.judging.program_id,
            trace.close_reason,
            trace.scattered,
            trace.state_lost,
            {rules[index].id: (it.revision, it.stands) for index, it in trace.said.items()},
            grown,
        )
    return found
