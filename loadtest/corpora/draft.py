"""A span as a sender has it, before it is written: what OTLP can say that a rule need not see is here too."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

Value: TypeAlias = "str | bool | int | float | bytes | tuple[Value, ...]"
Pairs: TypeAlias = tuple[tuple[str, Value], ...]

# Of a span sampled at random and made in this process, as the Collector passes it on.
FLAGS_LOCAL = 0x101


@dataclass(frozen=True, slots=True)
class EventDraft:
    """A timed event; `time_ns` is unix nanoseconds."""

    time_ns: int
    name: str
    attributes: Pairs = ()


@dataclass(frozen=True, slots=True)
class LinkDraft:
    """A link to another span; ids are raw bytes."""

    trace_id: bytes
    span_id: bytes
    attributes: Pairs = ()
    trace_state: str = ""
    flags: int = 0


@dataclass(frozen=True, slots=True)
class Source:
    """What sends spans together: a resource and one instrumentation scope."""

    resource: Pairs = ()
    scope_name: str = ""
    scope_version: str = ""
    scope_attributes: Pairs = ()
    resource_schema_url: str = ""
    scope_schema_url: str = ""


@dataclass(frozen=True, slots=True)
class SpanDraft:
    """One span with what made it; ids are raw bytes, `parent_id` empty for none, times unix nanoseconds."""

    source: Source
    trace_id: bytes
    span_id: bytes
    parent_id: bytes
    name: str
    start_ns: int
    end_ns: int
    kind: int = 1
    status: int = 0
    status_message: str = ""
    trace_state: str = ""
    flags: int = FLAGS_LOCAL
    attributes: Pairs = ()
    events: tuple[EventDraft, ...] = field(default=())
    links: tuple[LinkDraft, ...] = field(default=())


Trace: TypeAlias = tuple[SpanDraft, ...]
