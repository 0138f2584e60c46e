"""The plain batch run over a log: every trace judged once, on all of its spans. No time but the records' own, no marks, no journal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from compiler.judge import ReferenceEngine
from compiler.rule_set import RuleSet
from compiler.trace import TraceView
from compiler.verdict import Closing, Judgement, Verdict
from tests.simulation.broker import BrokenPromiseError, LogRecord
from tests.simulation.statements import Statement
from topics.journal import Limits
from topics.span import Span
from topics.violation import violation_id


@dataclass
class WholeTrace:
    """A trace as the log holds it. `is_doubtful`: when it was closed may decide how much of it counts as there."""

    trace_id: str
    first_offset: int
    first_ns: int
    last_ns: int
    spans: dict[str, Span] = field(default_factory=dict)
    is_doubtful: bool = False

    @property
    def has_root(self) -> bool:
        return any(not span.parent_id for span in self.spans.values())


def traces_of_log(log: Sequence[LogRecord], limits: Limits) -> Iterator[WholeTrace]:
    """Yield the traces: a record later than the retention after the last one begins a new one of that id."""
    assert limits.closed_retention_ns is not None
    current: dict[str, WholeTrace] = {}
    for record in log:
        assert record.timestamp_ns is not None
        ids = dict.fromkeys(span.trace_id for span in record.spans)
        for trace_id in ids:
            trace = current.get(trace_id)
            if trace is not None and record.timestamp_ns > trace.last_ns + limits.closed_retention_ns:
                yield current.pop(trace_id)
                trace = None
            if trace is None:
                trace = current[trace_id] = WholeTrace(trace_id, record.offset, record.timestamp_ns, record.timestamp_ns)
            trace.last_ns = max(trace.last_ns, record.timestamp_ns)
            trace.is_doubtful = trace.is_doubtful or len(ids) > 1 or record.key != trace_id.encode()
        for span in record.spans:
            trace = current[span.trace_id]
            if span.span_id in trace.spans:
                continue
            if len(trace.spans) < limits.span_count_max:
                trace.spans[span.span_id] = span
            else:
                trace.is_doubtful = True
    yield from current.values()


def check_against_batch(
    partition: int,
    log: Sequence[LogRecord],
    rules: RuleSet,
    limits: Limits,
    view: Mapping[str, Statement],
    counts: Mapping[tuple[str, str, str], int],
) -> int:
    """Raise BrokenPromiseError where a partition's verdicts or counts are not those of the batch run; return how many were compared."""
    engine, unseen, wanted = ReferenceEngine(rules, 0, 16), dict(view), Counter[tuple[str, str, str]]()
    unsure: set[str] = set()
    compared = 0
    for trace in traces_of_log(log, limits):
        known = TraceView(trace.spans.values())
        whole, part = engine.judge(known, Closing.COMPLETE, None), engine.judge(known, Closing.INCOMPLETE, None)
        doubtful = trace.is_doubtful or (not trace.has_root and _may_grow_old(trace, limits))
        for rule, judgement, other in zip(rules.enabled, whole, part, strict=True):
            said = unseen.pop(violation_id(rule.id, rule.version, trace.trace_id, partition, trace.first_offset), None)
            if doubtful and judgement.verdict is not other.verdict:
                unsure.add(rule.id)
                continue
            wanted[rule.id, rule.version, str(judgement.verdict)] += 1
            _check(judgement, said, trace)
            compared += 1
    if unseen:
        raise BrokenPromiseError(f"violations of traces that never were: {unseen}")
    got = {key: count for key, count in counts.items() if count and key[0] not in unsure}
    if got != {key: count for key, count in wanted.items() if key[0] not in unsure}:
        raise BrokenPromiseError(f"counted {sorted(got.items())}, the batch run {sorted(wanted.items())}")
    return compared


def _may_grow_old(trace: WholeTrace, limits: Limits) -> bool:
    if limits.max_age_ns is None or limits.idle_timeout_ns is None:
        return False
    return trace.last_ns + limits.idle_timeout_ns >= trace.first_ns + limits.max_age_ns


def _check(judgement: Judgement, said: Statement | None, trace: WholeTrace) -> None:
    stands = said is not None and said.change != "withdrawn"
    if stands != (judgement.verdict is Verdict.VIOLATED):
        raise BrokenPromiseError(f"trace {trace.trace_id}, rule {judgement.rule_id}: said {said}, the batch run {judgement.verdict}")
    if said is None or not stands:
        return
    found = [said.body["span_count"], said.body["offenders"], said.body["offender_count"], said.body["clauses"]]
    offenders = [span.span_id for span in judgement.offenders]
    true = [len(trace.spans), offenders, judgement.offender_count, list(judgement.clauses)]
    if found != true:
        raise BrokenPromiseError(f"trace {trace.trace_id}, rule {judgement.rule_id}: stated on {found}, the batch run on {true}")
