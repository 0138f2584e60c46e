"""`betrace rules mutate`: whether the tests of rules tell them from rules that are wrong in one place."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from cli.rule_files import count_of, fail, no_such_rule, rule_set_or_exit
from cli.rule_shares import mutation_json, mutation_text
from cli.rules_arguments import OUTPUT, PATHS, PERCENT
from cli.shown_text import shown_json
from processor.rule_mutation import rule_mutation
from processor.rule_tests import run_rule_tests


@click.command()
@PATHS
@OUTPUT
@click.option("--rule", "ids", metavar="ID", multiple=True, help="Only this rule; may be repeated.")
@click.option("--threshold", type=PERCENT, help="The least share of each rule's mutants, in percent, that its tests must kill.")
def mutate(paths: Sequence[Path], output: str, ids: Sequence[str], threshold: float | None) -> None:
    """Change the rules of PATH in one place at a time, and show the changes that no test of the rule notices.

    A survivor is a test to write: a trace on which both rules differ. Some are equal in meaning, and stay.

    Exit status: 0 done, 1 a rule is below the threshold, 2 the rules are refused, a test fails, or there is nothing to read.
    """
    rules = rule_set_or_exit(paths).rules
    for unknown in set(ids) - {rule.id for rule in rules}:
        no_such_rule(unknown, [rule.id for rule in rules])
    asked = [rule for rule in rules if not ids or rule.id in ids]
    failed = [outcome for outcome in run_rule_tests(asked) if not outcome.passed]
    if failed:
        names = ", ".join(dict.fromkeys(outcome.rule.id for outcome in failed))
        fail(f"{count_of(len(failed), 'failing test')} as the rules stand, of {names}: see betrace rules test")
    mutated = [rule_mutation(rule) for rule in asked]
    click.echo(shown_json(mutation_json(mutated)) if output == "json" else mutation_text(mutated))
    raise SystemExit(1 if any(one.percent < (threshold or 0) for one in mutated) else 0)
