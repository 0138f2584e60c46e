"""What every rule file must keep in its canonical form: what it means, and every comment."""

from __future__ import annotations

from dataclasses import fields, is_dataclass

from compiler import Rule, SourceFile, compile_sources, ir


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
            _textless(rule.program),
            [(one.name, _textless(one.formula), one.expires_ns) for one in rule.exceptions],
            [(one.name, one.expect, one.offenders, one.close, [_line(line) for line in one.trace.lines]) for one in rule.tests],
        )
        for rule in rules
    ]


def _textless(node: object) -> object:
    """A node of the meaning without the author's words for its comparisons."""
    if isinstance(node, tuple):
        return tuple(_textless(part) for part in node)
    if not is_dataclass(node) or type(node).__module__ != ir.__name__:
        return node
    parts = {
        part.name: "" if isinstance(node, ir.Comparison) and part.name == "text" else getattr(node, part.name) for part in fields(node)
    }
    return type(node).__name__, tuple(_textless(part) for part in parts.values())


def _line(line: object) -> tuple[object, ...]:
    assert is_dataclass(line)
    return tuple(getattr(line, part.name) for part in fields(line) if part.name != "region")
