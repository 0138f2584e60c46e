"""`betrace check`: judge files of OTLP without any infrastructure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

from cli.check_formats import FORMATS
from cli.check_names import say_unseen
from cli.check_text import print_outcome
from cli.check_why import enabled_or_exit, print_why
from cli.engine_option import engine_option
from cli.rule_files import USAGE, rule_set_or_exit
from cli.shown_text import one_line
from processor import metrics as m
from processor.engines import EngineName, make_engine
from processor.finite import FiniteOutcome, FiniteRun
from processor.inputs import STDIN, Input, input_size, read_inputs

UNSEEN_NAMES = "unseen-names"


@click.command()
@click.argument("inputs", metavar="INPUT...", nargs=-1, required=True)
@click.option(
    "--rules",
    "rule_paths",
    metavar="PATH",
    multiple=True,
    required=True,
    type=click.Path(path_type=Path),
    help="Rule file or directory; repeatable.",
)
@click.option(
    "--output",
    "-o",
    type=click.Choice(["text", *FORMATS]),
    default="text",
    show_default=True,
    help="Form of the answer on standard output.",
)
@click.option("--why", "rule_id", metavar="RULE", help="Say why this rule judges each trace as it does, whatever it says.")
@click.option("--trace", "trace_id", metavar="ID", help="With --why: only of this trace; the first digits of its id suffice.")
@click.option(
    "--fail-on",
    type=click.Choice([UNSEEN_NAMES]),
    help="End with status 1, violation or not, where a span or an attribute that a rule names occurs nowhere in INPUT.",
)
@engine_option
def check(  # the options of a command
    *,
    inputs: Sequence[str],
    rule_paths: Sequence[Path],
    output: str,
    rule_id: str | None,
    trace_id: str | None,
    fail_on: str | None,
    engine: EngineName,
) -> None:
    """Judge all traces of INPUT by rules: files, directories, or - for standard input.

    Read are the Collector file exporter's JSON lines, OTLP JSON documents, protobuf export requests, and captures of a topic,
    gzip'd or not. A trace is assembled over all inputs.

    A name of a span or an attribute that a rule reads and that occurs nowhere in INPUT is noted: it may be misspelt.

    Exit status: 0 no violation, 1 a violation of a rule in mode enforce, 2 the rules are refused, or an INPUT could not be used: it is
    missing, or something of it was refused and no span is left, or no INPUT holds anything. Standard error names it; what the others hold
    is judged all the same. Where spans are left, items that cannot be used are counted and leave the status as it is. Status 2 without any
    answer says that the engine has run out of memory. --fail-on makes more of it status 1. With --why the verdicts leave the status as it
    is.
    """
    if output not in ("text", "json") and rule_id is not None:
        raise click.UsageError("--why is answered as text or json")
    if trace_id is not None and rule_id is None:
        raise click.UsageError("--trace says of which trace --why is asked")
    if fail_on is not None and rule_id is not None:
        raise click.UsageError("--fail-on is not for --why, whose answer leaves the status as it is")
    rule_set = rule_set_or_exit(rule_paths)
    rule = None if rule_id is None else enabled_or_exit(rule_set, rule_id)
    run = FiniteRun(make_engine(engine, rule_set), keeps_records=output == "text" or rule is not None)
    unused = _read(inputs, run)
    outcome = run.finish()
    if rule is not None:
        print_why(outcome, rule, trace_id, as_json=output == "json")
        raise SystemExit(_refused_status(outcome, inputs, unused))
    if output == "text":
        print_outcome(outcome, rule_set)
    else:
        if text := FORMATS[output](outcome, rule_set):
            click.echo(text)
        if output != "json":
            say_unseen(outcome.unseen)
            _say_refused(outcome)
    raise SystemExit(_status(outcome, inputs, unused, fail_on))


def _say_refused(outcome: FiniteOutcome) -> None:
    """Say on stderr what a form without a place for it leaves out: nothing is refused in silence."""
    for reason, count in sorted(outcome.refused.items()):
        click.echo(f"refused: {count} {reason}", err=True)


def _status(outcome: FiniteOutcome, inputs: Sequence[str], unused: dict[str, Counter[str]], fail_on: str | None) -> int:
    is_violated = any(said.rule.text.mode == "enforce" for said in outcome.violations)
    is_misspelt = fail_on == UNSEEN_NAMES and bool(outcome.unseen)
    return _refused_status(outcome, inputs, unused) or int(is_violated or is_misspelt)


def _refused_status(outcome: FiniteOutcome, inputs: Sequence[str], unused: dict[str, Counter[str]]) -> int:
    if not outcome.record_count and not unused:
        unused = {path: Counter() for path in inputs}
    for path, refused in unused.items():
        name = "standard input" if path == STDIN else one_line(path)
        click.echo(f"betrace: {name}: no input could be read ({', '.join(sorted(refused)) or 'it is empty'})", err=True)
    return USAGE if unused else 0


def _read(inputs: Sequence[str], run: FiniteRun) -> dict[str, Counter[str]]:
    """Give the run all inputs and show how far it is; return those that gave no span although they hold something, with the reasons."""
    console = Console(stderr=True)
    columns = (TextColumn("reading"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    unused: dict[str, Counter[str]] = {}
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("reading", total=input_size(inputs))
        for path in inputs:
            span_count, refused = run.tally.count(m.SPANS_READ), Counter(run.tally.by_label(m.ITEMS_REFUSED))
            run.take(_followed(path, progress, task))
            refused = Counter(run.tally.by_label(m.ITEMS_REFUSED)) - refused
            if refused and run.tally.count(m.SPANS_READ) == span_count:
                unused[path] = refused
    return unused


def _followed(path: str, progress: Progress, task: TaskID) -> Iterator[Input]:
    position = 0
    for item in read_inputs([path]):
        progress.advance(task, item.position - position)
        position = item.position
        yield item
