"""What the tests of a rule reach of it: every verdict, every clause's failure, every condition both ways (compiler/coverage.py)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from compiler.coverage import Coverage
from compiler.verdict import Closing, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from compiler.rule_set import Rule
    from processor.rule_tests import RuleTestOutcome


@dataclass(frozen=True, slots=True)
class RuleCoverage:
    """How much of a rule its tests reach: of `total` things all but `missing`, each a sentence."""

    rule: Rule
    total: int
    missing: tuple[str, ...]

    @property
    def percent(self) -> float:
        """The share that is reached."""
        return 100.0 * (self.total - len(self.missing)) / self.total


def rule_coverage(rule: Rule, outcomes: Sequence[RuleTestOutcome]) -> RuleCoverage:
    """Return what the tests of a rule, which have been run, reach of it."""
    coverage = Coverage(rule.program, tuple((one.name, one.formula) for one in rule.exceptions))
    for outcome in outcomes:
        coverage.observe(outcome.view, is_open=outcome.closing is not Closing.COMPLETE)
    verdicts, clauses = dict(_verdicts(rule, outcomes)), dict(_clauses(rule, outcomes))
    missing = [f"no test expects `{verdict}`" for verdict, is_reached in verdicts.items() if not is_reached]
    missing += [f"no violation by `{word}` alone or with others" for word, is_reached in clauses.items() if not is_reached]
    points = coverage.points
    missing += [f"{point.place}: `{point.text}` is never {_word(truth)}" for point in points for truth in point.missing]
    return RuleCoverage(rule, len(verdicts) + len(clauses) + 2 * len(points), tuple(missing))


def _word(truth: bool) -> str:  # noqa: FBT001  # a truth
    return "true" if truth else "false"


def _verdicts(rule: Rule, outcomes: Sequence[RuleTestOutcome]) -> Iterator[tuple[Verdict, bool]]:
    words = {word for outcome in outcomes for word in _words(outcome)}
    program = rule.program
    yield Verdict.VIOLATED, Verdict.VIOLATED in words
    yield Verdict.SATISFIED, Verdict.SATISFIED in words
    if program.when is not None or program.for_each is not None:
        yield Verdict.NOT_APPLICABLE, Verdict.NOT_APPLICABLE in words
    if rule.exceptions:
        yield Verdict.EXCUSED, Verdict.EXCUSED in words


def _words(outcome: RuleTestOutcome) -> set[str]:
    return set(outcome.actual.values()) if isinstance(outcome.actual, Mapping) else {outcome.actual}


def _clauses(rule: Rule, outcomes: Sequence[RuleTestOutcome]) -> Iterator[tuple[str, bool]]:
    failed = {word for outcome in outcomes if outcome.judgement is not None for word in outcome.judgement.clauses}
    if rule.program.always is not None and rule.program.never is not None:
        yield from ((word, word in failed) for word in ("always", "never"))
