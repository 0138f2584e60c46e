"""Rule files: YAML text → rules with their metadata, exceptions and tests (rule-language.md section 1).

What a rule says is not read here: its text and those of `let` and exceptions are handed on as scalars that know their places.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeGuard

from compiler.diagnostics import Code, Diagnostic
from compiler.rule_file_fields import Fields, Findings, shown
from compiler.rule_file_keys import (
    DATE,
    EXCEPTION_KEYS,
    FILE_KEYS,
    LIST_LENGTH_MAX,
    NAME,
    REDACTIONS,
    RULE_ID,
    RULE_KEYS,
    key_of,
    names_of,
    spellings,
)
from compiler.rule_file_tests import read_tests
from compiler.rule_set import RuleTest, RuleText
from compiler.source import Region, SourceFile
from compiler.yaml_nodes import Mapping, Node, Scalar, Sequence
from compiler.yaml_reader import read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

RULE_BYTES_MAX = 64 * 1024
_SEVERITY, _MODE, _REQUIRES = (key_of(RULE_KEYS, name) for name in ("severity", "mode", "requires"))
_RULE_ID = re.compile(RULE_ID)
_NAME = re.compile(NAME)
_DATE = re.compile(DATE)
# A plain scalar that YAML takes for a number has to be one of the rule language too, or be quoted.
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")


@dataclass(frozen=True, slots=True)
class LetEntry:
    """A name for the rules of a file: the text of a selector, or the items of a list.

    A plain item is a literal of the rule language or, where it is none, a string; a quoted one is a string.
    """

    name: Scalar
    text: Scalar | tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class ExceptionEntry:
    """A condition that excuses violations until the end of its last day `expires` (UTC); None: for ever."""

    name: str
    when: Scalar
    owner: str
    reason: str
    expires: dt.date | None
    region: Region


@dataclass(frozen=True, slots=True)
class RuleEntry:
    """A rule as it was written; `text.id` is empty where it is missing or no id, which has been reported. `region` is the id's."""

    text: RuleText
    rule: Scalar
    exceptions: tuple[ExceptionEntry, ...]
    tests: tuple[RuleTest, ...]
    region: Region


@dataclass(frozen=True, slots=True)
class RuleFile:
    """What could be read of a rule file, and every diagnostic."""

    lets: tuple[LetEntry, ...]
    rules: tuple[RuleEntry, ...]
    diagnostics: tuple[Diagnostic, ...]


def read_rule_file(source: SourceFile) -> RuleFile:
    """Return the rules of a file and all that is wrong with it; never raises, on any bytes.

    A rule without a text, or with one beyond 64 KiB, is reported and left out; so are exceptions, tests and let entries with errors.
    """
    root, diagnostics = read_yaml(source)
    findings = Findings()
    findings.all.extend(diagnostics)
    if root is None:
        if not diagnostics:
            findings.add(Code.MISSING_KEY, Region(source.name, 1, 1), "the file says nothing; it needs the key `rules`")
        return RuleFile((), (), tuple(findings.all))
    if not isinstance(root, Mapping):
        findings.bad(root, "a rule file is a mapping with the keys `let` and `rules`", "put the rules into a list under `rules:`")
        return RuleFile((), (), tuple(findings.all))
    fields = Fields(root, names_of(FILE_KEYS), findings, "a rule file")
    lets = tuple(_read_lets(fields))
    if fields.get("rules") is None:
        fields.missing("rules")
    rules = tuple(entry for mapping in fields.mappings("rules", "a rule") if (entry := _read_rule(mapping, findings)) is not None)
    return RuleFile(lets, rules, tuple(findings.all))


def _read_lets(fields: Fields) -> Iterator[LetEntry]:
    findings = fields.findings
    for name, node in fields.entries("let"):
        if not _NAME.fullmatch(name.text):
            findings.bad(name, f"`{shown(name.text)}` is no name", "a name is letters, digits and _, and begins with no digit")
        elif isinstance(node, Sequence):
            yield LetEntry(name, _list_items(node, findings))
        elif isinstance(node, Mapping) or node.value is None:
            findings.bad(node, f"`{shown(name.text)}` is a selector or a list", "payment.charge.where(amount > 1000), or [US, GB]")
        elif _fits(node, f"`{shown(name.text)}`", findings):
            yield LetEntry(name, node)


def _list_items(node: Sequence, findings: Findings) -> tuple[Scalar, ...]:
    if len(node.items) > LIST_LENGTH_MAX:
        findings.add(Code.TOO_LARGE, node.items[LIST_LENGTH_MAX].region, f"a list has at most {LIST_LENGTH_MAX} items")
        return ()
    return tuple(item for item in node.items if _is_literal(item, findings))


