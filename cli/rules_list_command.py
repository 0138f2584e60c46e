"""`betrace rules list`: the rules of files, one a line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from cli.columns import aligned
from cli.rule_files import rule_set_or_exit
from cli.rules_arguments import OUTPUT, PATHS, SEVERITIES
from cli.shown_text import one_line, shown_json
from compiler import Rule

_COLUMNS: Final = ("id", "severity", "mode", "enabled", "class", "tests", "name")
_NUMBERS: Final = frozenset({_COLUMNS.index("tests")})


@click.command("list")
@PATHS
@OUTPUT
@click.option("--tag", "tags", multiple=True, help="Only rules with this tag; repeated: with one of them.")
@click.option("--severity", "severities", multiple=True, type=SEVERITIES, help="Only rules of this severity; may be repeated.")
@click.option("--control", "controls", multiple=True, help="Only rules of this control (SOC2:CC7.2) or framework (SOC2); may be repeated.")
def list_rules(paths: Sequence[Path], output: str, tags: Sequence[str], severities: Sequence[str], controls: Sequence[str]) -> None:
    """List the rules of PATH (files or directories): id, severity, mode, whether enabled, when decided, tests, name.

    Exit status: 0 listed, also where no rule is left; 2 the rules are refused or there is nothing to read.
    """
    rules = [rule for rule in rule_set_or_exit(paths).rules if _is_asked_for(rule, tags, severities, controls)]
    if output == "json":
        click.echo(shown_json([_row_json(rule) for rule in rules]))
    else:
        for line in aligned([_COLUMNS, *map(_row, rules)], _NUMBERS):
            click.echo(line)


def _is_asked_for(rule: Rule, tags: Sequence[str], severities: Sequence[str], controls: Sequence[str]) -> bool:
    return (
        (not tags or any(tag in rule.text.tags for tag in tags))
        and (not severities or rule.text.severity in severities)
        and (not controls or any(has == asked or has.startswith(f"{asked}:") for has in rule.text.controls for asked in controls))
    )


def _row_json(rule: Rule) -> dict[str, object]:
    return {
        "id": rule.id,
        "severity": rule.text.severity,
        "mode": rule.text.mode,
        "enabled": rule.text.enabled,
        "class": rule.report.rule_class.value,
        "tests": len(rule.tests),
        "name": rule.text.name,
        "owner": rule.text.owner,
        "tags": list(rule.text.tags),
        "controls": list(rule.text.controls),
        "version": rule.version,
    }


def _row(rule: Rule) -> tuple[str, ...]:
    found = _row_json(rule) | {"enabled": "yes" if rule.text.enabled else "no"}
    return tuple(one_line(str(found[column])) for column in _COLUMNS)
