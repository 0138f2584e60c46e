"""`betrace rules`: check rule files and run their tests; its further commands have files of their own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from cli.lazy_commands import LazyCommands
from cli.rule_files import USAGE, accepted_or_exit, compile_files, count_of, load_sources, show_diagnostics
from cli.rule_shares import coverage_json, coverage_text
from cli.rule_test_text import outcome_json, outcome_text
from cli.rule_test_updates import update
from cli.rules_arguments import OUTPUT, PATHS, PERCENT
from cli.shown_text import shown_json, some_lines
from compiler import Compilation, Rule, RuleSet, Severity, SourceFile, diagnostic_json, rule_file_schema_text
from processor.rule_coverage import RuleCoverage, rule_coverage
from processor.rule_tests import RuleTestOutcome, run_rule_tests

_COMMANDS = {
    "apply": ("cli.rules_apply_command", "apply"),
    "diff": ("cli.rules_diff_command", "diff"),
    "explain": ("cli.rules_explain_command", "explain_rules"),
    "format": ("cli.rules_format_command", "format_rules"),
    "from-trace": ("cli.rules_draft_commands", "from_trace"),
    "import": ("cli.rules_import_command", "import_rules"),
    "init": ("cli.rules_draft_commands", "init"),
    "library": ("cli.library_command", "library"),
    "list": ("cli.rules_list_command", "list_rules"),
    "mutate": ("cli.rules_mutate_command", "mutate"),
}


class _RulesCommands(LazyCommands):
    LAZY = _COMMANDS


@click.group(cls=_RulesCommands)
def rules() -> None:
    """Check, list, explain and format rule files, run their tests, and put them in force."""


@rules.command("check")
@PATHS
@OUTPUT
@click.option("--report", is_flag=True, help="Also say of each rule what it reads, when it decides and what state it needs.")
def check(paths: Sequence[Path], output: str, report: bool) -> None:  # noqa: FBT001  # a flag of the command line
    """Check the rule files of PATH (files or directories).

    Exit status: 0 no error, 1 an error, 2 nothing to read.
    """
    sources = load_sources(paths)
    compilation = compile_files(sources)
    if output == "json":
        click.echo(shown_json(_check_json(compilation)))
    else:
        show_diagnostics(compilation.diagnostics, sources, err=False)
        if report and compilation.rule_set is not None:
            for rule in compilation.rule_set.rules:
                click.echo(some_lines(_report_text(rule)))
        click.echo(_summary(compilation))
    raise SystemExit(1 if compilation.errors else 0)


def _summary(compilation: Compilation) -> str:
    errors = len(compilation.errors)
    warnings = sum(found.severity is Severity.WARNING for found in compilation.diagnostics)
    counted = f"{count_of(errors, 'error')}, {count_of(warnings, 'warning')}"
    if compilation.rule_set is None:
        return f"refused: {counted}"
    return f"{count_of(len(compilation.rule_set.rules), 'rule')} checked, {counted}"


def _report_text(rule: Rule) -> str:
    state = rule.report.state
    bits, counters = count_of(state.bits, "bit"), count_of(state.counters, "counter")
    captured = count_of(state.captured_rows, "selector")
    return "\n".join(
        (
            f"{rule.id} (version {rule.version})",
            f"  class: {rule.report.rule_class}",
            f"  reads: {', '.join(rule.report.demand) or 'nothing but that spans exist'}",
            f"  state: {bits}, {counters}, {captured} captured as rows",
        )
    )


def _check_json(compilation: Compilation) -> dict[str, object]:
    rule_set = compilation.rule_set
    return {
        "accepted": rule_set is not None,
        "fingerprint": None if rule_set is None else rule_set.fingerprint,
        "rules": [] if rule_set is None else [_rule_json(rule) for rule in rule_set.rules],
        "diagnostics": [diagnostic_json(found) for found in compilation.diagnostics],
    }


def _rule_json(rule: Rule) -> dict[str, object]:
    state = rule.report.state
    return {
        "id": rule.id,
        "version": rule.version,
        "class": rule.report.rule_class.value,
        "demand": list(rule.report.demand),
        "state": {"bits": state.bits, "counters": state.counters, "captured_rows": state.captured_rows},
    }


@rules.command("test")
@PATHS
@OUTPUT
@click.option("--coverage", "is_covered", is_flag=True, help="Also say what of each rule its tests do not reach.")
@click.option("--threshold", type=PERCENT, help="With --coverage: the least share of each rule, in percent, that its tests must reach.")
@click.option("--update", "is_updated", is_flag=True, help="Let failing tests expect what they got, and say of each why it is so.")
def test(  # the options of a command
    paths: Sequence[Path],
    output: str,
    is_covered: bool,  # noqa: FBT001  # a flag of the command line
    threshold: float | None,
    is_updated: bool,  # noqa: FBT001  # as above
) -> None:
    """Run the tests in the rule files of PATH (files or directories).

    Coverage counts verdicts, clauses that fail, and every condition and relation both ways, in the instances that get so far.

    Exit status: 0 all passed or were updated, 1 one failed, or a rule is below the threshold, 2 the rules are refused or there is nothing
    to read.
    """
    if threshold is not None and not is_covered:
        raise click.UsageError("--threshold says how much --coverage must find")
    if is_updated and (output == "json" or is_covered):
        raise click.UsageError("--update is done by itself, and answered as text")
    sources = load_sources(paths)
    rule_set = _accepted_as_json(sources) if output == "json" else accepted_or_exit(sources)
    outcomes = list(run_rule_tests(rule_set.rules))
    failed = [outcome for outcome in outcomes if not outcome.passed]
    if is_updated:
        left = update(sources, failed)
        click.echo(f"{len(failed) - left} updated, {left} left")
        raise SystemExit(1 if left else 0)
    covered = _coverage(rule_set.rules, outcomes) if is_covered else None
    summary = {"passed": len(outcomes) - len(failed), "failed": len(failed)}
    if output == "json":
        body = {**summary, "tests": [outcome_json(outcome) for outcome in outcomes]}
        click.echo(shown_json(body if covered is None else body | {"coverage": coverage_json(covered)}))
    else:
        for outcome in failed:
            click.echo(outcome_text(outcome))
        if covered is not None:
            click.echo(coverage_text(covered))
        click.echo(f"{summary['passed']} passed, {summary['failed']} failed")
    raise SystemExit(1 if failed or any(one.percent < (threshold or 0) for one in covered or ()) else 0)


def _coverage(rules: Sequence[Rule], outcomes: Sequence[RuleTestOutcome]) -> list[RuleCoverage]:
    by_rule: dict[str, list[RuleTestOutcome]] = {rule.id: [] for rule in rules}
    for outcome in outcomes:
        by_rule[outcome.rule.id].append(outcome)
    return [rule_coverage(rule, by_rule[rule.id]) for rule in rules]


def _accepted_as_json(sources: Sequence[SourceFile]) -> RuleSet:
    compilation = compile_files(sources)
    if compilation.rule_set is None:
        refused = {"passed": 0, "failed": 0, "tests": [], "diagnostics": [diagnostic_json(found) for found in compilation.errors]}
        click.echo(shown_json(refused))
        raise SystemExit(USAGE)
    return compilation.rule_set


@rules.command("schema")
def schema() -> None:
    """Print the JSON Schema of rule files, by which editors check and complete them.

    Put it beside the rules and begin a file with the line: # yaml-language-server: $schema=rule-file.schema.json
    """
    click.echo(rule_file_schema_text())