def _is_literal(item: Node, findings: Findings) -> TypeGuard[Scalar]:
    """Say whether an item is a literal; what YAML and the rule language read differently is reported."""
    if not isinstance(item, Scalar) or item.value is None:
        findings.bad(item, "an item of a list is a number, a duration, true, false or a string")
        return False
    foreign = isinstance(item.value, int | float) and item.text not in {"true", "false"} and not _NUMBER.fullmatch(item.text)
    if foreign:
        hint = f"write `{item.text.lower()}`" if isinstance(item.value, bool) else "write it in decimals, or quote a string"
        findings.bad(item, f"`{shown(item.text)}` is no literal of the rule language", hint)
    return not foreign


def _fits(text: Scalar, what: str, findings: Findings) -> bool:
    """Say whether a rule text is within its limit, else report it."""
    size = len(text.text.encode())
    if size > RULE_BYTES_MAX:
        findings.add(Code.TOO_LARGE, text.region, f"{what} has {size} bytes; the most is {RULE_BYTES_MAX}")
    return size <= RULE_BYTES_MAX


def _read_rule(mapping: Mapping, findings: Findings) -> RuleEntry | None:
    fields = Fields(mapping, names_of(RULE_KEYS), findings, "a rule")
    rule_id = _read_id(fields)
    rule = _read_rule_text(fields)
    id_node = mapping.get("id")
    region = mapping.region if id_node is None else id_node.region
    metadata = _read_metadata(fields, "" if rule_id is None else rule_id.text, "" if rule is None else rule.text)
    exceptions = tuple(_read_exceptions(fields))
    tests, declared = read_tests(fields)
    if not declared:
        findings.add(Code.NO_TESTS, region, "the rule has no tests", "add a trace that violates it and one that does not under `tests:`")
    return None if rule is None else RuleEntry(metadata, rule, exceptions, tests, region)


def _read_id(fields: Fields) -> Scalar | None:
    found = fields.required_text("id")
    if found is None or _RULE_ID.fullmatch(found.text):
        return found
    hint = "an id has at most 128 of a-z, 0-9 and . _ -, and begins with a letter or digit"
    fields.findings.bad(found, f"`{shown(found.text)}` is no rule id", hint)
    return None


def _read_rule_text(fields: Fields) -> Scalar | None:
    node = fields.only(*spellings(RULE_KEYS, "rule"))
    if node is None:
        fields.missing("rule")
        return None
    text = fields.findings.text(node, "`rule`")
    return text if text is not None and _fits(text, "the rule", fields.findings) else None


def _read_metadata(fields: Fields, rule_id: str, rule: str) -> RuleText:
    return RuleText(
        id=rule_id,
        rule=rule,
        name=fields.text("name"),
        description=fields.text("description"),
        severity=fields.choice(_SEVERITY),
        enabled=fields.flag("enabled", default=True),
        mode=fields.choice(_MODE),
        owner=fields.text("owner"),
        runbook=fields.text("runbook"),
        tags=fields.texts("tags"),
        controls=fields.texts(*spellings(RULE_KEYS, "controls")),
        replaces=fields.texts("replaces"),
        requires=fields.choice(_REQUIRES),
        evidence=fields.texts("evidence"),
        redact=tuple(_read_redactions(fields)),
    )


def _read_redactions(fields: Fields) -> Iterator[tuple[str, str]]:
    for key, node in fields.entries("redact"):
        way = fields.findings.choice(node, f"the redaction of `{shown(key.text)}`", REDACTIONS)
        if not key.text:
            fields.findings.bad(key, "an attribute's name is not empty")
        elif way is not None:
            yield key.text, way


def _read_exceptions(fields: Fields) -> Iterator[ExceptionEntry]:
    names: set[str] = set()
    for mapping in fields.mappings("exceptions", "an exception"):
        entry = _read_exception(Fields(mapping, names_of(EXCEPTION_KEYS), fields.findings, "an exception"))
        if entry is None:
            continue
        if entry.name in names:
            fields.findings.add(Code.DUPLICATE_NAME, entry.region, f"the rule has another exception named `{shown(entry.name)}`")
        names.add(entry.name)
        yield entry


def _read_exception(fields: Fields) -> ExceptionEntry | None:
    name = fields.required_text("name")
    when = fields.required_text("when")
    owner, reason = fields.text("owner"), fields.text("reason")
    expires, dated = _read_date(fields, "expires")
    fits = when is not None and _fits(when, "the condition", fields.findings)
    if name is None or when is None or not fits or not dated:
        return None
    return ExceptionEntry(name.text, when, owner, reason, expires, name.region)


def _read_date(fields: Fields, key: str) -> tuple[dt.date | None, bool]:
    """Return a date and whether the field is right: None is right where the key is absent."""
    node = fields.get(key)
    if node is None:
        return None, True
    try:
        # `fromisoformat` also reads week dates and dates without hyphens.
        if isinstance(node, Scalar) and _DATE.fullmatch(node.text):
            return dt.date.fromisoformat(node.text), True
    except ValueError:
        pass
    fields.findings.bad(node, f"`{key}` is a date: the last day, UTC", "2027-01-31")
    return None, False
