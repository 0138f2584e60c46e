"""What a rule may see of a trace: the shape of a span (a protocol: the compiler knows no transport) and the view a rule is judged on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Protocol, TypeAlias

from compiler.ancestry import Ancestry, ancestry_of

# Text that is no UTF-8 comes as `surrogateescape`. Bytes and maps only exist.
AttributeValue: TypeAlias = "bool | int | float | str | bytes | Sequence[AttributeValue | None] | Mapping[str, AttributeValue | None]"
Attributes: TypeAlias = Mapping[str, AttributeValue]

INT64_MAX = 2**63 - 1


class Resource(Protocol):
    """What produced a span."""

    @property
    def attributes(self) -> Attributes: ...


class Scope(Protocol):
    """The instrumentation scope."""

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def attributes(self) -> Attributes: ...


class Event(Protocol):
    """A timed event of a span; times are unix nanoseconds, 0: none."""

    @property
    def name(self) -> str: ...
    @property
    def time_ns(self) -> int: ...
    @property
    def attributes(self) -> Attributes: ...


class Link(Protocol):
    """A link to another span."""

    @property
    def trace_id(self) -> str: ...
    @property
    def span_id(self) -> str: ...
    @property
    def attributes(self) -> Attributes: ...


class Span(Protocol):
    """One finished operation: ids in lower-case hex, `parent_id` empty for none, times as received (unsigned 64 bits)."""

    @property
    def trace_id(self) -> str: ...
    @property
    def span_id(self) -> str: ...
    @property
    def parent_id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> int: ...
    @property
    def status(self) -> int: ...
    @property
    def status_message(self) -> str: ...
    @property
    def start_ns(self) -> int: ...
    @property
    def end_ns(self) -> int: ...
    @property
    def attributes(self) -> Attributes: ...
    @property
    def events(self) -> Sequence[Event]: ...
    @property
    def links(self) -> Sequence[Link]: ...
    @property
    def resource(self) -> Resource: ...
    @property
    def scope(self) -> Scope: ...


def has_times(span: Span) -> bool:
    """Say whether the span's times can be used (rule-language.md section 6: start 0, end < start or beyond int64 cannot)."""
    return 0 < span.start_ns <= span.end_ns <= INT64_MAX


def place(span: Span) -> tuple[bool, int, str]:
    """Return the key by which spans are ordered: (start, id), those without times last."""
    timed = has_times(span)
    return (not timed, span.start_ns if timed else 0, span.span_id)


class Whole(Protocol):
    """What says of a trace whether it has a root and no orphan."""

    @property
    def is_whole(self) -> bool: ...


class TraceView:
    """The spans of one trace as a rule sees them: of one span id the first to arrive stands (rule-language.md section 6).

    Built from the spans in order of arrival, redelivered ones included; never changed afterwards.
    """

    def __init__(self, spans: Iterable[Span]) -> None:
        self.by_id: dict[str, Span] = {}
        for span in spans:
            self.by_id.setdefault(span.span_id, span)

    @cached_property
    def spans(self) -> list[Span]:
        """All spans in order of (start, id)."""
        return sorted(self.by_id.values(), key=place)

    @cached_property
    def parent_ids(self) -> dict[str, str]:
        """Of each span, by its id, the parent id."""
        return {span.span_id: span.parent_id for span in self.by_id.values()}

    @cached_property
    def ancestry(self) -> Ancestry:
        """Which spans stand under which."""
        return ancestry_of(self.parent_ids)

    @cached_property
    def by_name(self) -> dict[str, list[Span]]:
        """The spans of each name, in order of (start, id)."""
        names: dict[str, list[Span]] = {}
        for span in self.spans:
            names.setdefault(span.name, []).append(span)
        return names

    @cached_property
    def roots(self) -> list[Span]:
        """The spans without a parent id, in order of (start, id)."""
        return [span for span in self.spans if not span.parent_id]

    @property
    def span_count(self) -> int:
        """The number of spans."""
        return len(self.by_id)

    @cached_property
    def trace_id(self) -> str | None:
        """The id that all spans share; None of no span."""
        return next((span.trace_id for span in self.by_id.values()), None)

    @property
    def root_name(self) -> str | None:
        """The name of the first root."""
        return self.roots[0].name if self.roots else None

    @property
    def root_service(self) -> str | None:
        """The service name of the first root, None where it is no string."""
        name = self.roots[0].resource.attributes.get("service.name") if self.roots else None
        return name if isinstance(name, str) else None

    @property
    def is_whole(self) -> bool:
        """Whether there is a root and no orphan."""
        return bool(self.roots) and not self.orphan_count

    @property
    def service_count(self) -> int:
        """The number of distinct service names."""
        return len(self.services)

    @cached_property
    def orphan_count(self) -> int:
        """The number of spans whose parent is absent or themselves."""
        return sum(1 for span in self.spans if self.is_orphan(span))

    def is_orphan(self, span: Span) -> bool:
        """Say whether the span has a parent id that names no other span of the trace."""
        return bool(span.parent_id) and (span.parent_id == span.span_id or span.parent_id not in self.parent_ids)

    @cached_property
    def tree(self) -> list[tuple[Span, int]]:
        """All spans, children below their parents, and how deep each stands; what hangs on no root (orphans, cycles) comes after."""
        children: dict[str, list[Span]] = {}
        for span in self.spans:
            children.setdefault("" if self.is_orphan(span) else span.parent_id, []).append(span)
        found: list[tuple[Span, int]] = []
        placed: set[str] = set()
        # A span in a cycle of parents is reached from no root: every span starts a tree of its own if none has held it.
        for top in [*children.get("", []), *self.spans]:
            pending = [(top, 0)]
            while pending:
                span, depth = pending.pop()
                if span.span_id not in placed:
                    placed.add(span.span_id)
                    found.append((span, depth))
                    pending.extend((child, depth + 1) for child in reversed(children.get(span.span_id, [])))
        return found

    @cached_property
    def first_start_ns(self) -> int | None:
        """The earliest usable start, unix nanoseconds; None where no span has times."""
        return min((span.start_ns for span in self.spans if has_times(span)), default=None)

    @cached_property
    def last_end_ns(self) -> int | None:
        """The latest usable end, unix nanoseconds; None where no span has times."""
        return max((span.end_ns for span in self.spans if has_times(span)), default=None)

    @cached_property
    def duration_ns(self) -> int | None:
        """Last end minus first start; None where no span has times."""
        if self.first_start_ns is None or self.last_end_ns is None:
            return None
        return self.last_end_ns - self.first_start_ns

    @cached_property
    def services(self) -> list[str]:
        """The distinct service names, sorted."""
        # A hostile `service.name` may be a map, which no set can hold.
        names = (span.resource.attributes.get("service.name") for span in self.spans)
        return sorted({name for name in names if isinstance(name, str)})
