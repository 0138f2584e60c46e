"""`betrace rules init` and `betrace rules from-trace`: first drafts of rules and tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from cli.check_why import enabled_or_exit
from cli.rule_files import compile_files, count_of, create_or_exit, fail, rule_set_or_exit
from cli.shown_text import brief, one_line
from compiler import SourceFile, TraceView
from compiler.notation_text import NotationWriter, TooLargeError
from compiler.rule_skeleton import Telling, demanded_keys, empty_rule_file, rule_file_of, rule_id_of, test_of
from processor.traces_of import traces_of

_LEFT_OUT = "bytes, maps, arrays in arrays, text that is no UTF-8, links without ids, or times beyond those of a test"
_COPIED = (
    "betrace: values are copied from the trace as they are: before you commit it, take out what is personal or secret "
    "(users, addresses, statements)"
)


@click.command()
@click.argument("name")
@click.option("--to", "path", type=click.Path(path_type=Path), help="The file to write; by default NAME.yaml, here. - is standard output.")
def init(name: str, path: Path | None) -> None:
    """Write a rule file with one rule and its tests, to be rewritten.

    Exit status: 0 written, 2 the file is there already, or NAME has no letter.
    """
    if not rule_id_of(name):
        fail(f"{brief(name)} has no letter or digit to make an id of")
    text = empty_rule_file(name)
    if path == Path("-"):
        click.echo(text, nl=False)
        return
    path = path or Path(f"{rule_id_of(name)}.yaml")
    create_or_exit(path, text)
    click.echo(one_line(f"{path} written: betrace rules test {path}"))


@click.command("from-trace")
@click.argument("inputs", metavar="INPUT...", nargs=-1, required=True)
@click.option("--trace", "trace_id", metavar="ID", help="Which trace of INPUT, where it holds several; the first digits of its id suffice.")
@click.option("--rules", "rule_paths", metavar="PATH", multiple=True, type=click.Path(path_type=Path), help="With --rule: its rule files.")
@click.option("--rule", "rule_id", metavar="ID", help="Write a test of this rule, with the attributes that it reads.")
@click.option("--name", help="With --rule: the name of the test.")
@click.option("--all", "keeps_all", is_flag=True, help="Without --rule: also keep the attributes that instrumentations add to every span.")
def from_trace(  # the options of a command
    inputs: Sequence[str],
    trace_id: str | None,
    rule_paths: Sequence[Path],
    rule_id: str | None,
    name: str | None,
    keeps_all: bool,  # noqa: FBT001  # a flag of the command line
) -> None:
    """Write a rule and its first test from a trace of a file; with --rule a further test of that rule.

    INPUT is what betrace check reads. The rule is a guess to be rewritten, in mode shadow: where a span failed, that it must not. It
    goes to standard output; a test of --rule is indented as it stands below `tests:`. Attribute values are copied as they are.

    Exit status: 0 written, 2 there is no such trace or rule, or INPUT could not be read.
    """
    if bool(rule_paths) != (rule_id is not None):
        raise click.UsageError("--rules and --rule go together")
    rule = None if rule_id is None else enabled_or_exit(rule_set_or_exit(rule_paths), rule_id)
    view = _trace(inputs, trace_id)
    writer = NotationWriter(None if keeps_all else Telling()) if rule is None else NotationWriter(demanded_keys(rule.report))
    try:
        text = rule_file_of(view, writer) if rule is None else test_of(rule, view, writer, name or f"trace {view.trace_id}")
    except TooLargeError as error:
        fail(str(error))
    if rule is None:
        _accepted_or_exit(text)
    click.echo(text, nl=False)
    if writer.left_out:
        click.echo(f"betrace: {count_of(writer.left_out, 'value')} left out: {_LEFT_OUT}", err=True)
    click.echo(_COPIED, err=True)


def _accepted_or_exit(text: str) -> None:
    """End the program with status 2 where a trace makes no rule file: a name in it may be beyond the size of a rule."""
    if errors := compile_files([SourceFile("rules.yaml", text.encode())]).errors:
        fail(f"the trace makes no rule: {errors[0].message}")


def _trace(inputs: Sequence[str], trace_id: str | None) -> TraceView:
    found, refused = traces_of(inputs, (trace_id or "").lower())
    for reason, count in sorted(refused.items()):
        click.echo(f"refused: {count} {reason}", err=True)
    if not found:
        fail(f"no trace has an id that begins with {brief(trace_id)}" if trace_id else "INPUT holds no trace that could be read")
    if len(found) > 1:
        some = ", ".join(sorted(found)[:3])
        fail(f"{count_of(len(found), 'trace')} to choose from, {some} among them: name one with --trace")
    return next(iter(found.values()))
