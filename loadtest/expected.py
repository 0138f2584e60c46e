"""What the reference engine says of a round of records: which rules each trace violates, when it is complete and while it is open."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from compiler import Closing, ReferenceEngine, RuleSet, Span, TraceView, Verdict
from loadtest.agreement import DisagreementError
from loadtest.loops import Loop
from topics.otlp import decode_protobuf


@dataclass(frozen=True, slots=True)
class Expected:
    """Of each trace of a round, by its number: the ids of the rules that it violates, and of those that it violates already while open.

    `verdicts` counts the verdicts of a round, when its traces are complete, by rule and verdict.
    """

    violated: Mapping[int, frozenset[str]]
    early: Mapping[int, frozenset[str]]
    verdicts: Mapping[tuple[str, str], int]

    @property
    def count(self) -> int:
        """How many violations a round makes."""
        return sum(map(len, self.violated.values()))


def expected_of(rule_set: RuleSet, loop: Loop) -> Expected:
    """Judge a round by the reference engine."""
    engine = ReferenceEngine(rule_set)
    spans: dict[int, list[Span]] = {}
    for piece in loop.pieces:
        spans.setdefault(piece.trace, []).extend(decode_protobuf(piece.value).spans)
    complete = {trace: _judged(engine, rule_set, found, Closing.COMPLETE) for trace, found in spans.items()}
    still_open = {trace: _judged(engine, rule_set, found, Closing.OPEN) for trace, found in spans.items()}
    verdicts = Counter((rule, str(verdict)) for found in complete.values() for rule, verdict in found.items())
    return Expected(_violated(complete), _violated(still_open), verdicts)


def _judged(engine: ReferenceEngine, rule_set: RuleSet, spans: Sequence[Span], closing: Closing) -> dict[str, Verdict]:
    found = engine.judge(TraceView(spans), closing, None)
    return {rule.id: one.verdict for rule, one in zip(rule_set.enabled, found, strict=True)}


def _violated(judged: Mapping[int, Mapping[str, Verdict]]) -> dict[int, frozenset[str]]:
    return {trace: frozenset(rule for rule, one in found.items() if one is Verdict.VIOLATED) for trace, found in judged.items()}


def check_verdict_counts(where: str, metrics: Mapping[str, float], expected: Expected, copy_count: int) -> None:
    """Raise DisagreementError unless a worker's metrics count the verdicts of every rule that its rounds should have."""
    for (rule, verdict), count in expected.verdicts.items():
        found = metrics.get(f'betrace_verdicts_total{{rule="{rule}",verdict="{verdict}"}}', 0)
        if found != count * copy_count:
            raise DisagreementError(f"{where}: rule {rule} was {verdict} {found:.0f} times, expected are {count * copy_count}")


def check_violations(where: str, found: Mapping[tuple[int, int], frozenset[str]], expected: Expected, copy_count: int) -> None:
    """Raise DisagreementError unless each trace of each repetition is said to violate the rules it should, and no others.

    `found` has the ids of rules by the repetition and the number of the trace.
    """
    if not expected.count:
        raise DisagreementError(f"{where}: no rule fires")
    for key, rules in found.items():
        if rules != expected.violated.get(key[1]):
            raise DisagreementError(
                f"{where}: trace {key} violates {sorted(rules)}, expected are {sorted(expected.violated.get(key[1], ()))}"
            )
    wanted = copy_count * sum(bool(rules) for rules in expected.violated.values())
    if len(found) != wanted:
        raise DisagreementError(f"{where}: {len(found)} traces have violations, expected are {wanted}")
