"""Run the corpora that need no engine: `parse/` against the parser, `check/` against the compiler."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from compiler import compile_sources
from compiler.diagnostics import Code, Diagnostic
from compiler.dump import dump
from compiler.parser import parse_rule
from compiler.source import SourceFile

if TYPE_CHECKING:
    from collections.abc import Iterable

    from compiler.parser import Problem
    from tests.conformance.case import CheckCase, ExpectedDiagnostic, ParseCase

# A rule's text stands in a file of its own, indented; what is said of it is moved back to the text of the case.
_BEFORE = "rules:\n  - id: rule\n    rule: |2+\n"
_LINES_BEFORE = _BEFORE.count("\n")
_INDENT = 6
_UNASKED = frozenset({Code.NO_TESTS})


@dataclass(frozen=True, slots=True)
class _Found:
    """A diagnostic as it was said, its place in the text of the case."""

    code: Code
    line: int
    column: int
    length: int
    file: str
    message: str
    hint: str

    def __str__(self) -> str:
        hint = f" ({self.hint})" if self.hint else ""
        return f"{self.file}{':' if self.file else ''}{self.line}:{self.column}+{self.length} {self.code}: {self.message}{hint}"

    def is_expected_by(self, expected: ExpectedDiagnostic) -> bool:
        """Whatever the case leaves out is not compared."""
        wanted = (expected.column, expected.length, expected.file, expected.message, expected.hint)
        given = (self.column, self.length, self.file, self.message, self.hint)
        same = all(want is None or want == have for want, have in zip(wanted, given, strict=True))
        return same and (self.code, self.line) == (expected.code, expected.line)


def run_parse(case: ParseCase) -> list[str]:
    """Return what is wrong: the tree as it was parsed, or the diagnostics that differ."""
    parsed = parse_rule(case.rule)
    if case.diagnostics is not None:
        return _differences(case.diagnostics, [_placed(case.rule, problem) for problem in parsed.problems])
    if parsed.tree is None:
        return [f"not parsed: {_placed(case.rule, problem)}" for problem in parsed.problems] or ["neither a tree nor a problem"]
    wanted, tree = " ".join((case.tree or "").split()), dump(parsed.tree)
    return [] if _tight(wanted) == tree else [f"expected {wanted}", f"got      {tree}"]


def _tight(tree: str) -> str:
    return tree.replace("( ", "(").replace(" )", ")")


def _placed(text: str, problem: Problem) -> _Found:
    start, end = problem.at
    before = text[:start]
    column = start - (before.rfind("\n") + 1) + 1
    line_end = text.find("\n", start)
    length = min(end, len(text) if line_end < 0 else max(line_end, start + 1)) - start
    return _Found(problem.code, before.count("\n") + 1, column, length, "", problem.message, problem.hint)


def run_check(case: CheckCase) -> list[str]:
    """Return what is wrong: diagnostics that are missing or that nobody expected, or a set refused without an error."""
    sources = _sources(case)
    compilation = compile_sources(sources, today_ns=_ns(case.today))
    found = [_moved(diagnostic, case) for diagnostic in compilation.diagnostics]
    problems = _differences(case.diagnostics or (), found)
    if (compilation.rule_set is None) != bool(compilation.errors):
        problems.append("a rule set stands beside errors, or neither is there")
    return problems


def _sources(case: CheckCase) -> list[SourceFile]:
    if case.files is not None:
        return [SourceFile(name, text.encode()) for name, text in case.files.items()]
    if case.file is not None:
        return [SourceFile("rules.yaml", case.file.encode())]
    lines = (case.rule or "").split("\n")
    text = _BEFORE + "\n".join(" " * _INDENT + line if line else "" for line in lines)
    return [SourceFile("rule", text.encode())]


def _ns(day: dt.date | None) -> int | None:
    if day is None:
        return None
    return int(dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC).timestamp()) * 10**9


def _moved(diagnostic: Diagnostic, case: CheckCase) -> _Found:
    region = diagnostic.region
    if case.rule is None:
        place, file = (region.line, region.column, region.length), region.file
    else:
        place, file = (region.line - _LINES_BEFORE, region.column - _INDENT, region.length), ""
    return _Found(diagnostic.code, *place, file, diagnostic.message, diagnostic.hint)


def _differences(expected: Iterable[ExpectedDiagnostic], found: Iterable[_Found]) -> list[str]:
    """Compare as multisets: each expected one takes a found one; the most exactly described choose first."""
    left = list(found)
    missing = []
    listed = {wanted.code for wanted in expected}
    for wanted in sorted(expected, key=lambda one: (one.column is None, one.length is None)):
        taken = next((one for one in left if one.is_expected_by(wanted)), None)
        if taken is None:
            missing.append(f"missing: {wanted.line}:{wanted.column or '?'} {wanted.code}" + (f" in {wanted.file}" if wanted.file else ""))
        else:
            left.remove(taken)
    return missing + [f"unexpected: {one}" for one in left if one.code not in _UNASKED - listed]
