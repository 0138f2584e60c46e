"""The `betrace` command: wires the rooms and decides nothing."""

from __future__ import annotations

import sys
from importlib import import_module

import click

# Command → module and name, imported when asked for: `betrace check` needs no Kafka client.
_COMMANDS = {
    "api": ("cli.api_command", "api"),
    "check": ("cli.check_command", "check"),
    "demo": ("cli.demo_command", "demo"),
    "rules": ("cli.rules_command", "rules"),
    "shard": ("cli.shard_command", "shard"),
    "topics": ("cli.topics_command", "topics"),
    "worker": ("cli.worker_command", "worker"),
}


class _Commands(click.Group):
    """A group that imports a command when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # click's signature
        if cmd_name not in _COMMANDS:
            return None
        module, name = _COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(module), name)
        return command


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
