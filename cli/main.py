"""The `betrace` command: wires the rooms and decides nothing."""

from __future__ import annotations

import sys

import click

from cli.lazy_commands import LazyCommands

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
    # Span names may hold any bytes; a terminal that cannot show them is no reason to fail.
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # text streams of a process can be reconfigured
    betrace(prog_name="betrace")
