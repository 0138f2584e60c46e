"""Rules of files, or of a set on the rules topic, as they are compared and written."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from compiler import RuleText, SourceFile, compile_sources, rule_texts
from processor.made_programs import OfferedSet
from topics.rule_changes import GivenRule
from topics.rule_records import RuleMetadata, RuleState
from topics.violation import RuleSeverity

if TYPE_CHECKING:
    from compiler import RuleSet
    from topics.rule_records import RuleSetRecord


def given_rules(sources: Iterable[SourceFile], rule_set: RuleSet) -> dict[str, GivenRule]:
    """Return the rules of a set by id; `rule_set` is what `sources` compile to, its versions are hashes."""
    texts = {rule_id: text for source in sources for rule_id, text in rule_texts(source).items()}
    return {rule.id: GivenRule(rule.id, texts[rule.id], rule.version, _state(rule.text), _metadata(rule.text)) for rule in rule_set.rules}


def rules_of(record: RuleSetRecord | None) -> dict[str, GivenRule]:
    """Return the rules of a set on the topic; none where it does not compile here."""
    if record is None:
        return {}
    sources = OfferedSet.of_record(record).sources
    rule_set = compile_sources(sources).rule_set
    return {} if rule_set is None else given_rules(sources, rule_set)


def _state(text: RuleText) -> RuleState:
    if not text.enabled:
        return RuleState.DISABLED
    return RuleState.SHADOW if text.mode == "shadow" else RuleState.ACTIVE


def _metadata(text: RuleText) -> RuleMetadata:
    return RuleMetadata(
        name=text.name,
        description=text.description,
        severity=RuleSeverity(text.severity),
        owner=text.owner,
        runbook=text.runbook,
        tags=text.tags,
        controls=text.controls,
    )
