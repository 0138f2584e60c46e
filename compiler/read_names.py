"""The names that a rule reads: of spans, and of attributes of the spans of a name. What they occur in shows whether they are misspelt."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from compiler import ir
from compiler.ir_walk import walk

if TYPE_CHECKING:
    from compiler.rule_set import Rule
    from compiler.trace import Span

FreeBase: TypeAlias = "ir.Named | ir.AnySpan | ir.Root"


@dataclass(frozen=True, slots=True)
class Read:
    """A name that a rule reads: that of the spans of a base, or, where `attribute` is given, one of their attributes.

    `element` is `event` or `link` where the attribute is one of theirs.
    """

    base: FreeBase
    attribute: ir.Attribute | None = None
    element: str = ""

    @property
    def name(self) -> str:
        """The name itself."""
        if self.attribute is not None:
            return self.attribute.key
        return self.base.name if isinstance(self.base, ir.Named) else ""

    def is_of(self, span: Span) -> bool:
        """Say whether a span is one of the base."""
        match self.base:
            case ir.Named(name=name):
                return span.name == name
            case ir.Root():
                return not span.parent_id
            case _:
                return True

    def occurs_in(self, span: Span) -> bool:
        """Say whether the name occurs in a span."""
        return self.is_of(span) and (self.attribute is None or self.attribute.key in self.alternatives(span))

    def alternatives(self, span: Span) -> set[str]:
        """Return the names that a span of the base has where this one is read."""
        if self.attribute is None:
            return {span.name}
        resource = span.resource.attributes
        match self.attribute.scope:
            case ir.AttributeScope.ANY:
                return {*span.attributes, *resource}
            case ir.AttributeScope.SPAN:
                return {*span.attributes}
            case ir.AttributeScope.RESOURCE:
                return {*resource}
            case ir.AttributeScope.SCOPE:
                return {*span.scope.attributes}
            case ir.AttributeScope.ELEMENT:
                elements = span.events if self.element == "event" else span.links
                return {key for element in elements for key in element.attributes}


def names_read(rule: Rule) -> dict[Read, None]:
    """Return the names that a rule and its exceptions read, in order of their first appearance."""
    program = rule.program
    bound = None if program.for_each is None else _free(program.for_each.related.selector.base, None)
    parts = (program.for_each, program.when, program.always, program.never, *(one.formula for one in rule.exceptions))
    return dict.fromkeys(read for part in parts if part is not None for read in _of_formula(part, bound))


def _free(base: ir.Base, bound: FreeBase | None) -> FreeBase:
    """Return the base that spans are of, also where they are the bound one."""
    if isinstance(base, ir.Bound):
        assert bound is not None, "a bound span stands in a `for each` only"
        return bound
    return base


def _of_formula(part: object, bound: FreeBase | None) -> Iterator[Read]:
    for node in walk(part):
        match node:
            case ir.Related():
                yield from _of_related(node, bound)
            case ir.AllOf(selector=selector, predicate=predicate):
                yield from _of_selector(selector, bound)
                yield from _of_spans(_free(selector.base, bound), predicate, bound)
            case ir.Aggregate(related=related, of=of, by=by):
                yield from _of_spans(_free(related.selector.base, bound), (of, by), bound)
            case ir.Comparison(left=left, right=right):
                # The paths of its aggregates are theirs: what is left reads the bound span.
                yield from _of_spans(bound, (left, right), bound) if bound is not None else ()
            case _:
                pass


def _of_related(related: ir.Related, bound: FreeBase | None) -> Iterator[Read]:
    befores = (related.selector, *(link.selector for link in related.links))
    for selector in befores:
        yield from _of_selector(selector, bound)
    for before, link in zip(befores, related.links, strict=False):
        for selector in (before, link.selector):
            yield from _of_spans(_free(selector.base, bound), link.on, bound)


def _of_selector(selector: ir.Selector, bound: FreeBase | None) -> Iterator[Read]:
    base = _free(selector.base, bound)
    if isinstance(base, ir.Named):
        yield Read(base)
    yield from _of_spans(base, selector.where, bound)


def _of_spans(base: FreeBase, node: object, bound: FreeBase | None, element: str = "") -> Iterator[Read]:
    """Yield the attributes that a node reads of the spans of a base, and of the bound span."""
    # What speaks of other spans, of an event or of a link is not gone into.
    for found in walk(node, (ir.SomeElement, ir.Aggregate)):
        match found:
            case ir.SomeElement(word=word, predicate=predicate):
                yield from _of_spans(base, predicate, bound, word)
            case ir.Attribute(scope=scope, of=of):
                owner = base if of is None else bound
                assert owner is not None, "a bound span stands in a `for each` only"
                yield Read(owner, replace(found, of=None), element if scope is ir.AttributeScope.ELEMENT else "")
            case _:
                pass
