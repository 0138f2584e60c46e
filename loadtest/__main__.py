"""`python -m loadtest NAME`: runs one benchmark and says whether its bars hold."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Final, NoReturn, Protocol

import click
from confluent_kafka import KafkaException

from cli.allocator import AllocatorError, begin_anew
from cli.embedded_store import StoreStartError
from loadtest.agreement import DisagreementError
from loadtest.c_library import NoCompilerError
from loadtest.candidates import CANDIDATES, MEASURED
from loadtest.consumption import NotMeasuredError
from loadtest.corpora.corpus import Facts
from loadtest.engine_benchmark import EngineRun
from loadtest.feed import FeedError
from loadtest.kafka_broker import KafkaStartError, NoKafka
from loadtest.machine import commit, machine, versions
from loadtest.phase_profile import profiles
from loadtest.pipeline_benchmark import PipelineRun, pipeline_parts
from loadtest.report import Report, as_text, read_baseline
from loadtest.rows import Row
from loadtest.rule_sample import RuleSample, RulesDoNotFireError
from loadtest.soak import SoakRun
from loadtest.worker_process import WorkerEndedError

_NO_RESULT: Final = (
    *(DisagreementError, NoCompilerError, RulesDoNotFireError),
    *(FeedError, KafkaException, KafkaStartError, NoKafka, NotMeasuredError, StoreStartError, TimeoutError, WorkerEndedError),
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def loadtest() -> None:
    """Measure what the project promises, beside what it is compared with, in the same run.

    Exit status: 0 every bar holds, 1 a bar is missed, 2 there is no result.
    """


_QUICK = click.option("--quick", is_flag=True, help="The same rows with fewer runs over smaller corpora.")
_OUTPUT = click.option("--output", "-o", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Form of the report.")
_ENGINE = click.option(
    "--engine", "engine_name", type=click.Choice(list(CANDIDATES)), default=MEASURED.name, show_default=True, help="What to measure."
)

_BASELINE = click.option("--baseline", is_flag=True, help="Keep this run as the baseline of later ones.")


@loadtest.command()
@_QUICK
@_OUTPUT
@_ENGINE
@_BASELINE
def engine(*, quick: bool, output: str, engine_name: str, baseline: bool) -> None:
    """Measure OTLP bytes to verdicts on one core."""
    _measure("engine", engine_name, EngineRun(CANDIDATES[engine_name], quick, _hear), versions, output, baseline=baseline)


@loadtest.command()
@_QUICK
@_OUTPUT
@_BASELINE
def pipeline(*, quick: bool, output: str, baseline: bool) -> None:
    """Measure workers on Apache Kafka and a store, from records to violations."""
    _measure("pipeline", MEASURED.name, PipelineRun(quick, _hear), pipeline_parts, output, baseline=baseline)


@loadtest.command()
@_QUICK
@_OUTPUT
@_BASELINE
def soak(*, quick: bool, output: str, baseline: bool) -> None:
    """Let a worker run at half load for an hour: its memory, its partitions, what it says."""
    _measure("soak", MEASURED.name, SoakRun(quick, _hear), pipeline_parts, output, baseline=baseline)


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


class _Run(Protocol):
    """A benchmark and what it has found."""

    quick: bool
    rows: list[Row]
    rules: dict[str, RuleSample]
    measurements: list[dict[str, object]]

    @property
    def corpora(self) -> Sequence[Facts]: ...

    def measure(self) -> None: ...


def _measure(name: str, engine_name: str, run: _Run, parts: Callable[[], dict[str, str]], output: str, *, baseline: bool) -> None:
    about, of = machine(), commit()
    # Whoever ends it ends its broker and its workers too.
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    try:
        found = parts()
        run.measure()
    except _NO_RESULT as error:
        _refuse(error)
    report = Report(name, engine_name, run.quick, about, of, found, run.rows, run.corpora, list(run.rules.values()), run.measurements)
    _publish(report, output, baseline=baseline)


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


def _begin_as_a_worker() -> None:
    """Measure the engine with the allocator that a worker has; the pipeline's workers see to themselves."""
    try:
        begin_anew()
    except AllocatorError as error:
        _refuse(error)


if __name__ == "__main__":
    if sys.argv[1:2] in (["engine"], ["profile"]):
        _begin_as_a_worker()
    loadtest(prog_name="python -m loadtest")
