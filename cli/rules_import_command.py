"""`betrace rules import`: rule files from those of other tools."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NoReturn

import click

from cli.rule_files import count_of, create_or_exit, fail, unusable
from cli.shown_text import one_line, some_lines
from compiler import Rule, SourceFile
from compiler.foreign.betrace_file import NoPolarityError, betrace_items
from compiler.foreign.drafts import POLARITIES, VIOLATION, Aside, Draft, Item, Note, Refusal, UnreadableError
from compiler.foreign.rule_writer import RuleIds, compiled, file_text
from compiler.foreign.tail_sampling import tail_sampling_items
from compiler.foreign.traceql_text import traceql_items
from processor.rule_directory import read_whole
from processor.rule_tests import run_rule_test

_FILE = click.argument("path", metavar="FILE", type=click.Path(path_type=Path))
_TO = click.option("--to", "target", type=click.Path(path_type=Path), help="The rule file to write, a new one; by default standard output.")
_POLARITY_WANTED = click.option(
    "--polarity",
    type=click.Choice(POLARITIES),
    help="What a condition without clauses describes: a trace that is a violation, or what must be so in each.",
)

_POLARITY = click.option(
    "--polarity",
    type=click.Choice(POLARITIES),
    default=VIOLATION,
    show_default=True,
    help="What is picked: a trace that is a violation, or what each trace must be.",
)


@click.group("import")
def import_rules() -> None:
    """Write rule files from the files of other tools.

    What has no equivalent is said with its line, on standard error and as a comment in its place; no rule stands for something else.
    """


@import_rules.command("betrace")
@_FILE
@_TO
@_POLARITY_WANTED
def import_betrace(path: Path, target: Path | None, polarity: str | None) -> None:
    """Import rules of the original BeTrace: YAML files, or files of expressions.

    Read are clauses (when, always, never), `trace.has( )` and `span.…`; of the latter two, which are conditions alone, say the --polarity.

    Exit status: 0 all imported, 1 some not, 2 none, or FILE could not be read.
    """
    _import(path, target, "the original BeTrace", lambda source: betrace_items(source, polarity))


@import_rules.command("tail-sampling")
@_FILE
@_TO
@_POLARITY
def import_tail_sampling(path: Path, target: Path | None, polarity: str) -> None:
    """Import policies of the Collector's tail sampling: a configuration, its part, or a list of policies.

    A policy says which traces are interesting, so it becomes a rule that forbids them, in mode shadow: judged and counted, not alerted.
    What says how many traces are kept is noted and needs no rule; what is dropped is an exception of each.

    Exit status: 0 all imported, 1 some not, 2 none, or FILE could not be read.
    """
    _import(path, target, "tail sampling", lambda source: tail_sampling_items(source, polarity))


@import_rules.command("traceql")
@_FILE
@_TO
@_POLARITY
def import_traceql(path: Path, target: Path | None, polarity: str) -> None:
    """Import queries of TraceQL: a file of them, each beginning on a line of its own.

    A query picks traces, so it becomes a rule that forbids them, in mode shadow: judged and counted, not alerted.

    Exit status: 0 all imported, 1 some not, 2 none, or FILE could not be read.
    """
    _import(path, target, "TraceQL", lambda source: traceql_items(source, polarity))


def _import(path: Path, target: Path | None, origin: str, items_of: Callable[[SourceFile], Iterable[Item]]) -> NoReturn:
    """Write what a file holds, say what it does not, and end the program."""
    items = _items(path, items_of)
    imported = sum(isinstance(item, Draft) for item in items)
    for item in items:
        for note in item.notes:
            click.echo(some_lines(f"{note.region.file}:{note.region.line}:{note.region.column}: {_kind(item)}: {note.message}"), err=True)
    if not imported:
        fail(f"nothing of {path} could be imported")
    text = file_text(items, f"Imported from {path}, {origin}; the text that a rule comes from stands above it.")
    if target is None:
        click.echo(text, nl=False)
    else:
        create_or_exit(target, text)
    left_out = sum(isinstance(item, Refusal) for item in items)
    asides = len(items) - imported - left_out
    more = f"; {asides} without a rule of {'its' if asides == 1 else 'their'} own" if asides else ""
    click.echo(f"betrace: {count_of(imported, 'rule')} imported, {left_out} not{more}", err=True)
    raise SystemExit(1 if left_out else 0)


def _kind(item: Item) -> str:
    match item:
        case Draft():
            return f"note on {item.rule_id}"
        case Aside():
            return f"note on {item.what}"
        case Refusal():
            return f"not imported, {item.what}"


def _items(path: Path, items_of: Callable[[SourceFile], Iterable[Item]]) -> list[Item]:
    try:
        source = SourceFile(str(path), read_whole(path))
    except OSError as error:
        unusable(error, path)
    ids = RuleIds()
    try:
        return [_tested(*compiled(item, ids)) for item in items_of(source)]
    except (UnreadableError, NoPolarityError) as problem:
        fail(one_line(str(problem)))


def _tested(item: Item, rule: Rule | None) -> Item:
    """Return an item; of a rule that does not find its own example a violation that is said."""
    if isinstance(item, Draft) and rule is not None:
        for outcome in [run_rule_test(rule, test) for test in rule.tests]:
            if not outcome.passed:
                message = f"its own example of a violation is `{outcome.actual}` by what it says: the rule may mean the opposite"
                item.notes.append(Note(item.region, message))
    return item
