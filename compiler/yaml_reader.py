"""YAML as rule files use it: the core schema of YAML 1.2, strict, read from libyaml's events.

Refused, so that a text means what it shows: anchors, aliases and tags, a second document, keys that repeat or are no scalars, tabs as
indentation, control characters, line separators other than LF and CR LF, nesting deeper than 32.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from yaml import CSafeLoader, YAMLError, parse
from yaml.error import MarkedYAMLError
from yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    DocumentStartEvent,
    Event,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceStartEvent,
)

from compiler.diagnostics import Code, Diagnostic
from compiler.source import Region, SourceFile
from compiler.yaml_hints import outside_of_text
from compiler.yaml_nodes import Document, Mapping, Node, Scalar, Sequence

__all__ = ["DEPTH_MAX", "FORBIDDEN", "Mapping", "Node", "Scalar", "Sequence", "read_yaml"]

DEPTH_MAX = 32
_REFUSED_MAX = 20
_BYTE_ORDER_MARK = "\ufeff"
# NEL, LS and PS break lines for libyaml (YAML 1.1) and do not for YAML 1.2; a lone CR breaks lines for YAML and not for most tools.
FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]|\r(?!\n)")
_TAB_INDENT = re.compile("^ *\t", re.MULTILINE)
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def read_yaml(source: SourceFile) -> tuple[Node | None, list[Diagnostic]]:
    """Return the one document of a file, and what is wrong with it; never raises, on any bytes.

    The node is None where the text is not such YAML, or says nothing. With repeated keys there is a node and an error: the first
    of them stands. Time and memory are linear in the text.
    """
    try:
        text = source.content.decode("utf-8").removeprefix(_BYTE_ORDER_MARK)
    except UnicodeDecodeError as error:
        return None, [_not_utf8(source, error.start)]
    document = Document(source.name, text)
    diagnostics = _forbidden(document)
    if diagnostics:
        return None, diagnostics
    builder = _Builder(document)
    try:
        for event in parse(text, Loader=CSafeLoader):
            builder.take(event)
            if not builder.wants_more:
                break
    except YAMLError as error:
        builder.refuse(_syntax(document, error))
    found = [*builder.refused, *builder.repeated]
    return (None if builder.refused else builder.root), found


def _not_utf8(source: SourceFile, start: int) -> Diagnostic:
    line_start = source.content.rfind(b"\n", 0, start) + 1
    # Only the first bad byte has been found, so the line is whole before it.
    before = source.content[line_start:start].decode("utf-8").removeprefix(_BYTE_ORDER_MARK if line_start == 0 else "")
    region = Region(source.name, source.content.count(b"\n", 0, start) + 1, len(before) + 1)
    return Diagnostic(Code.SYNTAX, region, f"byte 0x{source.content[start]:02x} is no UTF-8", "save the file as UTF-8")


def _forbidden(document: Document) -> list[Diagnostic]:
    """Report characters that a rule file may not hold, the first of them."""
    found = []
    for match in FORBIDDEN.finditer(document.text):
        region = document.region(match.start(), match.end())
        hint = "write it as an escape in a double-quoted string" if match[0] > "\xa0" else "remove it"
        found.append(Diagnostic(Code.SYNTAX, region, f"character U+{ord(match[0]):04X} cannot stand in a rule file", hint))
        if len(found) == _REFUSED_MAX:
            return found
    for match in _TAB_INDENT.finditer(document.text):
        region = document.region(match.end() - 1, match.end())
        found.append(Diagnostic(Code.SYNTAX, region, "a tab cannot indent a line", "indent with spaces"))
        if len(found) == _REFUSED_MAX:
            break
    return found


def _syntax(document: Document, error: YAMLError) -> Diagnostic:
    mark = error.problem_mark or error.context_mark if isinstance(error, MarkedYAMLError) else None
    start = mark.index if mark else 0
    region = document.region(start, start + 1)
    outside = outside_of_text(document, region.line - 1)
    if outside is not None:
        hint = f"the lines of a text stand deeper than `{outside.key}:`, none less deep than the first"
        return Diagnostic(Code.SYNTAX, outside.region, f"this is no YAML: the line stands outside of `{outside.key}`", hint)
    problem = getattr(error, "problem", None) or "it cannot be read"
    context = getattr(error, "context", None)
    return Diagnostic(Code.SYNTAX, region, f"this is no YAML: {problem}", f"{context}" if context else "")


def _indices(event: Event) -> tuple[int, int]:
    """Return where an event begins and ends; libyaml marks every event."""
    return (event.start_mark.index if event.start_mark else 0), (event.end_mark.index if event.end_mark else 0)


@dataclass(slots=True)
class _Open:
    """A collection whose end has not been read."""

    start: int
    is_mapping: bool
    items: list[Node] = field(default_factory=list)
    entries: list[tuple[Scalar, Node]] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    key: Scalar | None = None


class _Builder:
    """Builds the tree of a document event by event; what cannot be read is collected in `refused`."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.root: Node | None = None
        self.refused: list[Diagnostic] = []
        self.repeated: list[Diagnostic] = []
        self.wants_more = True
        self._open: list[_Open] = []
        self._documents = 0

    def refuse(self, diagnostic: Diagnostic) -> None:
        """Collect an error that leaves no document; after 20 reading ends."""
        self.refused.append(diagnostic)
        self.wants_more = len(self.refused) < _REFUSED_MAX

    def take(self, event: Event) -> None:
        """Read the next event."""
        if isinstance(event, NodeEvent):
            self._check(event)
            self._node(event)
        elif isinstance(event, CollectionEndEvent):
            self._close(event)
        elif isinstance(event, DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                self.refuse(self._finding(event, "a rule file holds one document", "put the rules into one list, or into two files"))
                self.wants_more = False

    def _finding(self, event: Event, message: str, hint: str) -> Diagnostic:
        return Diagnostic(Code.SYNTAX, self._region(event), message, hint)

    def _region(self, event: Event) -> Region:
        return self.document.region(*_indices(event))

    def _check(self, event: NodeEvent) -> None:
        """Refuse what makes a text mean something it does not show."""
        if isinstance(event, AliasEvent):
            self.refuse(self._finding(event, f"`*{event.anchor}` is an alias; aliases are not used", "write the value again"))
        elif event.anchor is not None:
            self.refuse(self._finding(event, f"`&{event.anchor}` is an anchor; anchors are not used", "remove it"))
        tag = getattr(event, "tag", None)
        if tag is not None:
            self.refuse(self._finding(event, f"`{tag}` is a tag; tags are not used", "quote a value that is a string"))

    def _node(self, event: NodeEvent) -> None:
        start, end = _indices(event)
        if isinstance(event, ScalarEvent):
            self._check_escapes(event)
            self._place(Scalar(self.document, start, end, event.value, event.style or ""))
        elif isinstance(event, AliasEvent):
            self._place(Scalar(self.document, start, end, "", ""))
        elif len(self._open) == DEPTH_MAX:
            region = self._region(event)
            self.refuse(Diagnostic(Code.TOO_DEEP, region, f"the file is nested deeper than {DEPTH_MAX} levels"))
            self.wants_more = False
        elif isinstance(event, SequenceStartEvent | MappingStartEvent):
            self._open.append(_Open(start, isinstance(event, MappingStartEvent)))

    def _check_escapes(self, event: ScalarEvent) -> None:
        """Refuse control characters also where they come from escapes: names and texts are shown in terminals."""
        control = _CONTROL.search(event.value) if event.style == '"' else None
        if control:
            message = f"character U+{ord(control[0]):04X} cannot stand in a rule file, not even escaped"
            self.refuse(self._finding(event, message, "remove it"))

    def _close(self, event: CollectionEndEvent) -> None:
        closed = self._open.pop()
        _, end = _indices(event)
        if closed.is_mapping:
            self._place(Mapping(self.document, closed.start, end, tuple(closed.entries)))
        else:
            self._place(Sequence(self.document, closed.start, end, tuple(closed.items)))

    def _place(self, node: Node) -> None:
        """Put a finished node where it belongs."""
        if not self._open:
            self.root = node
            return
        parent = self._open[-1]
        if not parent.is_mapping:
            parent.items.append(node)
        elif parent.key is None:
            parent.key = self._key(node)
        else:
            self._entry(parent, parent.key, node)
            parent.key = None

    def _key(self, node: Node) -> Scalar:
        if isinstance(node, Scalar):
            return node
        self.refuse(Diagnostic(Code.SYNTAX, node.region, "a key is a plain word or a string", "quote it if it begins with a bracket"))
        return Scalar(self.document, node.start, node.end, "", "")

    def _entry(self, parent: _Open, key: Scalar, node: Node) -> None:
        if key.text in parent.names:
            self.repeated.append(Diagnostic(Code.DUPLICATE_KEY, key.region, f"`{key.text}` is there twice", "keep one of them"))
            return
        parent.names.add(key.text)
        parent.entries.append((key, node))
