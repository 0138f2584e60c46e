"""A group of commands each of which is imported when it is used: `betrace check` needs no Kafka client."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import ClassVar

import click


class LazyCommands(click.Group):
    """A group whose subclass says in `LAZY` which further commands there are: module and name of each."""

    LAZY: ClassVar[Mapping[str, tuple[str, str]]]

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return sorted([*super().list_commands(ctx), *self.LAZY])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, imported now if it has not been before."""
        if cmd_name not in self.LAZY:
            return super().get_command(ctx, cmd_name)
        module, name = self.LAZY[cmd_name]
        command: click.Command = getattr(import_module(module), name)
        return command
