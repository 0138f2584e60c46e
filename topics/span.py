"""A span and what hangs on it, as OpenTelemetry defines them: immutable, decoded once.

Text that is not valid UTF-8 is kept losslessly by `surrogateescape`, so that strings can be compared by their bytes; show it through
`shown`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

# Maps (kvlist) and bytes only exist for a rule (rule-language.md section 4); they are kept to be told from a missing value.
AttributeValue: TypeAlias = "bool | int | float | str | bytes | tuple[AttributeValue | None, ...] | Mapping[str, AttributeValue | None]"
Attributes: TypeAlias = Mapping[str, AttributeValue]


@dataclass(frozen=True, slots=True)
class Resource:
    """What produced a span: the resource attributes of its ResourceSpans."""

    attributes: Attributes = field(default_factory=dict)

    @property
    def service_name(self) -> str:
        """`service.name`, or the empty string where it is missing or no string."""
        name = self.attributes.get("service.name")
        return name if isinstance(name, str) else ""


@dataclass(frozen=True, slots=True)
class Scope:
    """The instrumentation scope that made a span."""

    name: str = ""
    version: str = ""
    attributes: Attributes = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Event:
    """A timed event of a span; `time_ns` is unix nanoseconds as received (0: none)."""

    name: str
    time_ns: int
    attributes: Attributes = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Link:
    """A link to another span; ids are lower-case hex."""

    trace_id: str
    span_id: str
    attributes: Attributes = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Span:
    """One finished operation.

    `trace_id` has 32 and `span_id` 16 lower-case hex digits; `parent_id` is empty where there is none (all zeros counts as none).
    `start_ns` and `end_ns` are unix nanoseconds as received, unsigned 64 bits; whether they are usable is the language's question.
    `kind` and `status` are OTLP's numbers, also unknown ones.
    """

    trace_id: str
    span_id: str
    name: str
    start_ns: int
    end_ns: int
    parent_id: str = ""
    kind: int = 0
    status: int = 0
    status_message: str = ""
    attributes: Attributes = field(default_factory=dict)
    events: tuple[Event, ...] = ()
    links: tuple[Link, ...] = ()
    resource: Resource = field(default_factory=Resource)
    scope: Scope = field(default_factory=Scope)


def shown(text: str) -> str:
    """Return text fit for a terminal or JSON: bytes that were no UTF-8 become U+FFFD."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
