"""A demo told in plain lines: each violation explained as it appears, and what happens besides; or not told at all."""

from __future__ import annotations

from collections.abc import Sequence

import click
from rich.text import Text

from cli.check_text import stdout_console
from cli.demo_scene import Introduction, Scene, Tone
from cli.violation_text import violation_text
from compiler import RuleSet
from processor.finite import FiniteOutcome
from topics import names
from topics.violation import Violation

_STYLES = {Tone.PLAIN: "", Tone.BAD: "bold red", Tone.GOOD: "green"}


class Lines:
    """Prints (cli.demo_scene.Report)."""

    def __init__(self, rule_set: RuleSet) -> None:
        self._rule_set = rule_set
        self._expected: FiniteOutcome | None = None
        self._told_count = 0
        self._doing = ""
        self._console = stdout_console()

    def introduce(self, introduction: Introduction) -> None:
        """Print where everything is."""
        # The records were kept when they were judged for the comparison; a violation is shown in its trace.
        self._expected = introduction.expected
        click.echo("embedded broker: clock check off")
        click.echo(f"broker      {introduction.broker}  (spans: {names.SPANS.name}, violations: {names.VIOLATIONS.name})")
        click.echo(f"store       {introduction.store}")
        click.echo(f"workers     {'  '.join(introduction.workers)}  (/readyz, /metrics)")
        click.echo(f"api         {introduction.api}/v1/violations  {introduction.api}/docs")
        click.echo(f"rules       {len(self._rule_set.enabled)} from {introduction.rule_path}")
        click.echo(f"playing     {introduction.record_count} records of {introduction.expected.trace_count} traces\n")

    def show(self, scene: Scene, news: Sequence[Violation]) -> None:
        """Print what is new."""
        for told in scene.story:
            if told.number >= self._told_count:
                self._told_count = told.number + 1
                self._console.print(Text(f"{told.at_s:5.1f} s  {told.text}", style=_STYLES[told.tone]), soft_wrap=True)
        if scene.doing != self._doing:
            self._doing = scene.doing
            if self._doing:
                self._console.print(Text(f"{scene.elapsed_s:5.1f} s  … {self._doing}", style="dim"), soft_wrap=True)
        for record in news:
            self._print(record)

    def close(self) -> None:
        """Nothing is left to do."""

    def _print(self, record: Violation) -> None:
        view = None if self._expected is None else self._expected.view(record.trace.id)
        text = violation_text(record, self._rule_set[record.rule.id], view)
        if record.revision > 1:
            text.append(f"\n  revision {record.revision}: {record.change.value}", style="dim")
        self._console.print(text, soft_wrap=True)
        self._console.print()


class Silence:
    """Says nothing: only the end is wanted (cli.demo_scene.Report)."""

    def introduce(self, introduction: Introduction) -> None:
        """Say nothing."""

    def show(self, scene: Scene, news: Sequence[Violation]) -> None:
        """Say nothing."""

    def close(self) -> None:
        """Say nothing."""
