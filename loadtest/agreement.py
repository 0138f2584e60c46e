"""No figure without agreement: a run whose verdicts differ from the reference engine's is not a result."""

from __future__ import annotations

from compiler import RuleSet
from loadtest.candidates import reference_verdicts
from loadtest.comparisons import Comparison
from loadtest.corpora.corpus import Facts, Survey
from loadtest.measured import Verdicts


class DisagreementError(Exception):
    """Two that read the same bytes do not say the same; the text says where."""


def check_verdicts(where: str, rule_set: RuleSet, survey: Survey, found: Verdicts) -> None:
    """Raise DisagreementError unless every trace of a corpus has verdicts, those of its sampled traces being the reference engine's."""
    missing, unknown = len(survey.trace_ids - found.keys()), len(found.keys() - survey.trace_ids)
    if missing or unknown:
        raise DisagreementError(f"{where}: {missing} traces have no verdicts, {unknown} are unknown")
    check_equal(where, rule_set, reference_verdicts(rule_set, survey.sample), found)


def check_equal(where: str, rule_set: RuleSet, expected: Verdicts, found: Verdicts) -> None:
    """Raise DisagreementError at the first of the expected traces, and its first rule, whose verdict is another."""
    ids = [rule.id for rule in rule_set.enabled]
    for trace_id, verdicts in expected.items():
        said = found.get(trace_id, ())
        if len(said) != len(ids):
            raise DisagreementError(f"{where}: trace {trace_id} has {len(said)} verdicts for {len(ids)} rules")
        for rule_id, right, one in zip(ids, verdicts, said, strict=True):
            if right is not one:
                raise DisagreementError(f"{where}: of trace {trace_id} rule {rule_id} says {one}, expected is {right}")


def check_span_count(comparison: Comparison, facts: Facts) -> None:
    """Raise DisagreementError unless the comparison finds as many spans in a corpus as the product does."""
    if (found := comparison.run()) != facts.span_count:
        raise DisagreementError(f"{comparison.name} finds {found} spans in {facts.name}, {facts.layout}; there are {facts.span_count}")
