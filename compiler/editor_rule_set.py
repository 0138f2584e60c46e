"""What is wrong with rules of an editor's files beside each other: ids that are there twice, and rules that another one makes needless.

What is said of two rules of different files is said in both: which one has to go is for their author to say.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from compiler.diagnostics import Code, Diagnostic
from compiler.editor_check import Checked, CheckedRule
from compiler.lint_rule_set import RuleMeaning, needless, warning_of
from compiler.source import Region


def duplicates_of(name: str, files: Iterable[tuple[str, Checked]]) -> list[Diagnostic]:
    """Report each rule of a file whose id another rule of the set has, in this file or another; the first of its file stands."""
    own: list[CheckedRule] = []
    others: dict[str, Region] = {}
    for file, checked in files:
        if file == name:
            own = [rule for rule in checked.rules if rule.text.id]
            continue
        for rule in checked.rules:
            others.setdefault(rule.text.id, rule.region)
    found, first = [], dict[str, CheckedRule]()
    for rule in own:
        earlier = first.setdefault(rule.text.id, rule)
        place = others.get(rule.text.id) if earlier is rule else earlier.region
        if place is not None:
            found.append(Diagnostic(Code.DUPLICATE_ID, rule.region, f"there is a rule `{rule.text.id}` already, at {place}"))
    return found


@dataclass(frozen=True, slots=True)
class NeedlessRule:
    """What is said of a rule for as long as it means what it meant when it was compared."""

    meaning: RuleMeaning
    warning: Diagnostic


def compare_rules(files: Iterable[Checked]) -> dict[str, NeedlessRule]:
    """Return, by their ids, the rules that another one makes needless.

    Rules that mean nothing and rules whose id an earlier one has are left out. The others are compared all the same, which the compiler
    does not do: while a rule is written it is wrong most of the time.
    """
    first: dict[str, CheckedRule] = {}
    for checked in files:
        for rule in checked.rules:
            first.setdefault(rule.text.id, rule)
    pairs = [(rule, rule.meaning) for rule in first.values() if rule.text.id and rule.meaning is not None]
    found: dict[str, NeedlessRule] = {}
    for one in needless([meaning for _, meaning in pairs]):
        (rule, meaning), (other, others) = pairs[one.at], pairs[one.by]
        found[meaning.id] = NeedlessRule(meaning, warning_of(one.code, rule.region, other.text.id, other.region))
        if one.code is Code.DUPLICATE_RULE and rule.region.file != other.region.file:
            found.setdefault(others.id, NeedlessRule(others, warning_of(one.code, other.region, rule.text.id, rule.region)))
    return found


def needless_of(checked: Checked, compared: Mapping[str, NeedlessRule]) -> Iterator[Diagnostic]:
    """Yield what was found of the rules of a file, where they are now; nothing of rules that have changed since."""
    if compared:
        for rule in checked.rules:
            one = compared.get(rule.text.id)
            if one is not None and rule.meaning == one.meaning:
                yield replace(one.warning, region=rule.region)
