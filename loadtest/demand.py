"""What a rule set reads of a record: what any decoder has to bring out, whatever judges."""

from __future__ import annotations

from dataclasses import dataclass

from compiler import RuleSet, ir
from compiler.ir_walk import walk


@dataclass(frozen=True, slots=True)
class Demand:
    """The attribute keys and span names that rules mention, sorted; `elements`: some are looked for in events or links."""

    keys: tuple[str, ...]
    names: tuple[str, ...]
    elements: bool


def demand_of(rule_set: RuleSet) -> Demand:
    """Return what the enabled rules, their exceptions and their evidence read; raises ValueError at a scope, which nothing here decodes."""
    keys, names, elements = set[str](), set[str](), False
    for rule in rule_set.enabled:
        keys.update(rule.text.evidence)
        for node in walk((rule.program, *[exception.formula for exception in rule.exceptions])):
            match node:
                case ir.Attribute(scope=ir.AttributeScope.SCOPE):
                    raise ValueError(f"rule {rule.id} reads an instrumentation scope, which no comparison decodes")
                case ir.Attribute(scope=scope, key=key):
                    keys.add(key)
                    elements = elements or scope is ir.AttributeScope.ELEMENT
                case ir.Named(name=name):
                    names.add(name)
    return Demand(tuple(sorted(keys)), tuple(sorted(names)), elements)
