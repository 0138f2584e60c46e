"""What a violation record has to say of a trace, told from its spans alone: the oracle's own account of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from compiler.rule_set import Rule
from compiler.trace import TraceView
from compiler.verdict import Judgement, Verdict
from topics.rfc3339 import format_ns
from topics.violation import CloseReason, Violation, violation_id

Body = Mapping[str, Any]


class Said(NamedTuple):
    """What was said last of a rule on a trace."""

    revision: int
    body: Body
    stands: bool


class Statement(NamedTuple):
    """A violation record without what all records of its rule say alike."""

    revision: int
    change: str
    decided_at: str
    body: Body


class Facts(NamedTuple):
    """What is said of the trace itself."""

    view: TraceView
    partition: int
    first_offset: int
    last_offset: int
    reason: CloseReason | None
    is_complete: bool


def body_of(judgement: Judgement, facts: Facts) -> Body:
    """Return what the record says, without when and as which revision."""
    view = facts.view
    return {
        "verdict": str(judgement.verdict),
        "early": facts.reason is None,
        "clauses": list(judgement.clauses),
        "id": view.trace_id,
        "root": [view.root_name, view.root_service],
        "services": view.services,
        "start": None if view.first_start_ns is None else format_ns(view.first_start_ns),
        "duration": view.duration_ns,
        "span_count": view.span_count,
        "close_reason": facts.reason,
        "complete": facts.is_complete,
        "orphan_count": view.orphan_count,
        "offenders": [span.span_id for span in judgement.offenders],
        "offender_count": judgement.offender_count,
        "comparisons": [[one.text, one.left, one.right, one.margin] for one in judgement.comparisons],
        "input": [facts.partition, facts.first_offset, facts.last_offset],
    }


def next_statement(rule: Rule, judgement: Judgement, facts: Facts, last: Said | None, decided_ns: int) -> Statement | None:
    """Return what is to be said of a rule now; None where there is nothing new."""
    is_violated, stood = judgement.verdict is Verdict.VIOLATED, last is not None and last.stands
    if not is_violated and not stood:
        return None
    # Only violations and excuses show evidence.
    shown = judgement if judgement.verdict in {Verdict.VIOLATED, Verdict.EXCUSED} else Judgement(rule.id, judgement.verdict)
    body = body_of(shown, facts)
    if last is not None and stood and is_violated and last.body == body:
        return None
    change = "updated" if is_violated and stood else "raised" if is_violated else "withdrawn"
    return Statement(1 if last is None else last.revision + 1, change, format_ns(decided_ns or facts.view.last_end_ns or 0), body)


def statement_id(rule: Rule, facts: Facts) -> str:
    return violation_id(rule.id, rule.version, facts.view.trace_id or "", facts.partition, facts.first_offset)


def statement_of(record: Violation) -> Statement:
    """Return a published record in the oracle's words."""
    trace = record.trace
    body: Body = {
        "verdict": str(record.verdict),
        "early": record.early,
        "clauses": list(record.clauses),
        "id": trace.id,
        "root": [trace.root_name, trace.root_service],
        "services": list(trace.services),
        "start": trace.start_time,
        "duration": trace.duration_ns,
        "span_count": trace.span_count,
        "close_reason": trace.close_reason,
        "complete": trace.complete,
        "orphan_count": trace.orphan_count,
        "offenders": [one.span_id for one in record.offenders],
        "offender_count": record.offender_count,
        "comparisons": [[one.text, one.left, one.right, one.margin] for one in record.comparisons],
        "input": [record.input.partition, record.input.first_offset, record.input.last_offset],
    }
    return Statement(record.revision, str(record.change), record.decided_at, body)


def greatest(statements: Sequence[tuple[str, Statement]]) -> dict[str, Statement]:
    """Return what a reader believes: of each violation the greatest revision."""
    view: dict[str, Statement] = {}
    for violation, statement in statements:
        if violation not in view or view[violation].revision < statement.revision:
            view[violation] = statement
    return view
