"""The test notation: one span per line, `name start..end {item}` (rule-language.md section 10).

Beyond the letter of that section: a quoted key is the whole name of an attribute, `scope.x=` is an attribute of the scope, and the
intrinsics `span:statusMessage=` and `instrumentation:version=` set what no other word sets.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Protocol

from compiler.diagnostics import Code, Diagnostic
from compiler.notation_line import INSTANT_NS, ORPHAN_PARENT_ID, Draft, EventItem, LinkItem, read_line
from compiler.notation_scanner import BadNotation, Cursor

if TYPE_CHECKING:
    from compiler.source import Region
    from compiler.trace import Attributes

__all__ = ["INSTANT_NS", "ORPHAN_PARENT_ID", "TRACE_ID", "EventItem", "LinkItem", "Located", "SpanLine", "TestTrace", "parse_trace"]

TRACE_ID = "f0000000000000000000000000000001"
BAD_LINES_MAX = 50


class Located(Protocol):
    """A text that knows where each piece of it stands in a file: `compiler.yaml_nodes.Scalar` is one."""

    @property
    def text(self) -> str:
        """The text."""
        ...

    def locate(self, offset: int, length: int = 1) -> Region:
        """Return the place of a piece of the text."""
        ...


@dataclass(frozen=True, slots=True)
class SpanLine:
    """One span of a test trace.

    Times are nanoseconds from `INSTANT_NS`; `end_ns` None: no end. `parent_id` is final and empty for none; `parent_index` is the line
    above that it names, if any. `kind` and `status` are OTLP's numbers, ids lower-case hex, `resource` the resource's attributes.
    `number` is the line's in the text of the trace, from 1; by it the default id is `f` and 15 decimal digits.
    """

    name: str
    start_ns: int
    end_ns: int | None
    span_id: str
    number: int
    region: Region
    parent_id: str = ""
    parent_index: int | None = None
    resource: Attributes = field(default_factory=dict)
    attributes: Attributes = field(default_factory=dict)
    kind: int = 1
    status: int = 0
    status_message: str = ""
    scope_name: str = ""
    scope_version: str = ""
    scope_attributes: Attributes = field(default_factory=dict)
    events: tuple[EventItem, ...] = ()
    links: tuple[LinkItem, ...] = ()
    arrives_ns: int = 0


@dataclass(frozen=True, slots=True)
class TestTrace:
    """The spans of a test in the order they are written, which is also that of those that arrive at one moment."""

    __test__: ClassVar[bool] = False

    lines: tuple[SpanLine, ...]


@dataclass(frozen=True, slots=True)
class TraceWords:
    """A line of a trace as it is written: its number, how deep it is indented, its name, times and items."""

    number: int
    depth: int
    words: tuple[str, ...]


def default_id(number: int) -> str:
    """Return the id of a span that gives none, by the number of its line."""
    return f"f{number:015d}"


def parse_trace(text: Located) -> tuple[TestTrace | None, list[Diagnostic]]:
    """Return the trace of a text, or None and what is wrong with it: the first mistake of each line, all `bad-trace`.

    Never raises, on any text; time is linear in it. After 50 bad lines reading ends.
    """
    reader = _read(text)
    if not reader.drafts:
        reader.diagnostics.append(Diagnostic(Code.BAD_TRACE, text.locate(0), "the trace has no spans", "checkout  0ms..90ms"))
    if reader.diagnostics:
        return None, reader.diagnostics
    return TestTrace(tuple(reader.lines())), []


def trace_words(text: Located) -> list[TraceWords]:
    """Return the words of a trace without mistakes, line by line."""
    drafts = _read(text).drafts
    depths: list[int] = []
    for draft in drafts:
        depths.append(0 if draft.above is None else depths[draft.above] + 1)
    return [TraceWords(draft.number, depth, tuple(draft.words)) for draft, depth in zip(drafts, depths, strict=True)]


def _read(text: Located) -> _Reader:
    reader = _Reader(text)
    offset = 0
    for number, line in enumerate(text.text.split("\n"), 1):
        bare = line.rstrip(" \t\r")
        if bare:
            reader.read(number, offset, len(bare))
        if len(reader.diagnostics) == BAD_LINES_MAX:
            break
        offset += len(line) + 1
    return reader


class _Reader:
    """Reads line after line; keeps the open levels of indentation."""

    def __init__(self, text: Located) -> None:
        self.text = text
        self.drafts: list[Draft] = []
        self.diagnostics: list[Diagnostic] = []
        # Indentation and index of the lines a deeper line would be a child of; the line of lowest index with each id.
        self._open: list[tuple[int, int]] = []

    def read(self, number: int, offset: int, length: int) -> None:
        """Read the line that begins at an offset of the text."""
        cursor = Cursor(self.text.text, offset, offset + length)
        draft = Draft(number, offset, offset + length)
        try:
            indent = cursor.indentation()
            draft.offset = cursor.at
            draft.above = self._enter(indent, cursor)
            read_line(draft, cursor)
        except BadNotation as bad:
            region = self.text.locate(bad.offset, bad.length)
            self.diagnostics.append(Diagnostic(Code.BAD_TRACE, region, bad.message, bad.hint))
        self.drafts.append(draft)

    def _enter(self, indent: int, cursor: Cursor) -> int | None:
        """Open a level for this line and return the index of the line it is a child of."""
        closed = False
        while self._open and self._open[-1][0] > indent:
            self._open.pop()
            closed = True
        at_level = bool(self._open) and self._open[-1][0] == indent
        if at_level:
            self._open.pop()
        above = self._open[-1][1] if self._open else None
        self._open.append((indent, len(self.drafts)))
        if closed and not at_level:
            raise BadNotation(cursor.at, 1, "the line returns to no level that is open", "indent it as a line above")
        return above

    def lines(self) -> list[SpanLine]:
        """Return the spans, with parents and resources resolved."""
        first: dict[str, int] = {}
        found: list[SpanLine] = []
        for index, draft in enumerate(self.drafts):
            line = self._line(draft, first, found)
            first.setdefault(line.span_id, index)
            found.append(line)
        return found

    def _line(self, draft: Draft, first: dict[str, int], found: list[SpanLine]) -> SpanLine:
        parent_id, parent_index = draft.parent_id, None
        if draft.is_orphan:
            parent_id = ORPHAN_PARENT_ID
        elif parent_id is not None:
            parent_index = first.get(parent_id)
        elif draft.above is not None:
            parent_id, parent_index = found[draft.above].span_id, draft.above
        inherited = draft.above if parent_index is None else parent_index
        resource = draft.resource or (found[inherited].resource if inherited is not None else {})
        return SpanLine(
            name=draft.name,
            start_ns=draft.start_ns,
            end_ns=draft.end_ns,
            span_id=draft.span_id or default_id(draft.number),
            number=draft.number,
            region=self.text.locate(draft.offset, draft.end - draft.offset),
            parent_id=parent_id or "",
            parent_index=parent_index,
            resource=resource,
            attributes=draft.attributes,
            kind=draft.kind,
            status=draft.status,
            status_message=draft.status_message,
            scope_name=draft.scope_name,
            scope_version=draft.scope_version,
            scope_attributes=draft.scope_attributes,
            events=tuple(draft.events),
            links=tuple(draft.links),
            arrives_ns=draft.arrives_ns,
        )
