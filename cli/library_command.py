"""`betrace rules library`: the rules that ship with the product, to browse and to copy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from cli.columns import aligned
from cli.rule_copies import CopyError, copied
from cli.rule_files import count_of, fail, unusable
from cli.rule_library import LibraryRule, UnknownRuleError, library_rules, named_rules
from cli.rule_picking import TAGS, Picking, picking_options, show_missing, show_tags
from cli.rules_arguments import OUTPUT
from cli.shown_text import one_line, shown_json, some_lines
from cli.written_files import write_all
from compiler import rule_texts

_NONE = "no rule of the library is such"


@click.group()
def library() -> None:
    """Browse the rules that ship with BeTrace, and copy those you want to keep."""


@library.command("list")
@click.argument("words", metavar="[WORD]...", nargs=-1)
@picking_options
@TAGS
@OUTPUT
def list_rules(shows_tags: bool, output: str, **picked: Sequence[str]) -> None:  # noqa: FBT001  # a flag of the command line
    """List the rules of the library, or those with a tag, a control or a severity: id, severity, name, controls, tags.

    With WORDs only those that have each of them in their id, name, description or tags, which the domain is one of.
    """
    picking = Picking(**picked)
    rules = library_rules()
    found = [one for one in rules if picking.takes(one.rule.text)]
    show_missing(picking, [one.rule.text for one in rules], "" if found else _NONE)
    if shows_tags:
        show_tags([one.rule.text for one in found], output)
    elif output == "json":
        click.echo(shown_json([_summary_json(one) for one in found]))
    else:
        for line in aligned([_row(one) for one in found]):
            click.echo(line)


def _row(one: LibraryRule) -> tuple[str, ...]:
    text = one.rule.text
    return text.id, text.severity, text.name, ", ".join(text.controls), ", ".join(text.tags)


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
@picking_options
@click.option(
    *("--to", "target"),
    required=True,
    type=click.Path(path_type=Path),
    help="Where to: a file if it ends with .yaml or .yml, else a directory, which gets a file per domain.",
)
@click.option("--force", is_flag=True, help="Put a rule in the place of one of the same id; nothing else is touched.")
def copy(ids: Sequence[str], is_all: bool, target: Path, force: bool, **picked: Sequence[str]) -> None:  # noqa: FBT001 - click's
    """Copy rules of the library into rule files of your own, with their tests and what they use of `let`.

    A file that is there keeps what it says, and gets the rules behind its own.

    Exit status: 0 copied, 2 nothing was written: a rule is unknown, none is such, or one of the same id is there already.
    """
    picking = Picking(**picked)
    rules = library_rules()
    if not (ids or is_all) and picking.is_empty:
        fail("say what to copy: ids, --all, --tag, --control or --severity")
    wanted = _named(rules, ids) if ids else rules
    taken = [one for one in wanted if picking.takes(one.rule.text)]
    missing = [*picking.unknown([one.rule.text for one in rules])] or ([] if taken else [_NONE])
    if missing:
        fail("\n".join(missing))
    try:
        contents = copied(taken, target, is_replacing=force)
        for path in contents:
            path.parent.mkdir(parents=True, exist_ok=True)
        write_all(contents)
    except CopyError as error:
        fail(str(error))
    except OSError as error:
        unusable(error, target)
    click.echo(one_line(f"{count_of(len(taken), 'rule')} copied to {', '.join(map(str, contents))}"))


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
