"""Verdicts to violation records (topics/violation.py)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from compiler.trace import has_times
from compiler.verdict import Closing
from processor.closing import completeness
from processor.keyring import NO_KEYS
from topics.rfc3339 import format_ns
from topics.violation import (
    SERVICE_COUNT_MAX,
    ComparedValues,
    InputRange,
    JudgedTrace,
    Offender,
    RuleMode,
    RuleSeverity,
    SaidVerdict,
    ViolatedRule,
    Violation,
    bounded,
    canonical_json,
    json_value,
    violation_id,
)

if TYPE_CHECKING:
    from typing import Literal

    from pydantic import JsonValue

    from compiler.rule_set import Rule, RuleText
    from compiler.trace import AttributeValue, Span
    from compiler.verdict import Comparison, Judgement
    from processor.keyring import Keyring
    from processor.open_trace import OpenTrace
    from processor.trace_engine import TraceFacts
    from topics.span import AttributeValue as SpanAttributeValue
    from topics.violation import Change

MASK = "***"
_SCOPES = frozenset({"span", "resource"})


@dataclass(frozen=True, slots=True)
class RecordMaker:
    """All that one violation record is made of, but its revision."""

    fingerprint: str
    rule: Rule
    judgement: Judgement
    facts: TraceFacts
    trace: OpenTrace
    decided_ns: int
    keyring: Keyring

    def make(self, revision: int, change: Change) -> Violation:
        """Return the record; equal inputs give equal bytes."""
        origin, rule = self.trace.origin, self.rule
        record = Violation(
            id=violation_id(rule.id, rule.version, self.trace.trace_id, origin.partition, origin.offset),
            revision=revision,
            change=change,
            verdict=SaidVerdict(self.judgement.verdict),
            early=self.trace.close_reason is None,
            decided_at=format_ns(self.decided_ns or self.facts.last_end_ns or 0),
            clauses=cast("tuple[Literal['always', 'never'], ...]", self.judgement.clauses),
            rule=_rule(rule, self.fingerprint),
            trace=_trace(self.trace, self.facts),
            offenders=tuple(_offender(span, rule.text, self.facts, self.keyring) for span in self.judgement.offenders),
            offender_count=self.judgement.offender_count,
            comparisons=tuple(_comparison(comparison) for comparison in self.judgement.comparisons),
            input=InputRange(
                topic=origin.topic, partition=origin.partition, first_offset=origin.offset, last_offset=self.trace.last_offset
            ),
        )
        return self.keyring.violation(record)


def body_digest(record: Violation) -> bytes:
    """Return a digest of what a record says, without when and as which revision it says it."""
    body = record.model_dump(mode="json", exclude={"revision", "change", "decided_at", "signature"})
    return hashlib.sha256(canonical_json(body)).digest()


def _rule(rule: Rule, fingerprint: str) -> ViolatedRule:
    return ViolatedRule(
        id=rule.id,
        version=rule.version,
        fingerprint=fingerprint,
        severity=RuleSeverity(rule.text.severity),
        mode=RuleMode(rule.text.mode),
        tags=rule.text.tags,
        controls=rule.text.controls,
    )


def _trace(trace: OpenTrace, facts: TraceFacts) -> JudgedTrace:
    return JudgedTrace(
        id=trace.trace_id,
        root_name=facts.root_name,
        root_service=facts.root_service,
        services=facts.services[:SERVICE_COUNT_MAX],
        start_time=None if facts.first_start_ns is None else format_ns(facts.first_start_ns),
        duration_ns=facts.duration_ns,
        span_count=facts.span_count,
        close_reason=trace.close_reason,
        complete=completeness(trace) is Closing.COMPLETE,
        orphan_count=facts.orphan_count,
    )


def _offender(span: Span, text: RuleText, facts: TraceFacts, keyring: Keyring) -> Offender:
    timed = has_times(span)
    return Offender(
        span_id=span.span_id,
        service=service_name(span),
        name=span.name,
        start_offset_ns=span.start_ns - facts.first_start_ns if timed and facts.first_start_ns is not None else None,
        duration_ns=span.end_ns - span.start_ns if timed else None,
        attributes=evidence(span, text, keyring),
    )


def _comparison(comparison: Comparison) -> ComparedValues:
    return ComparedValues(text=comparison.text, left=comparison.left, right=comparison.right, margin=comparison.margin)


def service_name(span: Span) -> str:
    """Return the span's `service.name`, or the empty string where it is missing or no string."""
    name = span.resource.attributes.get("service.name")
    return name if isinstance(name, str) else ""


def evidence(span: Span, text: RuleText, keyring: Keyring = NO_KEYS) -> dict[str, JsonValue]:
    """Return the attributes of an offender that its rule lets out: those declared as evidence, redacted as the rule says.

    A name is looked up as in a rule: on the span, then on its resource; `span.` and `resource.` name one of them. `redact: mask` shows
    `***`, `drop` leaves the attribute out, `hash` shows a keyed hash, and without a key leaves it out.
    """
    redact = {_key(name): how for name, how in text.redact}
    shown: dict[str, JsonValue] = {}
    for name in text.evidence:
        value, how = attribute(span, name), redact.get(_key(name))
        if value is None or how == "drop":
            continue
        plain = bounded(json_value(cast("SpanAttributeValue", value)))
        redacted: JsonValue = plain if how is None else MASK if how == "mask" else keyring.hashed(plain)
        if redacted is not None:
            shown[name] = redacted
    return shown


def _key(name: str) -> str:
    """Return the name without its scope, so that a redaction meets the attribute however the evidence names it."""
    scope, _, key = name.partition(".")
    return key if scope in _SCOPES and key else name


def attribute(span: Span, name: str) -> AttributeValue | None:
    """Return the value a name has on a span: its own attribute, else its resource's; None where it is missing."""
    for own in (span.attributes, span.resource.attributes):
        if name in own:
            return own[name]
    scope, _, key = name.partition(".")
    if scope == "span":
        return span.attributes.get(key)
    if scope == "resource":
        return span.resource.attributes.get(key)
    return None
