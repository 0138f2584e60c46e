"""`betrace rules apply`: put the rules of a directory in force, by the rules topic."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.given_rules import given_rules, rules_of
from cli.rule_files import USAGE, compile_files, count_of, fail, load_sources, show_diagnostics
from cli.rule_test_text import outcome_json, outcome_text
from cli.rules_diff_command import PATH, running_or_nothing
from cli.settings_options import load_settings, settings_options
from cli.shown_text import shown_json
from compiler import Compilation, SourceFile, diagnostic_json
from processor.made_programs import OfferedSet, compiled
from processor.rule_directory import relative_sources
from processor.rule_settings import RuleSettings
from processor.rule_tests import run_rule_tests
from topics.log_reader import LogError
from topics.rfc3339 import format_ns
from topics.rule_changes import Written, expired_sets, next_versions, rule_changes, rule_entries, set_entries
from topics.rule_records import RecordSizeError, RuleSetRecord

if TYPE_CHECKING:
    from compiler import RuleSet
    from topics.rule_changes import RuleChange
    from topics.rules_log import RulesContents

_FAILED = 1


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is to be written so that a set is in force; `entries` are records and deletions in their order, the set behind its rules."""

    record: RuleSetRecord
    changes: Sequence[RuleChange]
    entries: Sequence[tuple[bytes, bytes | None]]
    expired: Sequence[bytes]
    contents: RulesContents

    @property
    def is_empty(self) -> bool:
        return not self.entries and not self.expired

    def as_json(self) -> dict[str, object]:
        return {
            "program": self.record.program,
            "program_before": None if self.contents.newest is None else self.contents.newest.program,
            "changes": [{"rule": it.rule, "change": it.change, "version": self._version(it)} for it in self.changes],
            "sets_deleted": [key.decode("utf-8", "replace") for key in self.expired],
        }

    def lines(self) -> list[str]:
        """Return what it does, for people."""
        width = max((len(it.change) for it in self.changes), default=0)
        shown = [f"{it.change:<{width}}  {it.rule}{self._version_text(it)}" for it in self.changes]
        return shown + ([f"{count_of(len(self.expired), 'rule set')} of the past deleted"] if self.expired else [])

    def _version(self, change: RuleChange) -> int | None:
        return self.record.versions[change.rule] if change.after else None

    def _version_text(self, change: RuleChange) -> str:
        version = self._version(change)
        return "" if version is None else f"  version {version}"


@click.command()
@PATH
@click.option("--dry-run", is_flag=True, help="Only say what would change.")
@click.option("--written-by", default="betrace rules apply", show_default=True, help="Who: stands in the records of rules, for people.")
@click.option("--output", "-o", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Form of the answer.")
@settings_options(RuleSettings)
def apply(path: Path, dry_run: bool, written_by: str, output: str, settings_file: Path | None, **flags: object) -> None:  # noqa: FBT001 - click's
    """Put the rules of PATH (a file or a directory) in force, all of them and no others.

    They are compiled and their tests are run; with an error or a failed test nothing is written. Workers that follow the rules topic judge
    the traces that begin from then on by them.

    Exit status: 0 they are in force, 1 a test failed or somebody else wrote at the same time, 2 the rules are refused or no broker answers.
    """
    settings = load_settings(RuleSettings, settings_file, flags)
    sources = load_sources([path])
    rule_set = _accepted(sources, output)
    log = settings.rules_log()
    try:
        contents = log.read()
        plan = _plan(settings, contents, relative_sources(sources, path), rule_set, written_by)
        at = log.write([*plan.entries, *((key, None) for key in plan.expired)]) if not dry_run and not plan.is_empty else []
    except (LogError, RecordSizeError) as error:
        fail(str(error))
    was_alone = not at or at[0] == contents.end
    _show(plan, output, is_written=bool(at), is_dry_run=dry_run)
    if not was_alone:
        click.echo("betrace: somebody else wrote to the rules topic at the same time: see `betrace rules diff`, and apply again", err=True)
        raise SystemExit(_FAILED)


def _accepted(sources: Sequence[SourceFile], output: str) -> RuleSet:
    """Return the rule set of the files; ends the program where it is refused or one of its tests fails."""
    compilation = compile_files(sources)
    if compilation.rule_set is None:
        _refuse(compilation, sources, output)
    assert compilation.rule_set is not None
    outcomes = list(run_rule_tests(compilation.rule_set.rules))
    failed = [outcome for outcome in outcomes if not outcome.passed]
    if failed:
        if output == "json":
            tests = [outcome_json(outcome) for outcome in failed]
            click.echo(shown_json({"accepted": False, "diagnostics": [], "failed_tests": tests}))
        else:
            for outcome in failed:
                click.echo(outcome_text(outcome))
            click.echo(f"nothing is written: {count_of(len(failed), 'test')} of {len(outcomes)} failed")
        raise SystemExit(_FAILED)
    return compilation.rule_set


def _refuse(compilation: Compilation, sources: Sequence[SourceFile], output: str) -> None:
    if output == "json":
        found = [diagnostic_json(diagnostic) for diagnostic in compilation.errors]
        click.echo(shown_json({"accepted": False, "diagnostics": found, "failed_tests": []}))
        raise SystemExit(USAGE)
    show_diagnostics(compilation.errors, sources)
    fail(f"nothing is written, the rules are refused: {count_of(len(compilation.errors), 'error')}")


def _plan(settings: RuleSettings, contents: RulesContents, sources: tuple[SourceFile, ...], rule_set: RuleSet, written_by: str) -> _Plan:
    now_ns = time.time_ns()
    written = Written(format_ns(now_ns), written_by)
    given, in_force = given_rules(sources, rule_set), rules_of(contents.newest)
    versions = next_versions(contents, in_force, given)
    offered = OfferedSet(sources, settings.judged_with, versions)
    record = offered.record(compiled(offered).program_id, written.at)
    entries = [*rule_entries(contents, given, versions, written), *set_entries(contents, record)]
    running, unknown = running_or_nothing(settings)
    # Where no journal can be read nobody knows what is needed.
    needed = {program for one in running for program in one.needed}
    expired = [] if unknown else expired_sets(contents, record, needed, now_ns)
    return _Plan(record, rule_changes(in_force, given), entries, expired, contents)


def _show(plan: _Plan, output: str, *, is_written: bool, is_dry_run: bool) -> None:
    if output == "json":
        shown = {"accepted": True, "written": is_written, "dry_run": is_dry_run, **plan.as_json()}
        click.echo(shown_json(shown))
        return
    for line in plan.lines():
        click.echo(line)
    if plan.is_empty:
        click.echo(f"nothing to change: program {plan.record.program} is in force")
    elif is_dry_run:
        click.echo(f"nothing is written: program {plan.record.program} would be in force")
    else:
        click.echo(f"program {plan.record.program} is in force")
