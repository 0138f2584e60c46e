"""The rule library, read: its rules with their domains, found by their ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import PurePath

from cli.rule_picking import near
from cli.shown_text import brief
from compiler import Rule, SourceFile, compile_sources
from library import RULES
from processor.rule_directory import read_sources


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
        raise UnknownRuleError("\n".join(f"the library has no rule `{brief(rule_id)}`{near(rule_id, by_id)}" for rule_id in unknown))
    return [by_id[rule_id] for rule_id in dict.fromkeys(ids)]
