"""What a version and a fingerprint say: the same ones stand for the same rules, in every process and at every time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from compiler.rule_set import RuleSet

if TYPE_CHECKING:
    from compiler.rule_set import Rule

_VERSION_DIGITS = 12
_FINGERPRINT_DIGITS = 16


def version_of(canonical_text: str) -> str:
    """Return the version of a rule that has no counter."""
    return _hash(canonical_text, _VERSION_DIGITS)


def fingerprint_of(rules: Iterable[Rule], counters: Mapping[str, int] | None = None) -> str:
    """Return the fingerprint of rules whose versions are hashes; `counters` are the versions that some of them have besides.

    A counter alone would not do: on a rules topic that was made anew it counts from 1 again.
    """
    given = {} if counters is None else counters
    lines = [
        " ".join((rule.id, rule.version, str(given[rule.id]))) if rule.id in given else f"{rule.id} {rule.version}"
        for rule in rules
        if rule.text.enabled
    ]
    return _hash("\n".join(lines), _FINGERPRINT_DIGITS)


def with_versions(rule_set: RuleSet, versions: Mapping[str, int]) -> RuleSet:
    """Return a rule set, as `compile_sources` made it, whose rules have these counters for versions.

    A rule without a counter keeps the hash of its text; counters of rules that are not in the set say nothing.
    """
    rules = tuple(replace(rule, version=str(versions[rule.id])) if rule.id in versions else rule for rule in rule_set.rules)
    return RuleSet(rules, fingerprint_of(rule_set.rules, versions))


def _hash(text: str, digits: int) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:digits]
