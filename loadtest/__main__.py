"""`python -m loadtest NAME`: runs one benchmark and says whether its bars hold."""

from __future__ import annotations

import json
import sys
from typing import NoReturn

import click

from loadtest.agreement import DisagreementError
from loadtest.c_library import NoCompilerError
from loadtest.candidates import CANDIDATES, MEASURED
from loadtest.engine_benchmark import EngineRun
from loadtest.machine import commit, machine, versions
from loadtest.phase_profile import profiles
from loadtest.report import Report, as_text, read_baseline
from loadtest.rule_sample import RulesDoNotFireError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def loadtest() -> None:
    """Measure what the project promises, beside what it is compared with, in the same run.

    Exit status: 0 every bar holds, 1 a bar is missed, 2 there is no result.
    """


_QUICK = click.option("--quick", is_flag=True, help="The same rows with fewer runs over smaller corpora, within a minute.")
_OUTPUT = click.option("--output", "-o", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Form of the report.")
_ENGINE = click.option(
    "--engine", "engine_name", type=click.Choice(list(CANDIDATES)), default=MEASURED.name, show_default=True, help="What to measure."
)


@loadtest.command()
@_QUICK
@_OUTPUT
@_ENGINE
@click.option("--baseline", is_flag=True, help="Keep this run as the baseline of later ones.")
def engine(*, quick: bool, output: str, engine_name: str, baseline: bool) -> None:
    """Measure OTLP bytes to verdicts on one core."""
    about, of = machine(), commit()
    run = EngineRun(CANDIDATES[engine_name], quick, _hear)
    try:
        found = versions()
        run.measure()
    except (DisagreementError, NoCompilerError, RulesDoNotFireError) as error:
        _refuse(error)
    report = Report("engine", engine_name, quick, about, of, found, run.rows, run.corpora, list(run.rules.values()), run.measurements)
    _publish(report, output, baseline=baseline)


@loadtest.command()
@_QUICK
@_OUTPUT
@_ENGINE
def profile(*, quick: bool, output: str, engine_name: str) -> None:
    """Show where the nanoseconds of a span go, by the phases of the engine."""
    found: list[dict[str, object]] = []
    try:
        about = {"machine": machine(), "commit": commit(), "versions": versions(), "engine": engine_name, "quick": quick}
        for one in profiles(CANDIDATES[engine_name], quick=quick, heard=_hear):
            found.append(one.as_json())
            if output == "text":
                click.echo("\n".join(one.as_text()))
    except (NoCompilerError, RulesDoNotFireError) as error:
        _refuse(error)
    if output == "json":
        click.echo(json.dumps(about | {"profiles": found}, ensure_ascii=False))


def _hear(what: str) -> None:
    click.echo(f"… {what}", err=True)


def _refuse(error: Exception) -> NoReturn:
    click.echo(f"no result: {error}", err=True)
    sys.exit(2)


def _publish(report: Report, output: str, *, baseline: bool) -> None:
    if output == "json":
        click.echo(json.dumps(report.as_json(), ensure_ascii=False))
    else:
        for line in as_text(report, read_baseline(report.name, report.engine)):
            click.echo(line)
    click.echo(f"every run: {report.keep()}", err=True)
    if baseline:
        click.echo(f"baseline: {report.keep_as_baseline()}", err=True)
    sys.exit(0 if report.holds else 1)


if __name__ == "__main__":
    loadtest(prog_name="python -m loadtest")
