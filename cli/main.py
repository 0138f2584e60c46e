"""The `betrace` command: wires the rooms and decides nothing."""

from __future__ import annotations

import os
import sys

import click

from cli.lazy_commands import LazyCommands
from cli.streams import OutputError, use_streams

# Command → module and name.
_COMMANDS = {
    "api": ("cli.api_command", "api"),
    "check": ("cli.check_command", "check"),
    "demo": ("cli.demo_command", "demo"),
    "lsp": ("cli.lsp_command", "lsp"),
    "rules": ("cli.rules_command", "rules"),
    "shard": ("cli.shard_command", "shard"),
    "topics": ("cli.topics_command", "topics"),
    "worker": ("cli.worker_command", "worker"),
}


class _Commands(LazyCommands):
    LAZY = _COMMANDS


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="betrace", message="%(prog)s %(version)s")
def betrace() -> None:
    """Check behavioural rules over OpenTelemetry traces.

    Exit status: 0 fine, 1 violations or failed tests, 2 wrong usage or input.
    """


def main() -> None:
    """Run the command line."""
    if sys.argv[1:2] == ["worker"]:
        _take_allocator()
    use_streams()
    try:
        betrace(prog_name="betrace")
    except OutputError as error:
        # What is left in the buffer has to go somewhere when the process ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        click.echo(f"betrace: standard output: {error.strerror or error}", err=True)
        raise SystemExit(2) from error


def _take_allocator() -> None:
    # What it imports takes a quarter of the time that the command line takes to begin, and only the worker needs it.
    from cli.allocator import AllocatorError, begin_anew  # noqa: PLC0415

    try:
        begin_anew()
    except AllocatorError as error:
        click.echo(f"betrace: {error}", err=True)
        raise SystemExit(2) from error
