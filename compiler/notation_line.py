"""Reads one line of the test notation: name, times and items."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from compiler.near_names import did_you_mean
from compiler.notation_scanner import BadNotation, Cursor
from compiler.values import INT64_MAX

if TYPE_CHECKING:
    from collections.abc import Callable

    from compiler.trace import Attributes, AttributeValue

# The fixed instant of every test: 2026-01-01T00:00:00Z in unix nanoseconds. The times of a test trace are counted from it.
INSTANT_NS = 1_767_225_600_000_000_000
SPAN_ID_DIGITS = 16
TRACE_ID_DIGITS = 32
ORPHAN_PARENT_ID = "f" * SPAN_ID_DIGITS
LINKED_TRACE_ID = "e" * TRACE_ID_DIGITS
LINKED_SPAN_ID = "e" * SPAN_ID_DIGITS
_NO_ID = "0" * SPAN_ID_DIGITS

KINDS = {"unspecified": 0, "internal": 1, "server": 2, "client": 3, "producer": 4, "consumer": 5}
STATUSES = {"unset": 0, "ok": 1, "error": 2}
_FLAGS = ("error", "orphan")
_WORD = re.compile(r"[^ \t=(\"`]+")
_INNER_WORD = re.compile(r"[^ \t=,()\"`]+(?==)")
_TIMES = re.compile(r"(.+?)\.\.(.+)")
_FOREIGN_KEY = re.compile(r"(?:span|trace|event|link|instrumentation):.*")


@dataclass(frozen=True, slots=True)
class EventItem:
    """An event of a span; its time is in nanoseconds from the fixed instant."""

    name: str
    time_ns: int
    attributes: Attributes


@dataclass(frozen=True, slots=True)
class LinkItem:
    """A link of a span to another; where the test gives no ids, they are all `e`."""

    trace_id: str
    span_id: str
    attributes: Attributes


@dataclass(slots=True)
class Draft:
    """A span while its line is read; `above` is the index of the line it is indented under. An empty `parent_id` is said to be none.

    `words` are the name, the times and the items, as they are written.
    """

    number: int
    offset: int
    end: int
    above: int | None = None
    name: str = ""
    start_ns: int = 0
    end_ns: int | None = None
    span_id: str = ""
    parent_id: str | None = None
    is_orphan: bool = False
    kind: int = 1
    status: int = 0
    status_message: str = ""
    scope_name: str = ""
    scope_version: str = ""
    arrives_ns: int = 0
    attributes: dict[str, AttributeValue] = field(default_factory=dict)
    resource: dict[str, AttributeValue] = field(default_factory=dict)
    scope_attributes: dict[str, AttributeValue] = field(default_factory=dict)
    events: list[EventItem] = field(default_factory=list)
    links: list[LinkItem] = field(default_factory=list)
    said: set[str] = field(default_factory=set)
    words: list[str] = field(default_factory=list)


def read_line(draft: Draft, cursor: Cursor) -> None:
    """Fill a draft from the line at the cursor, past its indentation; BadNotation at the first mistake."""
    start = cursor.at
    draft.name = cursor.string() if cursor.at_quote() else cursor.bare()
    _end_word(draft, cursor, start)
    start = cursor.at
    _read_times(draft, cursor)
    _end_word(draft, cursor, start)
    while cursor.peek():
        start = cursor.at
        _read_item(draft, cursor)
        _end_word(draft, cursor, start)


def _end_word(draft: Draft, cursor: Cursor, start: int) -> None:
    """Keep the word that was read from `start` as it is written, and go to the next one."""
    cursor.need_delimiter()
    draft.words.append(cursor.text[start : cursor.at])
    cursor.skip_spaces()


def _read_times(draft: Draft, cursor: Cursor) -> None:
    offset = cursor.at
    written = cursor.bare()
    times = _TIMES.fullmatch(written)
    if times is None:
        hint = "no spaces around `..`; a name with spaces is quoted"
        raise BadNotation(offset, len(written), "the times have to follow the name: start..end", hint)
    draft.start_ns = _moment(cursor, times[1], offset)
    if times[2] != "none":
        draft.end_ns = _moment(cursor, times[2], offset + times.start(2))


def _moment(cursor: Cursor, written: str, offset: int, from_ns: int = 0) -> int:
    """Return a time in nanoseconds from the fixed instant; checks that it can be said in OTLP."""
    moment = from_ns + cursor.duration(written, offset)
    # Times on the wire are unsigned, from 1970.
    if not -INSTANT_NS <= moment <= INT64_MAX:
        raise BadNotation(offset, len(written), "the time is before 1970 or beyond int64 nanoseconds")
    return moment


def _read_item(draft: Draft, cursor: Cursor) -> None:
    start = cursor.at
    if cursor.at_quote():
        key = cursor.string()
        if not cursor.take("="):
            raise BadNotation(start, cursor.at - start, "`=` and a value have to follow a quoted key")
        draft.attributes[key] = cursor.value()
        return
    word = cursor.match(_WORD)
    if word and cursor.take("="):
        _read_pair(draft, cursor, word, start)
    elif word in _BRACKETS and cursor.take("("):
        _BRACKETS[word](draft, cursor, start)
    elif word in _FLAGS and cursor.peek() in {"", " "}:
        _read_flag(draft, word, start)
    else:
        raise _no_item(cursor, word, start)


def _no_item(cursor: Cursor, word: str, start: int) -> BadNotation:
    if not word:
        return BadNotation(start, 1, "an item begins here: key=value, a flag, event( or link(", "one space separates items")
    hint = did_you_mean(word, (*_FLAGS, *_BRACKETS, *_RESERVED)) or 'an attribute is key=value; other keys are quoted: "a(b)"=1'
    return BadNotation(start, len(word), f"`{word[:40]}` is no item", "" if cursor.peek() == "\t" else hint)


def _once(draft: Draft, word: str, start: int, length: int) -> None:
    if word in draft.said:
        raise BadNotation(start, length, f"the line says its {word} twice", "keep one of them")
    draft.said.add(word)


def _read_flag(draft: Draft, flag: str, start: int) -> None:
    if flag == "error":
        _once(draft, "status", start, len(flag))
        draft.status = STATUSES["error"]
    else:
        _once(draft, "parent", start, len(flag))
        draft.is_orphan = True


def _read_pair(draft: Draft, cursor: Cursor, key: str, start: int) -> None:
    """Read a value of a reserved word, or of an attribute of span, resource or scope."""
    reserved = _RESERVED.get(key)
    if reserved is not None:
        _once(draft, key, start, len(key))
        reserved(draft, cursor)
        return
    if _FOREIGN_KEY.fullmatch(key):
        hint = did_you_mean(key.partition(":")[2], _RESERVED) or "quote the key of an attribute that is named so"
        raise BadNotation(start, len(key), f"`{key[:40]}` cannot be set", hint)
    attributes, name = _attribute(draft, key)
    if not name:
        raise BadNotation(start, len(key), "the name of the attribute is missing")
    attributes[name] = cursor.value()


def _attribute(draft: Draft, key: str) -> tuple[dict[str, AttributeValue], str]:
    """Return what an attribute is one of, and its name without the scope."""
    scope, dot, name = key.partition(".")
    of = {"span": draft.attributes, "resource": draft.resource, "scope": draft.scope_attributes}.get(scope) if dot else None
    return (draft.attributes, key) if of is None else (of, name)


def _service(draft: Draft, cursor: Cursor) -> None:
    draft.resource["service.name"] = cursor.text_value()


def _scope(draft: Draft, cursor: Cursor) -> None:
    draft.scope_name = cursor.text_value()


def _scope_version(draft: Draft, cursor: Cursor) -> None:
    draft.scope_version = cursor.text_value()


def _status_message(draft: Draft, cursor: Cursor) -> None:
    draft.status_message = cursor.text_value()


def _kind(draft: Draft, cursor: Cursor) -> None:
    draft.kind = _coded(cursor, "kind", KINDS)


def _status(draft: Draft, cursor: Cursor) -> None:
    draft.status = _coded(cursor, "status", STATUSES)


def _coded(cursor: Cursor, key: str, codes: dict[str, int]) -> int:
    start = cursor.at
    word = cursor.bare()
    if word not in codes:
        hint = did_you_mean(word, codes) or f"span.{key}= is an attribute of that name"
        raise BadNotation(start, len(word), f"`{key}` is one of {', '.join(codes)}", hint)
    return codes[word]


def _span_id(draft: Draft, cursor: Cursor) -> None:
    start = cursor.at
    draft.span_id = cursor.hex_id(SPAN_ID_DIGITS)
    if draft.span_id in {_NO_ID, ORPHAN_PARENT_ID}:
        reason = "a span's id is not all zero" if draft.span_id == _NO_ID else "this id is the absent parent of orphans"
        raise BadNotation(start, cursor.at - start, reason, "span.id= is an attribute of that name")


def _parent(draft: Draft, cursor: Cursor) -> None:
    parent_id = cursor.hex_id(SPAN_ID_DIGITS)
    draft.parent_id = "" if parent_id == _NO_ID else parent_id


def _arrives(draft: Draft, cursor: Cursor) -> None:
    start = cursor.at
    draft.arrives_ns = cursor.duration(cursor.bare(), start)
    if draft.arrives_ns < 0:
        raise BadNotation(start, cursor.at - start, "a span arrives at or after the fixed instant")


def _read_event(draft: Draft, cursor: Cursor, start: int) -> None:
    cursor.skip_spaces()
    name = _event_name(cursor)
    time_ns = draft.start_ns
    attributes: dict[str, AttributeValue] = {}
    has_time = False
    while cursor.take(","):
        key, is_word, key_start = _inner_key(cursor)
        if is_word and key == "at":
            if has_time:
                raise BadNotation(key_start, len(key), "the event says its time twice", "keep one of them")
            offset, has_time = cursor.at, True
            time_ns = _moment(cursor, cursor.bare(")"), offset, draft.start_ns)
        else:
            attributes[key] = cursor.value(")")
        cursor.skip_spaces()
    _close(cursor, start, "event(")
    draft.events.append(EventItem(name, time_ns, attributes))


def _event_name(cursor: Cursor) -> str:
    start = cursor.at
    if cursor.at_quote():
        return cursor.text_value(")")
    if cursor.match(_INNER_WORD):
        raise BadNotation(start, cursor.at - start, "the name of the event comes first", "event(retry, at=5ms)")
    name = cursor.bare(")")
    if not name:
        raise BadNotation(start, 1, "the name of the event is missing", "event(retry, at=5ms)")
    cursor.skip_spaces()
    return name


def _read_link(draft: Draft, cursor: Cursor, start: int) -> None:
    ids = {"trace": LINKED_TRACE_ID, "id": LINKED_SPAN_ID}
    said: set[str] = set()
    attributes: dict[str, AttributeValue] = {}
    cursor.skip_spaces()
    more = cursor.peek() not in {")", ""}
    while more:
        key, is_word, key_start = _inner_key(cursor)
        if is_word and key in ids:
            if key in said:
                raise BadNotation(key_start, len(key), f"the link says its {key} twice", "keep one of them")
            said.add(key)
            ids[key] = cursor.hex_id(len(ids[key]), ")")
        else:
            attributes[key] = cursor.value(")")
        cursor.skip_spaces()
        more = cursor.take(",")
    _close(cursor, start, "link(")
    draft.links.append(LinkItem(ids["trace"], ids["id"], attributes))


def _inner_key(cursor: Cursor) -> tuple[str, bool, int]:
    """Take `key=` inside of brackets; say whether the key is a word, and where it begins."""
    cursor.skip_spaces()
    start = cursor.at
    is_word = not cursor.at_quote()
    key = cursor.match(_INNER_WORD) if is_word else cursor.string()
    if (is_word and not key) or not cursor.take("="):
        raise BadNotation(start, max(1, cursor.at - start), "key=value has to stand here")
    return key, is_word, start


def _close(cursor: Cursor, start: int, what: str) -> None:
    cursor.skip_spaces()
    if not cursor.take(")"):
        raise BadNotation(start, cursor.end - start, f"`{what}` has no end")


_RESERVED: dict[str, Callable[[Draft, Cursor], None]] = {
    "service": _service,
    "kind": _kind,
    "status": _status,
    "id": _span_id,
    "parent": _parent,
    "scope": _scope,
    "arrives": _arrives,
    "span:statusMessage": _status_message,
    "instrumentation:version": _scope_version,
}
RESERVED_KEYS = frozenset(_RESERVED)
_BRACKETS: dict[str, Callable[[Draft, Cursor, int], None]] = {"event": _read_event, "link": _read_link}
