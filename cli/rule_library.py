"""The rule library, read: its rules with their domains, picked by id, tag, control and severity."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import PurePath

from compiler import Rule, SourceFile, compile_sources
from library import RULES
from processor.rule_directory import read_sources

_SHOWN_NEAR_MAX = 3
# What may follow a control that is named in part: a framework, its section, its paragraph.
_CONTROL_JOINTS = (":", ".", "(")


class UnknownRuleError(ValueError):
    """The library has no rule of this id; the sentence names those that are spelled nearly so."""


@dataclass(frozen=True, slots=True)
class LibraryRule:
    """A rule of the library and the file that it stands in."""

    rule: Rule
    source: SourceFile

    @property
    def domain(self) -> str:
        """The name of the file without its suffix."""
        return PurePath(self.source.name).stem


@dataclass(frozen=True, slots=True)
class Picking:
    """What rules are wanted; what is not said does not matter."""

    tags: Sequence[str] = ()
    controls: Sequence[str] = ()
    severities: Sequence[str] = ()

    def takes(self, found: LibraryRule) -> bool:
        """Say whether a rule has one of the tags, one of the controls and one of the severities, as far as some are named."""
        text = found.rule.text
        return (
            (not self.tags or not set(self.tags).isdisjoint(text.tags))
            and (not self.controls or any(_is_within(control, wanted) for control in text.controls for wanted in self.controls))
            and (not self.severities or text.severity in self.severities)
        )

    @property
    def is_empty(self) -> bool:
        """Whether nothing is said."""
        return not (self.tags or self.controls or self.severities)


@cache
def library_rules() -> tuple[LibraryRule, ...]:
    """Return the rules of the library by domain, each in the order of its file."""
    sources = {source.name: source for source in read_sources(RULES)}
    rule_set = compile_sources(list(sources.values())).rule_set
    assert rule_set is not None, "the library is shipped with rules that the compiler accepts"
    return tuple(LibraryRule(rule, sources[rule.region.file]) for rule in rule_set.rules)


def named_rules(rules: Sequence[LibraryRule], ids: Sequence[str]) -> list[LibraryRule]:
    """Return the rules of some ids, each once, in the order asked for; raises UnknownRuleError."""
    by_id = {found.rule.id: found for found in rules}
    unknown = [rule_id for rule_id in ids if rule_id not in by_id]
    if unknown:
        raise UnknownRuleError("\n".join(_unknown(rule_id, list(by_id)) for rule_id in unknown))
    return [by_id[rule_id] for rule_id in dict.fromkeys(ids)]


def _unknown(rule_id: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(rule_id, known, n=_SHOWN_NEAR_MAX) or [one for one in known if rule_id in one][:_SHOWN_NEAR_MAX]
    return f"the library has no rule `{rule_id}`" + (f"; did you mean {' or '.join(f'`{one}`' for one in near)}?" if near else "")


def _is_within(control: str, wanted: str) -> bool:
    return control == wanted or any(control.startswith(wanted + joint) for joint in _CONTROL_JOINTS)
