"""What mends a diagnostic, where there is no doubt: the word it means, the rewrites of a bare condition, a sign of another language."""

from __future__ import annotations

import re
from dataclasses import dataclass

from compiler.diagnostics import Code, Diagnostic
from compiler.editor_text import EditorText
from compiler.parser import parse_rule
from compiler.rule_file import read_rule_file
from compiler.source import Region, SourceFile
from compiler.syntax import BareCondition

_MEANT = re.compile(r"did you mean `([^`]+)`\?")
_QUOTED = re.compile(r"quote the string: (\"[^\"]*\")")
_NAME = re.compile(r"quote a name that has [^:]*: \"([^\"]*)\"")
# Signs of other languages, by the hint that the compiler gives of them: pattern of what stands there, and what to write.
_SIGNS = {
    "write `and`": (re.compile(r" ?&&? ?"), " and "),
    "write `or`": (re.compile(r" ?\|\|? ?"), " or "),
    "write `not`": (re.compile(r"! ?"), "not "),
    "equality is `==`": (re.compile(r"="), "=="),
    "keywords are lower case": (re.compile(r"[A-Z]+"), ""),
}


@dataclass(frozen=True, slots=True)
class Edit:
    """A new text in place of `length` code points; line and column count from 0, in code points."""

    line: int
    column: int
    length: int
    text: str


@dataclass(frozen=True, slots=True)
class Fix:
    """What mends a diagnostic: a title and the edits."""

    title: str
    edits: tuple[Edit, ...]


def fixes(document: EditorText, diagnostic: Diagnostic) -> list[Fix]:
    """Return what mends a diagnostic of a text without doubt; nothing where there is one."""
    line, column = diagnostic.region.line - 1, diagnostic.region.column - 1
    if line >= len(document.lines):
        return []
    if diagnostic.code is Code.NEEDS_ALWAYS_OR_NEVER:
        return _rewrites(document, diagnostic.region)
    written = document.lines[line][column : column + diagnostic.region.length]
    meant = _MEANT.search(diagnostic.hint)
    if meant:
        quote = written[0] if len(written) > 1 and written[0] in "\"'" and written[0] == written[-1] else ""
        return [Fix(f"Write `{meant[1]}`", (Edit(line, column, len(written), f"{quote}{meant[1]}{quote}"),))]
    quoted = _QUOTED.search(diagnostic.hint)
    if quoted and quoted[1] == f'"{written}"':
        return [Fix(f"Write {quoted[1]}", (Edit(line, column, len(written), quoted[1]),))]
    name = _NAME.search(diagnostic.hint)
    if name:
        return _quoted(name[1], document.lines[line], diagnostic.region)
    return _sign(document.lines[line], line, column, diagnostic.hint)


def _quoted(name: str, text: str, region: Region) -> list[Fix]:
    """The name stands in the region, or the region in it."""
    start = text.find(name, max(0, region.column - 1 - len(name)))
    return [Fix(f'Write "{name}"', (Edit(region.line - 1, start, len(name), f'"{name}"'),))] if start >= 0 else []


def _sign(text: str, line: int, column: int, hint: str) -> list[Fix]:
    pattern, instead = _SIGNS.get(hint, (None, ""))
    if pattern is None:
        return []
    start = column - 1 if column and text[column - 1] == " " and pattern.match(text, column - 1) else column
    found = pattern.match(text, start)
    if found is None:
        return []
    new = instead or found[0].lower()
    return [Fix(f"Write `{new.strip()}`", (Edit(line, start, len(found[0]), new),))]


def _rewrites(document: EditorText, region: Region) -> list[Fix]:
    piece = document.pieces.at(region.line - 1)
    if piece is None:
        return []
    read = read_rule_file(SourceFile("", piece.as_file.encode("utf-8", "surrogatepass")))
    for entry in read.rules:
        tree = parse_rule(entry.rule.text).tree
        if not isinstance(tree, BareCondition):
            continue
        start, end = tree.condition.at
        first, last = entry.rule.locate(start), entry.rule.locate(end - 1)
        down = piece.first_line - 2
        return [
            Fix(
                f"Write `{word} {{ … }}`",
                (
                    Edit(first.line + down, first.column - 1, 0, f"{word} {{ "),
                    Edit(last.line + down, last.column - 1 + last.length, 0, " }"),
                ),
            )
            for word in ("always", "never")
        ]
    return []
