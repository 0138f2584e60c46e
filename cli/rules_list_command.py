"""`betrace rules list`: the rules of files, one a line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from cli.columns import aligned
from cli.rule_files import rule_set_or_exit
from cli.rule_picking import TAGS, Picking, picking_options, show_missing, show_tags
from cli.rules_arguments import OUTPUT, PATHS
from cli.shown_text import one_line, shown_json
from compiler import Rule

_COLUMNS: Final = ("id", "severity", "mode", "enabled", "class", "tests", "name")
_NUMBERS: Final = frozenset({_COLUMNS.index("tests")})


@click.command("list")
@PATHS
@OUTPUT
@picking_options
@TAGS
def list_rules(paths: Sequence[Path], output: str, shows_tags: bool, **picked: Sequence[str]) -> None:  # noqa: FBT001  # a flag
    """List the rules of PATH (files or directories): id, severity, mode, whether enabled, when decided, tests, name.

    Exit status: 0 listed, also where no rule is left; 2 the rules are refused or there is nothing to read.
    """
    picking = Picking(**picked)
    rules = rule_set_or_exit(paths).rules
    found = [rule for rule in rules if picking.takes(rule.text)]
    show_missing(picking, [rule.text for rule in rules], "" if found else "no rule is such")
    if shows_tags:
        show_tags([rule.text for rule in found], output)
    elif output == "json":
        click.echo(shown_json([_row_json(rule) for rule in found]))
    elif found:
        for line in aligned([_COLUMNS, *map(_row, found)], _NUMBERS):
            click.echo(line)


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
