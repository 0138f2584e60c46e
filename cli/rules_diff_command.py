"""`betrace rules diff`: how the rules of a directory differ from those in force, and which ones the workers run."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.given_rules import given_rules, rules_of
from cli.rule_files import accepted_or_exit, fail, load_sources
from cli.settings_options import load_settings, settings_options
from cli.shown_text import shown_json, some_lines
from processor.made_programs import OfferedSet, RefusedRulesError, compiled
from processor.rule_settings import RuleSettings
from processor.running_programs import RunningProgram, running_programs
from topics.log_reader import LogError, LogReader, NoTopicError
from topics.rfc3339 import format_ns
from topics.rule_changes import rule_changes

if TYPE_CHECKING:
    from topics.rule_changes import RuleChange
    from topics.rule_records import RuleSetRecord

PATH = click.argument("path", type=click.Path(path_type=Path))


@click.command()
@PATH
@click.option("--exit-code", is_flag=True, help="End with status 1 where a rule differs.")
@click.option("--output", "-o", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Form of the answer.")
@settings_options(RuleSettings)
def diff(path: Path, exit_code: bool, output: str, settings_file: Path | None, **flags: object) -> None:  # noqa: FBT001 - click's
    """Show how the rules of PATH (a file or a directory) differ from those in force, and which ones each partition's worker runs.

    Exit status: 0 shown, 1 a rule differs and --exit-code is given, 2 the rules are refused or no broker answers.
    """
    settings = load_settings(RuleSettings, settings_file, flags)
    sources = load_sources([path])
    given = given_rules(sources, accepted_or_exit(sources))
    try:
        newest = settings.rules_log().read().newest
    except LogError as error:
        fail(str(error))
    changes = rule_changes(rules_of(newest), given)
    running, unknown = running_or_nothing(settings)
    program = None if newest is None else _program(newest)
    if output == "json":
        click.echo(shown_json(_json(changes, program, running, unknown)))
    else:
        for line in (*_lines(changes, path), *_running_lines(program, running, unknown)):
            click.echo(line)
    raise SystemExit(int(exit_code and bool(changes)))


def running_or_nothing(settings: RuleSettings) -> tuple[list[RunningProgram], str]:
    """Return what the workers run, and why that is not known; empty where it is."""
    connection = settings.connection_properties()
    try:
        with LogReader(connection, settings.rule_stats_topic, client_id="betrace-rules", timeout_s=settings.rules_timeout_s) as reader:
            return running_programs(reader), ""
    except NoTopicError:
        return [], f"there is no journal {settings.rule_stats_topic}, so no worker has judged anything"
    except LogError as error:
        return [], str(error)


def _program(record: RuleSetRecord) -> tuple[str, str]:
    """Return the program of the set in force, and why this release refuses it; it has another id where the language is a newer one."""
    try:
        return compiled(OfferedSet.of_record(record)).program_id, ""
    except RefusedRulesError as error:
        return record.program, str(error)


def _lines(changes: Sequence[RuleChange], path: Path) -> Iterator[str]:
    for change in changes:
        before = f"{change.rule} in force" if change.before else "/dev/null"
        after = f"{change.rule} in {path}" if change.after else "/dev/null"
        yield f"{change.change}: {change.rule}"
        yield from (some_lines(line) for line in _unified(change, before, after))
    if not changes:
        yield "no rule differs"


def _unified(change: RuleChange, before: str = "before", after: str = "after") -> Iterator[str]:
    return difflib.unified_diff(change.before.splitlines(), change.after.splitlines(), before, after, lineterm="")


def _running_lines(program: tuple[str, str] | None, running: Sequence[RunningProgram], unknown: str) -> Iterator[str]:
    yield ""
    if program is None:
        yield "no rule set is in force"
    else:
        yield f"program {program[0]} is in force"
        if program[1]:
            yield f"but this release refuses it:\n{some_lines(program[1])}"
    if unknown:
        yield unknown
    for one in running:
        yield f"  partition {one.partition}: {_running_text(one, program)}"


def _running_text(one: RunningProgram, program: tuple[str, str] | None) -> str:
    if one.program is None:
        return "not judged yet"
    since = f"since {format_ns(one.since_ns)}" if one.since_ns else "for long"
    verdict = "runs the set in force" if _is_in_force(one, program) else f"still runs program {one.program}"
    return f"{verdict}, {since} (as of {format_ns(one.as_of_ns or 0)})"


def _is_in_force(one: RunningProgram, program: tuple[str, str] | None) -> bool:
    return program is not None and one.program == program[0]


def _json(
    changes: Sequence[RuleChange], program: tuple[str, str] | None, running: Sequence[RunningProgram], unknown: str
) -> dict[str, object]:
    return {
        "program": program and program[0],
        "refused": program[1] if program else "",
        "changes": [{"rule": it.rule, "change": it.change, "diff": "\n".join(_unified(it))} for it in changes],
        "partitions": [
            {
                "partition": one.partition,
                "program": one.program,
                "since": one.since_ns and format_ns(one.since_ns),
                "as_of": one.as_of_ns and format_ns(one.as_of_ns),
                "in_force": _is_in_force(one, program),
            }
            for one in running
        ],
        "partitions_unknown": unknown,
    }
