"""Verdicts to violation records (topics/violation.py)."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, cast

from compiler.trace import has_times
from compiler.verdict import Closing, Verdict
from processor.closing import completeness
from processor.keyring import NO_KEYS
from topics.rfc3339 import format_ns
from topics.violation import (
    SERVICE_COUNT_MAX,
    RuleMode,
    RuleSeverity,
    SaidVerdict,
    ViolatedRule,
    bounded,
    json_value,
    shown_text,
    violation_id,
)
from topics.written_violation import ViolationBody, exact, members

if TYPE_CHECKING:
    from pydantic import JsonValue

    from compiler.rule_set import Rule, RuleText
    from compiler.trace import AttributeValue, Span
    from compiler.verdict import Comparison, Judgement
    from processor.keyring import Keyring
    from processor.open_trace import OpenTrace
    from processor.trace_engine import TraceFacts
    from topics.span import AttributeValue as SpanAttributeValue
    from topics.violation import Change
    from topics.written_violation import Part, WrittenViolation

MASK = "***"
_SCOPES = frozenset({"span", "resource"})
# Of how many rules it is remembered what their evidence is, and of how many sets of services how they are shown.
_REMEMBERED_MAX = 1024


class RecordMaker(NamedTuple):
    """All that one violation record is made of, but its revision; `rule_part` and `judged_part` are shared with others."""

    rule: Rule
    rule_part: bytes
    judged_part: bytes
    judgement: Judgement
    facts: TraceFacts
    trace: OpenTrace
    decided_ns: int
    keyring: Keyring

    def body(self) -> ViolationBody:
        """Return what the record says; equal inputs give equal bytes."""
        trace, rule, judgement = self.trace, self.rule, self.judgement
        identity = violation_id(rule.id, rule.version, trace.trace_id, trace.log.partition, trace.first_offset)
        return ViolationBody(
            identity,
            trace.trace_id,
            failed=members(clauses=[*judgement.clauses], comparisons=[_comparison(one) for one in judgement.comparisons]),
            found=members(
                early=trace.close_reason is None,
                id=identity,
                input={
                    "topic": shown_text(trace.log.topic),
                    "partition": trace.log.partition,
                    "first_offset": trace.first_offset,
                    "last_offset": trace.last_offset,
                },
                offender_count=judgement.offender_count,
                offenders=[_offender(span, rule.text, self.facts, self.keyring) for span in judgement.offenders],
            ),
            rule=self.rule_part,
            judged=b"%b,%b" % (self.judged_part, _VERDICTS[judgement.verdict]),
        )

    def written(self, body: ViolationBody, revision: int, change: Change) -> WrittenViolation:
        """Return a revision of what `body` returned."""
        decided_at = format_ns(self.decided_ns or self.facts.last_end_ns or 0)
        return body.written(revision, change, decided_at, self.keyring.signature)


# Of each verdict that a record can say the last of its members.
_VERDICTS = {Verdict(said.value): members(verdict=said.value) for said in SaidVerdict}


def rule_part(rule: Rule, fingerprint: str) -> bytes:
    """Return what every record of a rule says of it."""
    said = ViolatedRule(
        id=rule.id,
        version=rule.version,
        fingerprint=fingerprint,
        severity=RuleSeverity(rule.text.severity),
        mode=RuleMode(rule.text.mode),
        tags=rule.text.tags,
        controls=rule.text.controls,
    )
    return members(rule=said.model_dump(mode="json"))


def judged_part(trace: OpenTrace, facts: TraceFacts) -> bytes:
    """Return what every record of a trace says of it."""
    return members(
        trace={
            "id": trace.trace_id,
            "root_name": None if facts.root_name is None else shown_text(facts.root_name),
            "root_service": None if facts.root_service is None else shown_text(facts.root_service),
            "services": _shown_services(facts.services),
            "start_time": None if facts.first_start_ns is None else format_ns(facts.first_start_ns),
            "duration_ns": facts.duration_ns,
            "span_count": facts.span_count,
            "close_reason": None if trace.close_reason is None else trace.close_reason.value,
            "complete": completeness(trace) is Closing.COMPLETE,
            "orphan_count": facts.orphan_count,
        }
    )


@lru_cache(_REMEMBERED_MAX)
def _shown_services(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple([shown_text(name) for name in names[:SERVICE_COUNT_MAX]])


def _offender(span: Span, text: RuleText, facts: TraceFacts, keyring: Keyring) -> dict[str, Part]:
    timed = has_times(span)
    return {
        "span_id": span.span_id,
        "service": shown_text(service_name(span)),
        "name": shown_text(span.name),
        "start_offset_ns": span.start_ns - facts.first_start_ns if timed and facts.first_start_ns is not None else None,
        "duration_ns": span.end_ns - span.start_ns if timed else None,
        "attributes": {shown_text(name): exact(value) for name, value in evidence(span, text, keyring).items()},
    }


def _comparison(comparison: Comparison) -> dict[str, Part]:
    return {
        "text": shown_text(comparison.text),
        "left": exact(json_value(comparison.left)),
        "right": exact(json_value(comparison.right)),
        "margin": exact(comparison.margin),
    }


def service_name(span: Span) -> str:
    """Return the span's `service.name`, or the empty string where it is missing or no string."""
    name = span.resource.attributes.get("service.name")
    return name if isinstance(name, str) else ""


def evidence(span: Span, text: RuleText, keyring: Keyring = NO_KEYS) -> dict[str, JsonValue]:
    """Return the attributes of an offender that its rule lets out: those declared as evidence, redacted as the rule says.

    A name is looked up as in a rule: on the span, then on its resource; `span.` and `resource.` name one of them. `redact: mask` shows
    `***`, `drop` leaves the attribute out, `hash` shows a keyed hash, and without a key leaves it out.
    """
    shown: dict[str, JsonValue] = {}
    for name, how in _declared(text.evidence, text.redact):
        value = attribute(span, name)
        if value is None or how == "drop":
            continue
        plain = bounded(json_value(cast("SpanAttributeValue", value)))
        redacted: JsonValue = plain if how is None else MASK if how == "mask" else keyring.hashed(plain)
        if redacted is not None:
            shown[name] = redacted
    return shown


@lru_cache(_REMEMBERED_MAX)
def _declared(names: tuple[str, ...], redact: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str | None], ...]:
    """Return the names of a rule's evidence, each with how it is redacted."""
    how = {_key(name): how for name, how in redact}
    return tuple((name, how.get(_key(name))) for name in names)


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
