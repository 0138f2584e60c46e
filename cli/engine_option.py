"""The option that names an engine, for the commands that judge without a worker's settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from processor.engines import DEFAULT_ENGINE, EngineName


def _named(_context: click.Context, _option: click.Parameter, value: str) -> EngineName:
    return EngineName(value)


def engine_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--engine`, which BETRACE_ENGINE sets too; it arrives as an EngineName."""
    return click.option(
        "--engine",
        type=click.Choice([name.value for name in EngineName]),
        default=DEFAULT_ENGINE.value,
        envvar="BETRACE_ENGINE",
        callback=_named,
        show_default=True,
        show_envvar=True,
        help="What judges: luajit, or reference, the slow definition of what rules mean.",
    )(command)
