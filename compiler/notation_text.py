"""A trace as a test trace: the notation that `compiler/notation.py` reads, as a person would write it.

Spans stand below their parents, times are counted from the first start, ids are left out. What the notation cannot say (bytes, maps, arrays
in arrays, text that is no UTF-8, links without ids, times beyond those of a test) is left out, and counted.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from compiler.ir_text import duration_of, quoted
from compiler.notation_line import INSTANT_NS, KINDS, RESERVED_KEYS, STATUSES
from compiler.trace import Attributes, AttributeValue, Event, Link, Span, TraceView, has_times
from compiler.values import INT64_MAX, INT64_MIN

_PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_./:@-]*")
_TRACE_ID = re.compile("[0-9a-f]{32}")
_SPAN_ID = re.compile("[0-9a-f]{16}")
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
# Words that are no text where a value stands, and keys that are no attributes.
_NO_TEXT = frozenset({"true", "false"})
_RESERVED = RESERVED_KEYS | {"event", "link", "error", "orphan", "at", "trace"}
# Characters of a trace.
TRACE_SIZE_MAX = 16 * 1024 * 1024
_SIZE_TEXT = f"{TRACE_SIZE_MAX // 1024 // 1024} MiB"
_SCOPES = ("span.", "resource.", "scope.")


class TooLargeError(ValueError):
    """A trace that no test can hold: along a chain of parents each line is longer than the one before. A sentence."""


class _Unsayable(Exception):  # noqa: N818  # a value on its way to be left out
    """The notation has no word for a value."""


@dataclass(slots=True)
class NotationWriter:
    """Writes traces; `keys` are the attributes to keep, and `span:statusMessage` and the like, None for all.

    `left_out` counts what could not be written.
    """

    keys: Container[str] | None = None
    left_out: int = field(default=0, init=False)

    def text(self, view: TraceView) -> str:
        """Return the lines of a trace; raises TooLargeError beyond TRACE_SIZE_MAX."""
        start_ns = view.first_start_ns or 0
        # Of the lines above, each deeper than the one before: a line without a resource has that of its parent.
        resources: list[Attributes] = []
        lines: list[str] = []
        size = 0
        for span, depth in view.tree:
            del resources[depth:]
            inherited = resources[-1] if resources else {}
            items = " ".join([*self._resource(span, inherited), *self._items(span, view)])
            resources.append(span.resource.attributes)
            lines.append("  ".join([f"{'  ' * depth}{_name(span.name)}", _times(span, start_ns), *([items] if items else [])]))
            size += len(lines[-1])
            if size > TRACE_SIZE_MAX:
                raise TooLargeError(f"the trace is too large for a test: {len(lines)} of its {view.span_count} spans fill {_SIZE_TEXT}")
        return "\n".join(lines)

    def root_line(self, name: str, start_ns: int, end_ns: int, attributes: Attributes) -> str:
        """Return the line of a root span that has attributes and nothing else."""
        return "  ".join([_name(name), f"{duration_of(start_ns)}..{duration_of(end_ns)}", *(self._attributes(attributes, ""))])

    def _resource(self, span: Span, inherited: Attributes) -> Iterator[str]:
        attributes = span.resource.attributes
        if attributes == inherited:
            return
        service = attributes.get("service.name")
        if isinstance(service, str):
            yield f"service={_text(utf8(service))}"
        yield from self._attributes({key: value for key, value in attributes.items() if key != "service.name"}, "resource.")

    def _items(self, span: Span, view: TraceView) -> Iterator[str]:
        if view.is_orphan(span):
            yield "orphan"
        if span.kind != KINDS["internal"]:
            yield f"kind={_word(KINDS, span.kind)}"
        if span.status:
            yield "error" if span.status == STATUSES["error"] else f"status={_word(STATUSES, span.status)}"
        for key, text in (
            ("span:statusMessage", span.status_message),
            ("scope", span.scope.name),
            ("instrumentation:version", span.scope.version),
        ):
            if text and (self.keys is None or key in self.keys):
                yield from self._sayable(key, text)
        yield from self._attributes(span.scope.attributes, "scope.")
        yield from self._attributes(span.attributes, "")
        yield from (self._event(event, span, view.first_start_ns or 0) for event in span.events)
        for link in span.links:
            yield from self._link(link)

    def _attributes(self, attributes: Attributes, scope: str) -> Iterator[str]:
        for key, value in attributes.items():
            if self.keys is None or key in self.keys:
                yield from self._sayable(scope + key if scope and _KEY.fullmatch(key) else _key(key), value)

    def _sayable(self, key: str, value: AttributeValue) -> Iterator[str]:
        try:
            yield f"{key}={_value(value)}"
        except _Unsayable:
            self.left_out += 1

    def _event(self, event: Event, span: Span, start_ns: int) -> str:
        attributes = self._attributes(event.attributes, "")
        return f"event({', '.join([_text(utf8(event.name)), *self._at(event, span, start_ns), *attributes])})"

    def _at(self, event: Event, span: Span, start_ns: int) -> Iterator[str]:
        # As the span will stand in the test: from 1970 to the end of int64 there is less room than in the trace.
        if event.time_ns and -INSTANT_NS <= event.time_ns - start_ns <= INT64_MAX - INSTANT_NS:
            yield f"at={duration_of(event.time_ns - span.start_ns)}"
        elif event.time_ns:
            self.left_out += 1

    def _link(self, link: Link) -> Iterator[str]:
        if not (_TRACE_ID.fullmatch(link.trace_id) and _SPAN_ID.fullmatch(link.span_id)):
            self.left_out += 1
            return
        yield f"link({', '.join([f'trace={link.trace_id}', f'id={link.span_id}', *self._attributes(link.attributes, '')])})"


def _times(span: Span, start_ns: int) -> str:
    if not has_times(span):
        return "0s..none"
    return f"{duration_of(span.start_ns - start_ns)}..{duration_of(span.end_ns - start_ns)}"


def _name(name: str) -> str:
    return name if _PLAIN.fullmatch(name) else quoted(utf8(name))


def utf8(text: str) -> str:
    """Return a name with a mark where it is no UTF-8: names cannot be left out."""
    return text.encode("utf-8", "replace").decode()


def _key(key: str) -> str:
    is_plain = _KEY.fullmatch(key) and key not in _RESERVED and not key.startswith(_SCOPES)
    return key if is_plain else _quoted(key)


def _word(words: Mapping[str, int], number: int) -> str:
    return next((word for word, known in words.items() if known == number), next(iter(words)))


def _value(value: AttributeValue | None) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int() if INT64_MIN <= value <= INT64_MAX:
            return str(value)
        case float() if math.isfinite(value):
            return json.dumps(value)
        case str():
            return _text(value)
        case bytes() | Mapping():
            raise _Unsayable
        case Sequence() if not any(isinstance(item, Sequence) and not isinstance(item, str) for item in value):
            return f"[{','.join(_value(item) for item in value)}]"
        case _:
            raise _Unsayable


def _text(text: str) -> str:
    return text if _PLAIN.fullmatch(text) and text not in _NO_TEXT else _quoted(text)


def _quoted(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise _Unsayable from error
    return quoted(text)
