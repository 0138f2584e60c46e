"""`betrace check`: judge files of OTLP without any infrastructure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from cli.check_formats import FORMATS
from cli.check_text import print_outcome
from cli.rule_files import USAGE, rule_set_or_exit
from compiler import ReferenceEngine
from processor.finite import FiniteOutcome, FiniteRun
from processor.inputs import InputRecord, RefusedInput, input_size, read_inputs
from topics.refusal import RefusalReason

# What refuses a whole file, line or record; the other reasons leave the rest of it to be judged.
_WHOLE = (
    RefusalReason.UNREADABLE,
    RefusalReason.TRUNCATED,
    RefusalReason.MALFORMED,
    RefusalReason.TOO_LARGE,
    RefusalReason.NOT_TRACES,
    RefusalReason.BAD_CAPTURE,
)


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
def check(inputs: Sequence[str], rule_paths: Sequence[Path], output: str) -> None:
    """Judge all traces of INPUT by rules: files, directories, or - for standard input.

    Read are the Collector file exporter's JSON lines, OTLP JSON documents, protobuf export requests, and captures of a topic,
    gzip'd or not. A trace is assembled over all inputs.

    Exit status: 0 no violation, 1 a violation of a rule in mode enforce, 2 the rules are refused or no input could be read. Items that
    cannot be used are counted and leave the status as it is.
    """
    rule_set = rule_set_or_exit(rule_paths)
    refused: Counter[str] = Counter()
    run = FiniteRun(ReferenceEngine(rule_set), rule_set)
    run.take(_records(inputs, refused))
    outcome = run.finish()
    item_count = outcome.record_count + refused.total()
    for reason, count in refused.items():
        outcome.refused[reason] = outcome.refused.get(reason, 0) + count
    if output == "text":
        print_outcome(outcome, rule_set)
    else:
        if text := FORMATS[output](outcome, rule_set):
            click.echo(text)
        if output != "json":
            _say_refused(outcome)
    raise SystemExit(_status(outcome, item_count))


def _say_refused(outcome: FiniteOutcome) -> None:
    """Say on stderr what a form without a place for it leaves out: nothing is refused in silence."""
    for reason, count in sorted(outcome.refused.items()):
        click.echo(f"refused: {count} {reason}", err=True)


def _status(outcome: FiniteOutcome, item_count: int) -> int:
    if not outcome.span_count and item_count <= sum(outcome.refused.get(reason, 0) for reason in _WHOLE):
        reasons = ", ".join(sorted(outcome.refused)) or "it is empty"
        click.echo(f"betrace: no input could be read ({reasons})", err=True)
        return USAGE
    return int(any(record.rule.mode.value == "enforce" for record in outcome.records))


def _records(inputs: Sequence[str], refused: Counter[str]) -> Iterator[InputRecord]:
    """Yield the records of the inputs, count what is none, and show how far it is."""
    console = Console(stderr=True)
    columns = (TextColumn("reading"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("reading", total=input_size(inputs))
        for item in read_inputs(inputs):
            progress.update(task, completed=item.position)
            if isinstance(item, RefusedInput):
                refused[item.reason] += 1
            else:
                yield item
