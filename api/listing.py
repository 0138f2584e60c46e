"""What a list of violations may be asked for, and the cursors that lead from page to page."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from topics.rfc3339 import format_ns, parse_ns
from topics.violation import RuleMode, RuleSeverity, SaidVerdict

LIMIT_DEFAULT = 50
LIMIT_MAX = 500
CHOICE_COUNT_MAX = 100
_CURSOR_LENGTH_MAX = 512
_CURSOR_VERSION = 1


class BadCursorError(ValueError):
    """A cursor that this service did not give out for these filters."""


def _instant(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return format_ns(parse_ns(value))
    except ValueError:
        raise ValueError("write an RFC 3339 time as 2026-01-31T12:00:00Z (in a URL a + of an offset is %2B)") from None


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


Instant = Annotated[str, BeforeValidator(_instant)]
Chosen = Annotated[str, Field(min_length=1, max_length=256)]
Choices = Field(max_length=CHOICE_COUNT_MAX)


class ViolationFilter(BaseModel):
    """Which violations are wanted: all filters must hold; of a repeated one any value will do."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rule: Annotated[list[Chosen], Choices, Field(description="Rule id; may be repeated.")] = []
    severity: Annotated[list[RuleSeverity], Choices, Field(description="Severity of the rule; may be repeated.")] = []
    trace: Annotated[
        list[Annotated[str, BeforeValidator(_lower), Field(pattern=r"^[0-9a-f]{32}$")]],
        Choices,
        Field(description="Trace id, 32 hex digits; may be repeated."),
    ] = []
    service: Annotated[list[Chosen], Choices, Field(description="A service with a span in the trace; may be repeated.")] = []
    mode: Annotated[list[RuleMode], Choices, Field(description="`enforce` or `shadow`; both without it.")] = []
    verdict: Annotated[
        list[SaidVerdict],
        Choices,
        Field(description="Verdict of the greatest revision; without it `violated`: what was withdrawn is not listed."),
    ] = []
    since: Annotated[Instant | None, Field(description="Decided at this time or later (RFC 3339).")] = None
    until: Annotated[Instant | None, Field(description="Decided before this time (RFC 3339).")] = None

    @property
    def verdicts(self) -> list[SaidVerdict]:
        """The verdicts to list: those asked for, else `violated` alone."""
        return self.verdict or [SaidVerdict.VIOLATED]

    def digest(self) -> str:
        """Return a short name of the filters: equal for filters that select the same."""
        chosen: dict[str, Any] = {word: sorted(set(value)) if isinstance(value, list) else value for word, value in self._fields()}
        return hashlib.sha256(json.dumps(chosen, sort_keys=True).encode()).hexdigest()[:16]

    def _fields(self) -> list[tuple[str, Any]]:
        names = ("rule", "severity", "trace", "service", "mode", "verdicts", "since", "until")
        return [(name, getattr(self, name)) for name in names]


class ViolationQuery(ViolationFilter):
    """A request for one page of violations, newest first."""

    limit: Annotated[int, Field(ge=1, le=LIMIT_MAX, description="Most violations on the page.")] = LIMIT_DEFAULT
    cursor: Annotated[
        str | None, Field(max_length=_CURSOR_LENGTH_MAX, description="`next` of the page before, with the same filters; opaque.")
    ] = None


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the order of violations (newest first, then by id): a page continues after it."""

    decided_at: str
    id: str


def write_cursor(place: Place, wanted: ViolationFilter) -> str:
    """Return the cursor of a place; it holds across restarts and rebuilds of the view, for the same filters."""
    text = json.dumps([_CURSOR_VERSION, place.decided_at, place.id, wanted.digest()], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode("ascii").rstrip("=")


def read_cursor(cursor: str, wanted: ViolationFilter) -> Place:
    """Return the place of a cursor; raises BadCursorError for any text that `write_cursor` did not make for the same filters."""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        parts = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError):
        raise BadCursorError("this is no cursor of this service") from None
    match parts:
        case [version, str(decided_at), str(violation), str(digest)] if version == _CURSOR_VERSION:
            place = Place(decided_at, violation)
        case _:
            raise BadCursorError("this is no cursor of this service")
    if digest != wanted.digest():
        raise BadCursorError("the cursor belongs to a list with other filters")
    if write_cursor(place, wanted) != cursor:
        raise BadCursorError("this is no cursor of this service")
    return place
