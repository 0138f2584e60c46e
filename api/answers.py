"""The shapes of every answer, as OpenAPI describes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field

from api.health import Check, CheckState
from compiler import diagnostic_json
from topics.rfc3339 import format_ns
from topics.violation import RuleMode, RuleSeverity, Text, Violation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from api.rule_files import LoadedRules
    from compiler import Diagnostic, Rule, RuleException

PROBLEM_TYPE = "urn:betrace:problem:"


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, json_schema_serialization_defaults_required=True)


class Fault(_Answer):
    """One thing that is wrong with a request, and where."""

    place: Annotated[Text, Field(description="The parameter, as `query.limit`.")]
    detail: Text


class Problem(_Answer):
    """What went wrong, as RFC 9457 has it (`application/problem+json`)."""

    type: Annotated[str, Field(description="Names the kind of problem; `about:blank`: the status says it all.")] = "about:blank"
    title: str
    status: int
    detail: Text
    instance: Annotated[Text, Field(description="The path that was asked for.")]
    errors: Annotated[tuple[Fault, ...] | None, Field(description="What is wrong with the request.")] = None
    checks: Annotated[tuple[Check, ...] | None, Field(description="For readiness: every check.")] = None


class ViolationPage(_Answer):
    """Violations, newest first."""

    items: tuple[Violation, ...]
    next: Annotated[str | None, Field(description="`cursor` of the next page; null on the last one.")]


class Readiness(_Answer):
    """The service can do its work; every check with its reason."""

    status: Annotated[CheckState, Field(description="`degraded` where a check is.")]
    checks: tuple[Check, ...]


class Liveness(_Answer):
    """The process runs."""

    status: CheckState


class ShownException(_Answer):
    """A condition under which a violation is excused."""

    name: str
    when: str
    owner: str
    reason: str
    expires_at: Annotated[str | None, Field(description="First moment after its last day; null: never.")]

    @classmethod
    def of(cls, it: RuleException) -> Self:
        """Return the exception as it is shown."""
        expires = None if it.expires_ns is None else format_ns(it.expires_ns)
        return cls(name=it.name, when=it.when_text, owner=it.owner, reason=it.reason, expires_at=expires)


class TraceState(_Answer):
    """What a trace must remember for the rule."""

    bits: int
    counters: int
    captured_rows: int


class ShownReport(_Answer):
    """What the compiler tells of the rule."""

    demand: Annotated[tuple[str, ...], Field(description="Every field the rule reads: the privacy statement.")]
    rule_class: Annotated[str, Field(description="When the earliest verdict can be decided.")]
    state: TraceState


class ShownDiagnostic(_Answer):
    """Something the compiler says of a place in a rule file."""

    code: str
    severity: Annotated[str, Field(description="`error` or `warning`.")]
    file: Text
    line: Annotated[int, Field(description="Counts from 1.")]
    column: Annotated[int, Field(description="Counts from 1, in code points.")]
    length: int
    message: Text
    hint: Text

    @classmethod
    def of(cls, it: Diagnostic) -> Self:
        """Return the diagnostic as it is shown."""
        return cls(**diagnostic_json(it))


class RuleSource(_Answer):
    """Where the rule is written; counted from 1."""

    file: Text
    line: int
    column: int


class ShownRule(_Answer):
    """A rule: its text, its metadata and what the compiler says of it."""

    id: str
    version: str
    rule: Annotated[str, Field(description="The rule's text.")]
    name: str
    description: str
    severity: RuleSeverity
    enabled: bool
    mode: RuleMode
    owner: str
    runbook: str
    requires: str
    tags: tuple[str, ...]
    controls: tuple[str, ...]
    replaces: tuple[str, ...]
    evidence: tuple[str, ...]
    redact: dict[str, str]
    exceptions: tuple[ShownException, ...]
    test_count: int
    report: ShownReport
    source: RuleSource
    diagnostics: tuple[ShownDiagnostic, ...]

    @classmethod
    def of(cls, rule: Rule, diagnostics: Sequence[Diagnostic]) -> Self:
        """Return the rule as it is shown."""
        text, report, region = rule.text, rule.report, rule.region
        return cls(
            id=rule.id,
            version=rule.version,
            rule=text.rule,
            name=text.name,
            description=text.description,
            severity=RuleSeverity(text.severity),
            enabled=text.enabled,
            mode=RuleMode(text.mode),
            owner=text.owner,
            runbook=text.runbook,
            requires=text.requires,
            tags=text.tags,
            controls=text.controls,
            replaces=text.replaces,
            evidence=text.evidence,
            redact=dict(text.redact),
            exceptions=tuple(map(ShownException.of, rule.exceptions)),
            test_count=len(rule.tests),
            report=ShownReport(
                demand=report.demand,
                rule_class=report.rule_class.value,
                state=TraceState(bits=report.state.bits, counters=report.state.counters, captured_rows=report.state.captured_rows),
            ),
            source=RuleSource(file=region.file, line=region.line, column=region.column),
            diagnostics=tuple(map(ShownDiagnostic.of, diagnostics)),
        )


class RuleList(_Answer):
    """The rules of the directory: those of the last set that compiled, and what the compiler says of the files as they are now."""

    state: Annotated[str, Field(description="`compiled`, or `refused`: then `items` are the set before.", pattern="^(compiled|refused)$")]
    fingerprint: Annotated[str | None, Field(description="Names the set shown; null where none has compiled yet.")]
    problem: Annotated[Text | None, Field(description="Why the files cannot be read; null where they can.")]
    items: tuple[ShownRule, ...]
    diagnostics: tuple[ShownDiagnostic, ...]

    @classmethod
    def of(cls, loaded: LoadedRules) -> Self:
        """Return the list as it is shown."""
        found = loaded.diagnostics_by_rule()
        return cls(
            state="compiled" if loaded.is_compiled else "refused",
            fingerprint=loaded.rule_set.fingerprint if loaded.rule_set else None,
            problem=loaded.problem or None,
            items=tuple(ShownRule.of(rule, found.get(rule.id, ())) for rule in loaded.rules),
            diagnostics=tuple(map(ShownDiagnostic.of, loaded.diagnostics)),
        )


def problem_body(problem: Problem) -> dict[str, Any]:
    """Return a problem as JSON-ready data; members that say nothing are left out."""
    return problem.model_dump(mode="json", exclude_none=True)
