"""Files of the original BeTrace: YAML rule files of every generation, and bare expressions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from compiler.diagnostics import Code
from compiler.foreign.betrace_text import betrace_pieces, condition_rule, read_betrace
from compiler.foreign.drafts import (
    Draft,
    ExampleTest,
    Item,
    Locate,
    Note,
    Notes,
    Refusal,
    UnreadableError,
    document_of,
    refusal,
    source_text,
)
from compiler.foreign.text_reader import NotMapped, Piece
from compiler.notation_text import NotationWriter
from compiler.rule_file_fields import Fields, Findings, shown
from compiler.rule_file_keys import SEVERITIES
from compiler.rule_file_tests import read_tests
from compiler.yaml_nodes import Mapping, Node, Scalar, Sequence
from compiler.yaml_reader import read_yaml

if TYPE_CHECKING:
    from compiler.source import SourceFile

_TEXT_KEYS = ("condition", "expression", "rule")
_LIST_KEYS = ("tags", "controls", "compliance_frameworks")
_KEYS = (*_TEXT_KEYS, *_LIST_KEYS, "id", "name", "description", "severity", "enabled", "example_violation")
_IS_YAML = re.compile(rf"^\s*(?:- )?[\"']?(?:rules|{'|'.join(_KEYS)})[\"']?\s*:|^\s*(?:\[|\{{\s*[\"'])", re.MULTILINE)
_ALIKE = {"warning": "medium", "warn": "medium", "error": "high", "informational": "info", "moderate": "medium"}


class NoPolarityError(Exception):
    """A condition without clauses, of which nobody said whether it describes a violation or an invariant; holds where it stands."""

    def __init__(self, note: Note) -> None:
        super().__init__(str(note))


def betrace_items(source: SourceFile, polarity: str | None) -> Iterator[Item]:
    """Walk the rules of a file; raises UnreadableError where there is nothing to read, NoPolarityError where a polarity is needed."""
    document = document_of(source)
    if not _IS_YAML.search(document.text):
        for piece in betrace_pieces(document.text):
            yield _expression(piece, piece.text(document.text), lambda offset: document.region(offset, offset + 1), polarity)
        return
    root, diagnostics = read_yaml(source)
    if root is None:
        found = diagnostics[0] if diagnostics else None
        raise UnreadableError(found.region if found else source.name, found.message if found else "the file says nothing")
    notes = [Note(found.region, found.message) for found in diagnostics]
    for node in _rules(root):
        item = _rule(node, polarity)
        item.notes[:0] = notes
        notes = []
        yield item


def _rules(root: Node) -> tuple[Node, ...]:
    listed = root.get("rules") if isinstance(root, Mapping) else root
    if isinstance(listed, Sequence):
        return listed.items
    if isinstance(root, Mapping) and any(root.get(key) is not None for key in _TEXT_KEYS):
        return (root,)
    raise UnreadableError(root.region, "there are no rules: neither a list `rules` nor a rule with a `condition`")


def _expression(piece: Piece, original: str, locate: Locate, polarity: str | None) -> Item:
    notes = Notes(locate)
    try:
        rule = _rule_text(piece, notes, polarity)
    except NotMapped as problem:
        return refusal(problem, locate, original, "an expression", piece.offset)
    region = locate(piece.offset)
    return Draft(region=region, original=original, rule=rule, name=piece.title or f"rule {region.line}", notes=notes.all)


def _rule_text(piece: Piece, notes: Notes, polarity: str | None) -> str:
    found = read_betrace(piece, notes)
    if found.condition is None:
        return found.rule
    if polarity is None:
        message = "it has no clauses; say with --polarity whether such a condition describes a violation or an invariant: files have both"
        raise NoPolarityError(Note(notes.locate(piece.offset), message))
    return condition_rule(found.condition, polarity, notes, piece.offset)


def _rule(node: Node, polarity: str | None) -> Item:
    if not isinstance(node, Mapping):
        return Refusal(node.region, source_text(node), "an item", [Note(node.region, "a rule is a mapping with `id` and `condition`")])
    findings = Findings()
    fields = Fields(node, _KEYS, findings, "a rule")
    label = fields.text("name") or fields.text("id") or f"rule {node.region.line}"
    text = fields.only(*_TEXT_KEYS)
    if not isinstance(text, Scalar) or not text.text.strip():
        notes = [*_said(findings), Note(node.region, "it has no text: no `condition`, `expression` or `rule`")]
        return Refusal(node.region, source_text(node), f"rule `{shown(label)}`", notes)
    notes_of_text = Notes(text.locate)
    try:
        rule = _rule_text(_only_piece(text.text), notes_of_text, polarity)
    except NotMapped as problem:
        refused = refusal(problem, text.locate, text.text, f"rule `{shown(label)}`")
        refused.notes[:0] = _said(findings)
        return refused
    draft = Draft(
        region=text.region,
        original=text.text,
        rule=rule,
        name=fields.text("name") or label,
        rule_id=fields.text("id"),
        description=fields.text("description"),
        severity=_severity(fields),
        enabled=fields.flag("enabled", default=True),
        tags=_texts(fields, "tags"),
        controls=(*_texts(fields, "controls"), *_texts(fields, "compliance_frameworks")),
    )
    draft.tests = _example(fields)
    draft.notes = [*_said(findings), *notes_of_text.all]
    return draft


def _only_piece(text: str) -> Piece:
    pieces = betrace_pieces(text)
    if len(pieces) != 1:
        raise NotMapped(pieces[1].offset if pieces else 0, "it is not one condition")
    return pieces[0]


def _said(findings: Findings) -> list[Note]:
    """Return as notes what was not understood of the fields beside the text."""
    return [Note(found.region, found.message + (": left out" if found.code is Code.UNKNOWN_KEY else "")) for found in findings.all]


def _severity(fields: Fields) -> str:
    node = fields.get("severity")
    if node is None:
        return "medium"
    word = node.text.lower() if isinstance(node, Scalar) else ""
    if word in SEVERITIES:
        return word
    instead = _ALIKE.get(word, "medium")
    fields.findings.bad(node, f"severity `{shown(word)}` became `{instead}`")
    return instead


def _texts(fields: Fields, key: str) -> tuple[str, ...]:
    return () if fields.get(key) is None else fields.texts(key)


def _example(fields: Fields) -> list[ExampleTest]:
    """Return the example of a violation as a test: span i is a root from i to i + 1 ms."""
    if fields.get("example_violation") is None:
        return []
    tests, _ = read_tests(Fields(Mapping(fields.mapping.document, 0, 0, _only_example(fields.mapping)), _KEYS, fields.findings, "a rule"))
    found = []
    for test in tests:
        writer = NotationWriter()
        lines = [writer.root_line(line.name, line.start_ns, line.end_ns or line.start_ns, line.attributes) for line in test.trace.lines]
        if writer.left_out:
            fields.findings.bad(fields.mapping, f"of the example {writer.left_out} of the attributes have no notation (maps): left out")
        found.append(ExampleTest(test.name, "\n".join(lines)))
    return found


def _only_example(mapping: Mapping) -> tuple[tuple[Scalar, Node], ...]:
    return tuple((key, node) for key, node in mapping.entries if key.text == "example_violation")
