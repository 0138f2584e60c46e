"""A compiled rule set: what the rest of the house sees of rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from compiler.diagnostics import Diagnostic, Severity
from compiler.source import Region

if TYPE_CHECKING:
    from compiler import ir
    from compiler.notation import TestTrace
    from compiler.report import RuleReport


@dataclass(frozen=True, slots=True)
class RuleException:
    """A condition under which a violation is excused; `expires_ns` is the first unix nanosecond after its last day (UTC), None: never."""

    name: str
    when_text: str
    formula: ir.Formula
    owner: str
    reason: str
    expires_ns: int | None


@dataclass(frozen=True, slots=True)
class RuleTest:
    """A test of a rule file (rule-language.md section 10).

    `expect` is a verdict's word, or moments in nanoseconds with the word expected then (a timed test). `offenders` are span names, None
    where the test does not say. `close` is a close reason.
    """

    name: str
    trace: TestTrace
    expect: str | Mapping[int, str]
    offenders: tuple[str, ...] | None
    close: str
    region: Region

    @property
    def is_timed(self) -> bool:
        """Timed tests play arrivals against marks; others judge the whole trace once."""
        return not isinstance(self.expect, str) or any(line.arrives_ns for line in self.trace.lines)


@dataclass(frozen=True, slots=True)
class RuleText:
    """What the author wrote beside the rule's text: metadata, in the words of rule-language.md section 1."""

    id: str
    rule: str
    name: str = ""
    description: str = ""
    severity: str = "medium"
    enabled: bool = True
    mode: str = "enforce"
    owner: str = ""
    runbook: str = ""
    tags: tuple[str, ...] = ()
    controls: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()
    requires: str = "any"
    evidence: tuple[str, ...] = ()
    redact: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule, checked and lowered. `version` is 12 hex digits over its canonical text and metadata, or a counter.

    `clauses` maps `always` and `never` to the clause as its author wrote it, on one line.
    """

    text: RuleText
    program: ir.Rule
    clauses: Mapping[str, str]
    exceptions: tuple[RuleException, ...]
    tests: tuple[RuleTest, ...]
    report: RuleReport
    version: str
    region: Region

    @property
    def id(self) -> str:
        """The rule's id, unique in its set."""
        return self.text.id

    def compares_durations(self, comparison: str) -> bool:
        """Say whether the values of a comparison, by its text, are durations or times in nanoseconds."""
        return comparison in self.report.duration_comparisons


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Rules that are in force together, in file order; `rules` holds disabled ones too, `enabled` does not."""

    rules: tuple[Rule, ...]
    fingerprint: str

    @property
    def enabled(self) -> tuple[Rule, ...]:
        """The rules that judge."""
        return tuple(rule for rule in self.rules if rule.text.enabled)

    def __getitem__(self, rule_id: str) -> Rule:
        """Return a rule by id; KeyError where there is none."""
        for rule in self.rules:
            if rule.id == rule_id:
                return rule
        raise KeyError(rule_id)


@dataclass(frozen=True, slots=True)
class Compilation:
    """The outcome of compiling rule files: a rule set unless there is an error (a set is refused whole), and every diagnostic."""

    rule_set: RuleSet | None
    diagnostics: tuple[Diagnostic, ...]

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        """The diagnostics that refuse the set."""
        return tuple(found for found in self.diagnostics if found.severity is Severity.ERROR)
