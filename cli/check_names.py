"""The names that rules read and that never occurred in an input, as notes and as JSON."""

from __future__ import annotations

from collections.abc import Sequence

import click
from rich.console import Console
from rich.text import Text

from cli.rule_files import count_of
from cli.shown_text import brief, one_line
from compiler import ir
from compiler.read_names import Read
from processor.unseen_names import UnseenName

_RULES_MAX = 3
# More than these are no reading.
_TOLD_MAX = 20


def print_unseen(console: Console, unseen: Sequence[UnseenName]) -> None:
    """Print a note for each name."""
    for line in _lines(unseen):
        console.print(Text(line, style="yellow"), soft_wrap=True)


def say_unseen(unseen: Sequence[UnseenName]) -> None:
    """Say the same on standard error, for a form that has no place for it."""
    for line in _lines(unseen):
        click.echo(line, err=True)


def _lines(unseen: Sequence[UnseenName]) -> list[str]:
    lines = [f"note: {_sentence(one)}, {_rules(one.rules)}" for one in unseen[:_TOLD_MAX]]
    more = len(unseen) - len(lines)
    return [*lines, f"note: {count_of(more, 'more name')} that never occurred: ask with -o json"] if more > 0 else lines


def _sentence(one: UnseenName) -> str:
    attribute, name = one.read.attribute, f"`{brief(one.read.name)}`"
    near = "" if one.near is None else f" (did you mean `{brief(one.near)}`?)"
    if attribute is None:
        return f"no span is named {name}{near}"
    spans, where = _spans(one.read), _where(one.read)
    whose = f"{where} of {spans}" if one.read.element else spans
    of = "" if one.read.element or where == "any" else f"{where} "
    return f"no {whose} has the {of}attribute {name}{near}"


def _spans(read: Read) -> str:
    """Return which spans a name is read of; a span's own name stands between marks."""
    match read.base:
        case ir.Named(name=name):
            return f"`{brief(name)}`"
        case ir.Root():
            return "root"
        case _:
            return "span"


def _where(read: Read) -> str:
    """Return where an attribute is read: `any` is on a span or its resource."""
    return "" if read.attribute is None else read.element or read.attribute.scope.value


def _rules(rules: Sequence[str]) -> str:
    more = len(rules) - _RULES_MAX
    return f"{'rule' if len(rules) == 1 else 'rules'} {', '.join(rules[:_RULES_MAX])}{f' and {more} more' if more > 0 else ''}"


def unseen_json(one: UnseenName) -> dict[str, object]:
    """Return `{name, attribute_of, near, rules}`; `attribute_of` is None of a span's name, else `{spans, span, scope}`.

    `spans` is `name` (those named `span`), `root` or `any`; `scope` is any, span, resource, scope, event or link.
    """
    base = one.read.base
    kind = {ir.Named: "name", ir.Root: "root"}.get(type(base), "any")
    of = {"spans": kind, "span": one_line(base.name) if isinstance(base, ir.Named) else None, "scope": _where(one.read)}
    return {
        "name": one_line(one.read.name),
        "attribute_of": None if one.read.attribute is None else of,
        "near": None if one.near is None else one_line(one.near),
        "rules": list(one.rules),
    }
