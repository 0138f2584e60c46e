"""Rule files → a rule set: the whole way from bytes to meaning, with every diagnostic collected."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date

from compiler import ir
from compiler import syntax as s
from compiler.diagnostics import Code, Diagnostic, Severity
from compiler.dump import dump
from compiler.lint_rule_set import lint_rule_set
from compiler.literals import Malformed, read_duration, read_number
from compiler.lower_context import Let
from compiler.lower_rule import UNUSED_HINT, lower_exception, lower_file_let, lower_rule
from compiler.parser import parse_formula, parse_selector
from compiler.report import report
from compiler.rule_file import ExceptionEntry, LetEntry, RuleEntry, RuleFile, read_rule_file
from compiler.rule_set import Compilation, Rule, RuleException, RuleSet, RuleText
from compiler.rule_versions import fingerprint_of, version_of
from compiler.source import SourceFile
from compiler.spelling import RESERVED
from compiler.yaml_nodes import Scalar

_DAY_NS = 86_400 * 10**9
_UNIX_EPOCH = date(1970, 1, 1).toordinal()
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_DURATION = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:ns|us|ms|s|m|h)")


def compile_sources(sources: Sequence[SourceFile], *, today_ns: int | None = None) -> Compilation:
    """Compile rule files into one rule set; never raises, on any bytes.

    A set is refused whole when one rule has an error. With `today_ns` (unix nanoseconds) exceptions that have expired are warned of.
    """
    diagnostics: list[Diagnostic] = []
    rules: list[Rule] = []
    files = [read_rule_file(source) for source in sources]
    for file in files:
        rules += compile_file(file, diagnostics, today_ns)
    diagnostics += duplicate_ids([entry for file in files for entry in file.rules])
    if not any(one.severity is Severity.ERROR for one in diagnostics):
        diagnostics += lint_rule_set(rules)
    found = tuple(sorted(diagnostics, key=lambda one: (one.region.file, one.region.line, one.region.column, one.code)))
    if any(one.severity is Severity.ERROR for one in found):
        return Compilation(None, found)
    return Compilation(RuleSet(tuple(rules), fingerprint_of(rules)), found)


@dataclass(frozen=True, slots=True)
class FileLets:
    """What the rules of a file share: its named selectors and lists, and their canonical texts."""

    lets: dict[str, Let]
    canonical: dict[str, str]


def compile_file(read: RuleFile, diagnostics: list[Diagnostic], today_ns: int | None) -> list[Rule]:
    """Compile one file by itself: the rules that are right; what is wrong goes to the diagnostics."""
    diagnostics += read.diagnostics
    file = read_file_lets(read.lets, diagnostics)
    rules = [rule for entry in read.rules if (rule := compile_rule(entry, file, diagnostics, today_ns)) is not None]
    if any(one.severity is Severity.ERROR for one in diagnostics):
        return rules  # where a rule is wrong, what it would have used is not known
    diagnostics += [unused_let(name, let) for name, let in file.lets.items() if not let.used]
    return rules


def unused_let(name: str, let: Let) -> Diagnostic:
    """Return what is said of a name that no rule of its file uses."""
    return Diagnostic(Code.UNUSED_LET, let.region, f"`{name}` is not used by any rule of the file", UNUSED_HINT)


def read_file_lets(entries: Sequence[LetEntry], diagnostics: list[Diagnostic]) -> FileLets:
    """Return the names that a file gives its rules; what is wrong with them goes to the diagnostics."""
    file = FileLets({}, {})
    for entry in entries:
        name, region = entry.name.text, entry.name.region
        if name in RESERVED:
            diagnostics.append(Diagnostic(Code.SYNTAX, region, f"`{name}` is a word of the language"))
        elif name in file.lets or name in {"span", "root"}:
            diagnostics.append(Diagnostic(Code.DUPLICATE_NAME, region, f"`{name}` has a meaning already"))
        else:
            file.lets[name] = _read_let(entry, file, diagnostics)
    return file


def _read_let(entry: LetEntry, file: FileLets, diagnostics: list[Diagnostic]) -> Let:
    if isinstance(entry.text, Scalar):
        let, found, _ = lower_file_let(entry.text.text, entry.text.locate, entry.name.region, file.lets)
        diagnostics += found
        tree, _ = parse_selector(entry.text.text)
        file.canonical[entry.name.text] = "" if tree is None else dump(tree)
        return let
    items = tuple(_literal(item, diagnostics) for item in entry.text)
    file.canonical[entry.name.text] = repr(items)
    kinds = {type(item.value) if not isinstance(item.value, float) else int for item in items}
    if len(kinds) > 1:
        diagnostics.append(Diagnostic(Code.KIND_MISMATCH, entry.name.region, "the items of a list are of one kind"))
    return Let(items, entry.name.region)


def _literal(item: Scalar, diagnostics: list[Diagnostic]) -> ir.Literal:
    text = item.text
    if item.plain and text in {"true", "false"}:
        return ir.Literal(text == "true")
    read = read_number if _NUMBER.fullmatch(text) else read_duration if _DURATION.fullmatch(text) else None
    if not item.plain or read is None:
        return ir.Literal(text)
    value = read(text)
    if isinstance(value, Malformed):
        diagnostics.append(Diagnostic(value.code, item.region, value.message, value.hint))
        return ir.Literal(0)
    return ir.Literal(value)


def compile_rule(entry: RuleEntry, file: FileLets, diagnostics: list[Diagnostic], today_ns: int | None) -> Rule | None:
    """Compile one rule of a file, and mark the names it uses; None where it is wrong, which goes to the diagnostics."""
    requires_complete = entry.text.requires == "complete"
    lowered = lower_rule(entry.rule.text, entry.rule.locate, file.lets, requires_complete=requires_complete, name=entry.text.name)
    diagnostics += lowered.diagnostics
    exceptions = [found for one in entry.exceptions if (found := _compile_exception(one, file, diagnostics, today_ns)) is not None]
    if lowered.program is None or lowered.tree is None or len(exceptions) < len(entry.exceptions):
        return None
    return Rule(
        text=entry.text,
        program=lowered.program,
        clauses={clause.word: lowered.context.written(clause.at) for clause in lowered.tree.clauses},
        exceptions=tuple(exceptions),
        tests=entry.tests,
        report=report(lowered.program, tuple(one.formula for one in exceptions), entry.text.evidence),
        version=_version(entry, lowered.tree, exceptions, file),
        region=entry.region,
    )


def _compile_exception(entry: ExceptionEntry, file: FileLets, diagnostics: list[Diagnostic], today_ns: int | None) -> RuleException | None:
    formula, found, _ = lower_exception(entry.when.text, entry.when.locate, file.lets)
    diagnostics += found
    expires_ns = None if entry.expires is None else (entry.expires.toordinal() - _UNIX_EPOCH + 1) * _DAY_NS
    if expires_ns is not None and today_ns is not None and expires_ns <= today_ns:
        message = f"the exception `{entry.name}` has expired on {entry.expires}"
        diagnostics.append(Diagnostic(Code.EXPIRED_EXCEPTION, entry.region, message, "remove it, or give it a new last day"))
    return None if formula is None else RuleException(entry.name, entry.when.text, formula, entry.owner, entry.reason, expires_ns)


def duplicate_ids(entries: list[RuleEntry]) -> list[Diagnostic]:
    """Report each rule whose id an earlier one has."""
    first: dict[str, RuleEntry] = {}
    again = [(entry, earlier) for entry in entries if entry.text.id and (earlier := first.setdefault(entry.text.id, entry)) is not entry]
    return [
        Diagnostic(Code.DUPLICATE_ID, entry.region, f"there is a rule `{entry.text.id}` already, at {earlier.region}")
        for entry, earlier in again
    ]


def _version(entry: RuleEntry, tree: s.Rule, exceptions: list[RuleException], file: FileLets) -> str:
    """Hash the canonical text, the lets it uses and the metadata: layout and tests do not make a new version."""
    conditions = [_canonical(one.when_text) for one in exceptions]
    texts = [dump(tree), *conditions]
    used: dict[str, str] = {}
    pending = list(texts)
    while pending and file.canonical:
        words = set(re.findall(r"[A-Za-z_][A-Za-z0-9_]*", pending.pop()))
        for name in sorted(words & file.canonical.keys() - used.keys()):
            used[name] = file.canonical[name]
            pending.append(used[name])
    metadata: dict[str, object] = {field.name: getattr(entry.text, field.name) for field in fields(RuleText)}
    metadata |= {"rule": texts, "lets": sorted(used.items())}
    metadata["exceptions"] = [(one.name, when, one.expires_ns) for one, when in zip(exceptions, conditions, strict=True)]
    return version_of(json.dumps(metadata, sort_keys=True, default=str))


def _canonical(formula: str) -> str:
    tree, _ = parse_formula(formula)
    return "" if tree is None else dump(tree)
