"""`betrace rules test --update`: failing tests expect what they got, where that can be explained."""

from __future__ import annotations

from collections.abc import Sequence

import click

from cli.rule_files import rewrite_or_exit
from cli.rule_test_text import outcome_text
from compiler import SourceFile, compile_sources
from compiler.test_expectations import Expectation, with_expectations
from processor.rule_tests import RuleTestOutcome, run_rule_test


def update(sources: Sequence[SourceFile], failed: Sequence[RuleTestOutcome]) -> int:
    """Rewrite the expectations of failing tests and say of each why it is so; return how many are left as they were.

    Left is a test that has no expectation of its own, whose trace nobody remembers at its end, and a file that would not pass then.
    """
    left = 0
    for source in sources:
        outcomes = [outcome for outcome in failed if outcome.test.region.file == source.name]
        if not outcomes:
            continue
        explained = [outcome for outcome in outcomes if outcome.closing is not None]
        wanted = {one.test.region: Expectation(one.actual, one.offenders) for one in explained}
        changed, unwritten = with_expectations(source, wanted)
        written = [one for one in explained if one.test.region not in unwritten]
        if not _pass(changed, {(one.rule.id, one.test.name) for one in written}):
            written = []
        if written:
            rewrite_or_exit(source, changed.content)
        left += len(outcomes) - len(written)
        for outcome in outcomes:
            click.echo(("UPDATED" if outcome in written else "LEFT") + outcome_text(outcome).removeprefix("FAILED"))
    return left


def _pass(source: SourceFile, named: set[tuple[str, str]]) -> bool:
    """Whether these tests, by rule and name, pass in a changed file."""
    rule_set = compile_sources([source]).rule_set
    if rule_set is None:
        return False
    tests = ((rule, test) for rule in rule_set.rules for test in rule.tests if (rule.id, test.name) in named)
    return all(run_rule_test(rule, test).passed for rule, test in tests)
