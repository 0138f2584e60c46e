"""Diagnostics, shown: for a terminal with the line and a caret, and as plain data for JSON."""

from __future__ import annotations

from typing_extensions import TypedDict

from compiler.diagnostics import Diagnostic
from compiler.source import SourceFile

_LINE_LENGTH_MAX = 160


class DiagnosticRecord(TypedDict):
    """A diagnostic as JSON; `line` and `column` count from 1."""

    code: str
    severity: str
    file: str
    line: int
    column: int
    length: int
    message: str
    hint: str


def diagnostic_json(diagnostic: Diagnostic) -> DiagnosticRecord:
    """Return a diagnostic as a JSON object."""
    region = diagnostic.region
    return {
        "code": diagnostic.code.value,
        "severity": diagnostic.severity.value,
        "file": region.file,
        "line": region.line,
        "column": region.column,
        "length": region.length,
        "message": diagnostic.message,
        "hint": diagnostic.hint,
    }


def render(diagnostic: Diagnostic, source: SourceFile | None = None) -> str:
    """Return a diagnostic as a person reads it: place, severity and code, sentence; the line with a caret; the hint."""
    lines = [f"{diagnostic.region}: {diagnostic.severity}: {diagnostic.message} [{diagnostic.code}]"]
    excerpt = None if source is None else _line(source, diagnostic.region.line)
    if excerpt is not None and excerpt.strip() and len(excerpt) <= _LINE_LENGTH_MAX:
        gutter = str(diagnostic.region.line)
        pad = "".join("\t" if mark == "\t" else " " for mark in excerpt[: diagnostic.region.column - 1])
        caret = "^" * max(1, min(diagnostic.region.length, len(excerpt) - diagnostic.region.column + 1))
        lines += [f"  {gutter} | {excerpt}", f"  {' ' * len(gutter)} | {pad}{caret}"]
    if diagnostic.hint:
        lines.append(f"  hint: {diagnostic.hint}")
    return "\n".join(_printable(line) for line in lines)


def _printable(line: str) -> str:
    """A rule file may hold escape sequences; a terminal must not see them."""
    return "".join(mark if mark.isprintable() or mark == "\t" else "\ufffd" for mark in line)


def _line(source: SourceFile, number: int) -> str | None:
    lines = source.content.decode("utf-8-sig", "replace").split("\n")
    return lines[number - 1].rstrip("\r") if number <= len(lines) else None
