"""`betrace rules explain`: what rules mean, in plain English."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import click

from cli.rule_files import fail, rule_set_or_exit
from cli.rules_arguments import PATHS
from cli.shown_text import one_line, shown_json, some_lines
from compiler import Explanation, explain

_WIDTH = 100


@click.command("explain")
@PATHS
@click.option("--rule", "rule_ids", multiple=True, metavar="ID", help="Only this rule; may be repeated.")
@click.option(
    "--output", "-o", type=click.Choice(["text", "json", "markdown"]), default="text", show_default=True, help="Form of the answer."
)
def explain_rules(paths: Sequence[Path], rule_ids: Sequence[str], output: str) -> None:
    """Explain the rules of PATH (files or directories): when each applies, what must and must not be there, and what is easily overlooked.

    Also said: when it is decided, what is kept of an open trace, what is read, and what may leave in a violation.

    Exit status: 0 explained; 2 the rules are refused, there is no such rule, or there is nothing to read.
    """
    rules = rule_set_or_exit(paths).rules
    unknown = set(rule_ids) - {rule.id for rule in rules}
    if unknown:
        fail(f"no rule {', '.join(sorted(unknown))} in {', '.join(map(str, paths))}")
    explanations = [explain(rule) for rule in rules if not rule_ids or rule.id in rule_ids]
    if output == "json":
        click.echo(shown_json([_json(explanation) for explanation in explanations]))
        return
    show = explanation_markdown if output == "markdown" else _text
    click.echo("\n\n".join(some_lines("\n".join(show(explanation))) for explanation in explanations))


def _json(explanation: Explanation) -> dict[str, object]:
    return {**asdict(explanation), "facts": dict(explanation.facts)}


def _text(explanation: Explanation) -> Iterator[str]:
    yield f"{explanation.rule_id}: {one_line(explanation.title)}" if explanation.title else explanation.rule_id
    yield ""
    for line in explanation.meaning:
        yield from _wrapped(line, "  ")
    for picture in explanation.pictures:
        yield from ("", *(f"      {line}" for line in picture.split("\n")))
    for label, lines in (("Excused", explanation.exceptions), ("Mind", explanation.fine_print)):
        if lines:
            yield from ("", f"  {label}")
            for line in lines:
                yield from _wrapped(f"- {line}", "    ")
    yield ""
    width = max(len(label) for label, _ in explanation.facts)
    for label, text in explanation.facts:
        yield from textwrap.wrap(
            one_line(text), _WIDTH, initial_indent=f"  {label.ljust(width)}  ", subsequent_indent=" " * (width + 4), break_on_hyphens=False
        )


def _wrapped(line: str, indent: str) -> list[str]:
    hanging = "  " if line.startswith("- ") else ""
    return textwrap.wrap(one_line(line), _WIDTH, initial_indent=indent, subsequent_indent=indent + hanging, break_on_hyphens=False)


def explanation_markdown(explanation: Explanation) -> Iterator[str]:
    """Yield the lines of an explanation in Markdown."""
    yield f"## `{explanation.rule_id}`"
    if explanation.title:
        yield from ("", f"**{one_line(explanation.title)}**")
    yield ""
    before = ""
    for line in explanation.meaning:
        if line.startswith("- ") and not before.startswith("- "):
            yield ""
        yield one_line(line)
        before = line
    for picture in explanation.pictures:
        yield from ("", "```text", *picture.split("\n"), "```")
    for label, lines in (("Excused", explanation.exceptions), ("Mind", explanation.fine_print)):
        if lines:
            yield from ("", f"**{label}**", "", *(f"- {one_line(line)}" for line in lines))
    yield from ("", "| | |", "|---|---|")
    for label, text in explanation.facts:
        yield f"| {label} | {one_line(text).replace('|', chr(92) + '|')} |"
