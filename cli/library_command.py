"""`betrace rules library`: the rules that ship with the product, to browse and to copy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from cli.columns import aligned
from cli.rule_files import count_of, fail, unusable
from cli.rule_library import LibraryRule, Picking, UnknownRuleError, library_rules, named_rules
from cli.rules_arguments import OUTPUT, SEVERITIES
from cli.shown_text import one_line, shown_json, some_lines
from cli.written_files import write_all
from compiler import LetClashError, joined_rules, rule_texts

_RULE_SUFFIXES = (".yaml", ".yml")


def _picking_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option(
            "--severity",
            "severities",
            multiple=True,
            type=SEVERITIES,
            help="Only of this severity; repeatable.",
        ),
        click.option(
            "--control", "controls", multiple=True, help="Only for this control, as PCI-DSS, PCI-DSS:10 or PCI-DSS:10.2; repeatable."
        ),
        click.option("--tag", "tags", multiple=True, help="Only with this tag; repeatable."),
    ):
        command = option(command)
    return command


@click.group()
def library() -> None:
    """Browse the rules that ship with BeTrace, and copy those you want to keep."""


@library.command("list")
@_picking_options
@OUTPUT
def list_rules(tags: Sequence[str], controls: Sequence[str], severities: Sequence[str], output: str) -> None:
    """List the rules of the library, or those with a tag, a control or a severity."""
    picking = Picking(tags, controls, severities)
    found = [one for one in library_rules() if picking.takes(one)]
    if output == "json":
        click.echo(shown_json([_summary_json(one) for one in found]))
        return
    rows = [(one.rule.id, one.rule.text.severity, one.rule.text.name, ", ".join(one.rule.text.controls)) for one in found]
    for line in aligned(rows):
        click.echo(line)
    if not rows:
        click.echo("no rule of the library is such", err=True)


@library.command()
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@OUTPUT
def show(ids: Sequence[str], output: str) -> None:
    """Show rules of the library as they stand in their files, tests included."""
    found = _named(library_rules(), ids)
    if output == "json":
        click.echo(shown_json([_rule_json(one) for one in found]))
    else:
        click.echo("\n".join(some_lines(_text(one)) for one in found))


@library.command()
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option("--all", "is_all", is_flag=True, help="Every rule of the library.")
@_picking_options
@click.option(
    *("--to", "target"),
    required=True,
    type=click.Path(path_type=Path),
    help="Where to: a file if it ends with .yaml or .yml, else a directory, which gets a file per domain.",
)
@click.option("--force", is_flag=True, help="Overwrite files that are there.")
def copy(ids: Sequence[str], is_all: bool, target: Path, force: bool, **picked: Sequence[str]) -> None:  # noqa: FBT001 - click's
    """Copy rules of the library into rule files of your own, with their tests and what they use of `let`.

    Exit status: 0 copied, 2 nothing was written: a rule is unknown, none is such, or a file is there already.
    """
    picking = Picking(**picked)
    rules = library_rules()
    if not (ids or is_all) and picking.is_empty:
        fail("say what to copy: ids, --all, --tag, --control or --severity")
    wanted = _named(rules, ids) if ids else rules
    taken = [one for one in wanted if picking.takes(one)]
    if not taken:
        fail("no rule of the library is such")
    files = _files(taken, target)
    present = [str(path) for path in files if path.exists()]
    if present and not force:
        fail(f"{', '.join(present)} exists already; --force overwrites")
    try:
        for path in files:
            path.parent.mkdir(parents=True, exist_ok=True)
        write_all({path: text.encode() for path, text in files.items()})
    except OSError as error:
        unusable(error, target)
    click.echo(one_line(f"{count_of(len(taken), 'rule')} copied to {', '.join(map(str, files))}"))


def _files(taken: Sequence[LibraryRule], target: Path) -> Mapping[Path, str]:
    ids = {one.rule.id for one in taken}
    sources = {one.domain: one.source for one in taken}
    if target.suffix not in _RULE_SUFFIXES or target.is_dir():
        return {target / f"{domain}.yaml": joined_rules([source], ids) for domain, source in sources.items()}
    try:
        return {target: joined_rules(sources.values(), ids)}
    except LetClashError as error:
        fail(f"{error}; copy to a directory, which gets a file per domain")


def _named(rules: Sequence[LibraryRule], ids: Sequence[str]) -> list[LibraryRule]:
    try:
        return named_rules(rules, ids)
    except UnknownRuleError as error:
        fail(str(error))


def _text(one: LibraryRule) -> str:
    return rule_texts(one.source)[one.rule.id]


def _summary_json(one: LibraryRule) -> dict[str, object]:
    text = one.rule.text
    return {
        "id": text.id,
        "domain": one.domain,
        "severity": text.severity,
        "name": text.name,
        "controls": list(text.controls),
        "tags": list(text.tags),
        "replaces": list(text.replaces),
    }


def _rule_json(one: LibraryRule) -> dict[str, object]:
    text = one.rule.text
    return {
        **_summary_json(one),
        "description": text.description,
        "evidence": list(text.evidence),
        "redact": dict(text.redact),
        "rule": text.rule,
        "tests": [test.name for test in one.rule.tests],
        "text": _text(one),
    }
