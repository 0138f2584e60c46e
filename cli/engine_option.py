"""The option that names an engine, for the commands that judge without a worker's settings."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from cli.rule_files import USAGE
from processor.engines import DEFAULT_ENGINE, EngineName
from processor.trace_engine import EngineLostError


def _named(_context: click.Context, _option: click.Parameter, value: str) -> EngineName:
    return EngineName(value)


def engine_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--engine`, which BETRACE_ENGINE sets too; it arrives as an EngineName.

    An engine that is lost ends the command with status 2 and a line on standard error.
    """

    @wraps(command)
    def answering(*arguments: Any, **options: Any) -> None:  # noqa: ANN401  # whatever the command takes
        try:
            command(*arguments, **options)
        except EngineLostError as error:
            click.echo(f"betrace: {error}", err=True)
            raise SystemExit(USAGE) from error

    return click.option(
        "--engine",
        type=click.Choice([name.value for name in EngineName]),
        default=DEFAULT_ENGINE.value,
        envvar="BETRACE_ENGINE",
        callback=_named,
        show_default=True,
        show_envvar=True,
        help="What judges: luajit, or reference, the slow definition of what rules mean.",
    )(answering)
