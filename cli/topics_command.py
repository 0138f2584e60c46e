"""`betrace topics`: the topics BeTrace needs, compared with the table, made and changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from cli.rule_files import fail
from cli.settings_options import load_settings, settings_options
from cli.shown_text import shown_json
from topics import admin
from topics.admin import BrokerError, State, TopicState
from topics.drift import Acceptance, creation, diff, read_acceptance
from topics.names import TOPICS
from topics.schemas import SCHEMAS, schema_text
from topics.settings import TopicSettings

_OUTPUT = click.option("--output", "-o", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Form of the answer.")


@click.group()
def topics() -> None:
    """Make the topics that BeTrace reads and writes, and say where they are not as they should be."""


@topics.command("check")
@_OUTPUT
@settings_options(TopicSettings)
def check(output: str, settings_file: Path | None, **flags: object) -> None:
    """Show where the broker's topics differ from the table, as a diff; change nothing.

    Exit status: 0 all are there as wanted, 1 one is missing or differs, 2 wrong usage or no broker answers.
    """
    settings = load_settings(TopicSettings, settings_file, flags)
    try:
        states = admin.check(settings)
    except BrokerError as error:
        fail(str(error))
    _show(states, output)
    raise SystemExit(int(any(state.state is not State.AS_WANTED for state in states)))


@topics.command("apply")
@_OUTPUT
@click.option("--alter", is_flag=True, help="Also change what differs, where nothing is lost by it.")
@click.option(
    "--accept-loss",
    "accepted",
    multiple=True,
    metavar="TOPIC:PROPERTY",
    help="With --alter: make this change although it loses something; `betrace topics check` says what, and how to write it. Repeatable.",
)
@settings_options(TopicSettings)
def apply(output: str, alter: bool, accepted: tuple[str, ...], settings_file: Path | None, **flags: object) -> None:  # noqa: FBT001 - click's
    """Create the topics that are missing; show how the others differ, and leave them as they are unless told to alter them.

    Exit status: 0 every topic is there, 1 the broker refused something, 2 wrong usage or no broker answers.
    """
    settings = load_settings(TopicSettings, settings_file, flags)
    if accepted and not alter:
        raise click.UsageError("--accept-loss goes with --alter")
    try:
        states = admin.apply(settings, alters=alter, accepted=_acceptances(settings, accepted))
    except BrokerError as error:
        fail(str(error))
    _show(states, output)
    raise SystemExit(int(any(state.state in {State.REFUSED, State.MISSING} for state in states)))


@topics.command("schema")
@click.argument("name", type=click.Choice(sorted(SCHEMAS)))
def schema(name: str) -> None:
    """Print the JSON Schema of what is on a topic."""
    click.echo(schema_text(name))


def _acceptances(settings: TopicSettings, accepted: Sequence[str]) -> set[Acceptance]:
    names = [settings.topic_name(topic) for topic in TOPICS]
    try:
        return {read_acceptance(text, names) for text in accepted}
    except ValueError as error:
        raise click.UsageError(f"--accept-loss {error}") from None


def _show(states: Sequence[TopicState], output: str) -> None:
    click.echo(shown_json([state.as_json() for state in states]) if output == "json" else "\n".join(_lines(states)))


def _lines(states: Sequence[TopicState]) -> Iterator[str]:
    for state in states:
        yield f"{state.name}: {state.state}{f': {state.error}' if state.error else ''}"
        if state.state is State.MISSING:
            yield from creation(state.name, dict(state.wanted))
        yield from (f"    altered {it.property}: {it.actual} -> {it.wanted}" for it in state.altered)
        if state.changes:
            yield from diff(state.name, state.changes)
        if state.untold:
            yield f"    not told by this broker: {', '.join(state.untold)}"
