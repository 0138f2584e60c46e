"""What every rule file must keep in its canonical form: what it means, and every comment."""

from __future__ import annotations

from dataclasses import fields, is_dataclass

from compiler import Rule, SourceFile, compile_sources
from tests.meaning import without_texts


def rules_in(content: bytes) -> list[Rule]:
    """Return the rules of a file that has no errors."""
    compilation = compile_sources([SourceFile("a.yaml", content)])
    assert compilation.rule_set is not None, compilation.errors
    return list(compilation.rule_set.rules)


def meaning(rules: list[Rule]) -> list[object]:
    """Return what rules and their tests mean, and their versions, without what layout may change."""
    return [
        (
            rule.version,
            without_texts(rule.program),
            [(one.name, without_texts(one.formula), one.expires_ns) for one in rule.exceptions],
            [(one.name, one.expect, one.offenders, one.close, [_line(line) for line in one.trace.lines]) for one in rule.tests],
        )
        for rule in rules
    ]


def _line(line: object) -> tuple[object, ...]:
    assert is_dataclass(line)
    return tuple(getattr(line, part.name) for part in fields(line) if part.name != "region")
