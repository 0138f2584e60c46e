"""Which rules are meant: picked by tag, control, severity and words; and what may have been meant where none is."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import click

from cli.columns import aligned
from cli.rules_arguments import SEVERITIES
from cli.shown_text import brief, one_line, shown_json
from compiler import RuleText

_SHOWN_NEAR_MAX = 3
_NEAR_LENGTH_MAX = 64
# What may follow a control that is named in part: a framework, its section, its paragraph.
_CONTROL_JOINTS = (":", ".", "(")


@dataclass(frozen=True, slots=True)
class Picking:
    """What rules are wanted; what is not said does not matter."""

    tags: Sequence[str] = ()
    controls: Sequence[str] = ()
    severities: Sequence[str] = ()
    words: Sequence[str] = ()

    def takes(self, text: RuleText) -> bool:
        """Say whether a rule has one of the tags, one of the controls, one of the severities and all words, as far as some are named."""
        return (
            (not self.tags or not set(self.tags).isdisjoint(text.tags))
            and (not self.controls or any(_is_within(control, wanted) for control in text.controls for wanted in self.controls))
            and (not self.severities or text.severity in self.severities)
            and all(_has_word(text, word) for word in self.words)
        )

    @property
    def is_empty(self) -> bool:
        """Whether nothing is said."""
        return not (self.tags or self.controls or self.severities or self.words)

    def unknown(self, texts: Sequence[RuleText]) -> Iterator[str]:
        """Yield a sentence for each tag and control that no rule has, with those that are near."""
        tags = {tag for text in texts for tag in text.tags}
        for tag in self.tags:
            if tag not in tags:
                yield f"no rule has the tag `{brief(tag)}`{near(tag, tags) or '; `list --tags` shows which there are'}"
        controls = {control for text in texts for control in text.controls}
        known = controls | {control.partition(":")[0] for control in controls}
        for control in self.controls:
            if not any(_is_within(one, control) for one in controls):
                yield f"no rule has the control `{brief(control)}`{near(control, known)}"


def picking_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options `tags`, `controls` and `severities` of a picking."""
    for option in (
        click.option("--severity", "severities", multiple=True, type=SEVERITIES, help="Only of this severity; repeatable."),
        click.option(
            "--control", "controls", multiple=True, help="Only for this control, as PCI-DSS, PCI-DSS:10 or PCI-DSS:10.2; repeatable."
        ),
        click.option("--tag", "tags", multiple=True, help="Only with this tag; repeatable, then with one of them."),
    ):
        command = option(command)
    return command


TAGS = click.option("--tags", "shows_tags", is_flag=True, help="List the tags of these rules instead, with how many rules have them.")


def show_tags(texts: Iterable[RuleText], output: str) -> None:
    """Print the tags of rules with how many have them, the most frequent first."""
    counts = Counter(tag for text in texts for tag in dict.fromkeys(text.tags))
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    if output == "json":
        click.echo(shown_json(dict(ordered)))
    else:
        for line in aligned([(one_line(tag), str(count)) for tag, count in ordered], {1}):
            click.echo(line)


def show_missing(picking: Picking, texts: Sequence[RuleText], none: str) -> None:
    """Say on stderr which tags and controls no rule has; else `none`, the sentence for an empty list, where there is one."""
    for sentence in [*picking.unknown(texts)] or [none] * bool(none):
        click.echo(sentence, err=True)


def near(word: str, known: Iterable[str]) -> str:
    """Return the question whether one of the known words was meant, those that are spelled nearly so, else those that it is a part of.

    Empty where none is near.
    """
    folded = {_folded(name): name for name in sorted(known)}
    wanted = _folded(word)
    if not wanted or len(wanted) > _NEAR_LENGTH_MAX:
        return ""
    found = (
        [name for name in folded if name == wanted]
        or difflib.get_close_matches(wanted, folded, n=_SHOWN_NEAR_MAX)
        or [name for name in folded if wanted in re.split(r"[^a-z0-9]+", name)]
        or [name for name in folded if wanted in name]
    )
    told = " or ".join(f"`{brief(folded[name])}`" for name in found[:_SHOWN_NEAR_MAX])
    return f"; did you mean {told}?" if told else ""


def _folded(word: str) -> str:
    return word.casefold().replace("_", "-").replace(" ", "-")


def _is_within(control: str, wanted: str) -> bool:
    return control == wanted or any(control.startswith(wanted + joint) for joint in _CONTROL_JOINTS)


def _has_word(text: RuleText, word: str) -> bool:
    """Say whether a word of what a rule tells about itself begins so: `ai` is in `ai-agents`, and not in `available`."""
    told = " ".join((text.id, text.name, text.description, *text.tags))
    return re.search(rf"(?<![a-z0-9]){re.escape(word.casefold())}", told.casefold()) is not None
