"""No figure without agreement: a run whose verdicts differ from the reference engine's is not a result."""

from __future__ import annotations

from compiler import RuleSet
from loadtest.candidates import Candidate, Verdicts
from loadtest.comparisons import Comparison
from loadtest.corpora.corpus import Corpus
from loadtest.rule_sample import reference_verdicts
from topics.otlp import decode_protobuf


class DisagreementError(Exception):
    """Two that read the same bytes do not say the same; the text says where."""


def check_verdicts(candidate: Candidate, rule_set: RuleSet, corpus: Corpus) -> None:
    """Raise DisagreementError unless the candidate says of every trace and rule what the reference engine says."""
    judge = candidate.start(rule_set)
    judge.judge(corpus.records)
    where = f"{candidate.name} on {corpus.name}, {corpus.form}, {corpus.layout}"
    check_equal(where, rule_set, reference_verdicts(rule_set, corpus), judge.verdicts())


def check_equal(where: str, rule_set: RuleSet, expected: Verdicts, found: Verdicts) -> None:
    """Raise DisagreementError at the first trace and rule whose verdicts differ."""
    if expected.keys() != found.keys():
        missing, extra = len(expected.keys() - found.keys()), len(found.keys() - expected.keys())
        raise DisagreementError(f"{where}: {missing} traces have no verdicts, {extra} are unknown")
    ids = [rule.id for rule in rule_set.enabled]
    for trace_id, verdicts in expected.items():
        if len(found[trace_id]) != len(ids):
            raise DisagreementError(f"{where}: trace {trace_id} has {len(found[trace_id])} verdicts for {len(ids)} rules")
        for rule_id, right, said in zip(ids, verdicts, found[trace_id], strict=True):
            if right is not said:
                raise DisagreementError(f"{where}: of trace {trace_id} rule {rule_id} says {said}, the reference engine {right}")


def check_span_count(comparison: Comparison, corpus: Corpus) -> None:
    """Raise DisagreementError unless the comparison finds as many spans in a corpus as the product does."""
    expected = sum(len(decode_protobuf(record).spans) for record in corpus.records)
    if (found := comparison.run()) != expected:
        raise DisagreementError(f"{comparison.name} finds {found} spans in {corpus.name}, {corpus.layout}; there are {expected}")
