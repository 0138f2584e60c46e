"""Rules that differ from a rule in one place: what its tests should tell apart from it.

Comparisons are moved to their bound and turned round, connectives swapped, conditions dropped and negated, relations loosened and turned
round, clauses and heads dropped and swapped.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from compiler import ir
from compiler.ir_text import Writer, rule_text
from compiler.ir_walk import parts_of, walk, with_parts

_WORDS = {"<": ("<=", ">="), "<=": ("<", ">"), ">": (">=", "<="), ">=": (">", "<"), "==": ("!=",), "!=": ("==",)}
_RELATIONS = {
    "before": "after",
    "after": "before",
    "during": "overlaps",
    "overlaps": "during",
    "under": "child of",
    "child of": "under",
    "sibling of": "child of",
}
_AGGREGATES = {"sum": "max", "avg": "max", "max": "min", "min": "max"}
_TEXT_TESTS = {"startswith": "contains", "endswith": "contains", "contains": "startswith"}
_QUANTIFIERS = {"some": "every", "every": "some"}


@dataclass(frozen=True, slots=True)
class Mutant:
    """A rule with one change: the text of what was changed, before and after."""

    before: str
    after: str
    program: ir.Rule


@dataclass(frozen=True, slots=True)
class _Change:
    """A node that stands for another one, and the smallest texts that show the difference."""

    before: str
    after: str
    node: Any


def mutants(program: ir.Rule) -> Iterator[Mutant]:
    """Yield every mutant of a rule that says something else in its text, each once."""
    seen = {rule_text(program)}
    changes = _Changes(Writer.of(program))
    for change in [*_of_rule(program), *changes.below(program), *_of_selectors(program, changes)]:
        text = rule_text(change.node)
        if text not in seen:
            seen.add(text)
            yield Mutant(change.before, change.after, change.node)


def _of_selectors(program: ir.Rule, changes: _Changes) -> Iterator[_Change]:
    """Yield a rule with one of its selectors changed, wherever it stands: a `let` is written once."""
    for selector in dict.fromkeys(node for node in walk(program) if isinstance(node, ir.Selector)):
        for one in (*changes.of_selector(selector), *changes.below(selector)):
            yield replace(one, node=_substituted(program, selector, one.node))


def _substituted(node: Any, old: object, new: object) -> Any:  # noqa: ANN401  # any node gives one of its own type
    if node == old and type(node) is type(old):
        return new
    return with_parts(node, lambda part: _substituted(part, old, new))


def _of_rule(program: ir.Rule) -> Iterator[_Change]:
    if program.when is not None:
        yield _Change("when { … }", "no `when`", replace(program, when=None))
    if program.always is not None and program.never is not None:
        yield _Change("always { … }", "no `always`", replace(program, always=None))
        yield _Change("never { … }", "no `never`", replace(program, never=None))
    swapped = replace(program, always=program.never, never=program.always)
    word, other = ("always", "never") if program.always is not None else ("never", "always")
    yield _Change(f"{word} {{ … }}", f"{other} {{ … }}", swapped)


@dataclass(frozen=True, slots=True)
class _Changes:
    """All changes of the nodes of a rule outside of selectors, or inside of one."""

    writer: Writer

    def of(self, node: object) -> Iterator[_Change]:
        """Yield what may stand in a node's place: itself changed, then with a node below it changed."""
        if not isinstance(node, ir.Selector):
            yield from self._itself(node)
            yield from self.below(node)

    def of_selector(self, selector: ir.Selector) -> Iterator[_Change]:
        """Yield a selector that selects every span of its base."""
        if selector.where is not None:
            yield _Change(self.writer.selector(selector), self.writer.base(selector.base), replace(selector, where=None))

    def below(self, node: Any) -> Iterator[_Change]:  # noqa: ANN401  # any node, and what is none
        """Yield a node with one of those below it changed."""
        if isinstance(node, tuple):
            for at, item in enumerate(node):
                yield from (replace(one, node=(*node[:at], one.node, *node[at + 1 :])) for one in self.of(item))
        else:
            for name in parts_of(node):
                yield from (replace(one, node=replace(node, **{name: one.node})) for one in self.of(getattr(node, name)))

    def _itself(self, node: object) -> Iterator[_Change]:
        match node:
            case ir.And() | ir.Or() | ir.Not() | ir.Compare() | ir.Comparison() | ir.AllOf():
                text = self.writer.condition(node)
                yield from (_Change(text, self.writer.condition(one), one) for one in self._conditions(node))
            case ir.In() | ir.Matches() | ir.TextTest() | ir.Exists() | ir.IsTrue() | ir.SomeElement():
                text = self.writer.condition(node)
                yield from (_Change(text, self.writer.condition(one), one) for one in self._tests(node))
            case ir.Link():
                yield from (_Change(self.writer.link(node), self.writer.link(one), one) for one in self._links(node))
            case ir.Related(links=links) if links:
                shorter = replace(node, links=links[:-1])
                yield _Change(self.writer.related(node), self.writer.related(shorter), shorter)
            case ir.Aggregate(word=word) if word in _AGGREGATES:
                other = replace(node, word=_AGGREGATES[word])
                yield _Change(self.writer.value(node), self.writer.value(other), other)
            case _:
                return

    @staticmethod
    def _conditions(node: Any) -> Iterator[Any]:  # noqa: ANN401  # a condition of either sort gives one of the same
        match node:
            case ir.And(sides=sides) | ir.Or(sides=sides):
                yield (ir.Or if isinstance(node, ir.And) else ir.And)(sides)
                for at in range(len(sides)):
                    rest = (*sides[:at], *sides[at + 1 :])
                    yield rest[0] if len(rest) == 1 else replace(node, sides=rest)
            case ir.Not(body=body):
                yield body
            case ir.Compare(word=word):
                yield from (replace(node, word=other) for other in _WORDS[word])
            case ir.Comparison(word=word, quantifier=quantifier):
                yield from (replace(node, word=other) for other in _WORDS[word])
                if quantifier:
                    yield replace(node, quantifier=_QUANTIFIERS[quantifier])
            case ir.AllOf(selector=selector, predicate=predicate):
                where = predicate if selector.where is None else ir.And((selector.where, predicate))
                yield ir.Selected(ir.Related(replace(selector, where=where)))

    @staticmethod
    def _tests(node: ir.SpanTest) -> Iterator[Any]:
        yield ir.Not(node)
        match node:
            case ir.In(items=items) if len(items) > 1:
                # Nobody tests each item of a long list: that the first one counts, and that it is not alone.
                yield replace(node, items=items[1:])
                yield replace(node, items=items[:1])
            case ir.TextTest(word=word):
                yield replace(node, word=_TEXT_TESTS[word])
            case _:
                return

    @staticmethod
    def _links(node: ir.Link) -> Iterator[ir.Link]:
        other = _RELATIONS[node.relation]
        yield replace(node, relation=other) if other in {"before", "after"} else replace(node, relation=other, within_ns=None)
        if node.within_ns is not None:
            yield replace(node, within_ns=None)
        yield from (replace(node, on=(*node.on[:at], *node.on[at + 1 :])) for at in range(len(node.on)))
