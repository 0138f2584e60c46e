"""`betrace topics`: the topics BeTrace needs, made where they are missing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import click

from cli.rule_files import fail
from cli.settings_options import load_settings, settings_options
from topics.admin import BrokerError, State, TopicState
from topics.admin import apply as apply_topics
from topics.settings import TopicSettings

_OUTPUT = click.option("--output", "-o", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Form of the answer.")


@click.group()
def topics() -> None:
    """Make the topics that BeTrace reads and writes."""


@topics.command("apply")
@_OUTPUT
@settings_options(TopicSettings)
def apply(output: str, settings_file: Path | None, **flags: object) -> None:
    """Create the topics that are missing; show how the others differ, and leave them as they are.

    Exit status: 0 every topic is there, 1 the broker refused to create one, 2 no broker answers.
    """
    settings = load_settings(TopicSettings, settings_file, flags)
    try:
        states = apply_topics(settings)
    except BrokerError as error:
        fail(str(error))
    click.echo(json.dumps([state.as_json() for state in states], indent=2) if output == "json" else _text(states))
    raise SystemExit(int(any(state.state is State.REFUSED for state in states)))


def _text(states: Sequence[TopicState]) -> str:
    lines = []
    for state in states:
        lines.append(f"{state.name}: {state.state}{f': {state.error}' if state.error else ''}")
        lines += [f"  {found.property}: is {found.actual}, wanted {found.wanted}; {found.advice}" for found in state.differences]
    return "\n".join(lines)
