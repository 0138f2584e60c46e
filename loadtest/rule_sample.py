"""Rule sets that load and fire: drawn, judged by the reference engine on a sample, kept where a trace of the sample violates them."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from compiler import RuleSet, SourceFile, Verdict
from loadtest.candidates import reference_verdicts
from loadtest.corpora.corpus import Corpus
from loadtest.measured import Verdicts
from loadtest.rule_writing import compiled, rule_file

_DRAWS_PER_RULE_MAX = 8


class RulesDoNotFireError(Exception):
    """No trace violates the rules, or too few of them: a measurement of rules that do nothing would say nothing."""


@dataclass(frozen=True, slots=True)
class RuleSample:
    """A rule set, by rule id the fraction of the sample's traces that violate it, and its files where somebody else is to read them."""

    name: str
    rule_set: RuleSet
    violated: dict[str, float]
    sources: tuple[SourceFile, ...] = ()

    @property
    def fired(self) -> int:
        """How many rules at least one trace violates."""
        return sum(share > 0 for share in self.violated.values())

    def as_json(self) -> dict[str, object]:
        """Return what is printed of the rules: how many, how many fired, on what fraction of the traces each."""
        return {"name": self.name, "rules": len(self.violated), "fired": self.fired, "violated": self.violated}


def sampled(name: str, rule_set: RuleSet, sample: Corpus, sources: Sequence[SourceFile] = ()) -> RuleSample:
    """Return a rule set with what it does on a sample; raises RulesDoNotFireError where that is nothing."""
    found = RuleSample(name, rule_set, violated_share(rule_set, _reference_verdicts(rule_set, sample)), tuple(sources))
    if not found.fired:
        raise RulesDoNotFireError(f"{name}: none of its {len(found.violated)} rules is violated by a trace")
    return found


def firing(name: str, texts: Iterator[str], count: int, sample: Corpus, share_max: float = 1.0) -> RuleSample:
    """Return the first `count` drawn rules that a trace of the sample violates, none of them more than this share of the traces.

    Raises RulesDoNotFireError where there are too few.
    """
    kept: list[str] = []
    prefix = name.replace(" ", "-")
    left = round(count * _DRAWS_PER_RULE_MAX / share_max)
    while len(kept) < count and left > 0:
        drawn = list(islice(texts, min(left, count * 2)))
        if not drawn:
            break
        left -= len(drawn)
        rule_set = compiled([rule_file(drawn, prefix)])
        shares = violated_share(rule_set, _reference_verdicts(rule_set, sample))
        kept += [text for text, share in zip(drawn, shares.values(), strict=True) if 0 < share <= share_max]
    if len(kept) < count:
        raise RulesDoNotFireError(f"{name}: of all rules drawn only {len(kept)} are violated by a trace, {count} are needed")
    source = rule_file(kept[:count], prefix)
    return sampled(name, compiled([source]), sample, [source])


def _reference_verdicts(rule_set: RuleSet, corpus: Corpus) -> Verdicts:
    return reference_verdicts(rule_set, corpus.survey(sys.maxsize).sample)


def violated_share(rule_set: RuleSet, verdicts: Verdicts) -> dict[str, float]:
    """Return the fraction of traces that violate each enabled rule, by its id, in the order of the set."""
    counts: Counter[int] = Counter()
    for of_trace in verdicts.values():
        counts.update(number for number, verdict in enumerate(of_trace) if verdict is Verdict.VIOLATED)
    return {rule.id: round(counts[number] / max(1, len(verdicts)), 4) for number, rule in enumerate(rule_set.enabled)}
