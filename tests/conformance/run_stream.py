"""Run the corpus `stream/`: timed arrivals through the flow's own core, as the tests of rule files are run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from processor.rule_tests import run_rule_test
from tests.conformance.run_judge import compiled

if TYPE_CHECKING:
    from collections.abc import Mapping

    from processor.engines import EngineMaker
    from processor.rule_tests import RuleTestOutcome
    from tests.conformance.case import StreamCase


def run_stream(case: StreamCase, make_engine: EngineMaker) -> list[str]:
    """Return what is wrong: every rule of the case carries its expectation as a test of its own."""
    rule_set = compiled(case.let, [with_test(case, entry) for entry in case.entries()])
    if isinstance(rule_set, list):
        return rule_set
    outcomes = [run_rule_test(rule, test, make_engine) for rule in rule_set.rules for test in rule.tests]
    return [problem for outcome in outcomes for problem in _problems(outcome)]


def with_test(case: StreamCase, entry: Mapping[str, object]) -> dict[str, object]:
    """Return the entry of a rule with the case as its test."""
    test = {"name": case.name, "trace": case.trace, "expect": case.expectation_of(str(entry["id"]))}
    optional = {"close": case.close, "offenders": None if case.offenders is None else list(case.offenders)}
    return {**entry, "tests": [{**test, **{key: value for key, value in optional.items() if value is not None}}]}


def _problems(outcome: RuleTestOutcome) -> list[str]:
    problems = []
    if outcome.actual != outcome.test.expect:
        problems.append(f"{outcome.rule.id}: expected {outcome.test.expect}, got {outcome.actual}")
    if not outcome.offenders_as_expected:
        problems.append(f"{outcome.rule.id}: expected offenders {outcome.test.offenders}, got {outcome.offenders}")
    return problems
