"""The violation record as a worker writes it: the bytes of topics.violation.Violation, made without building the model.

The model stays the schema: what is written here reads as one, and that one's canonical JSON is the same bytes. Canonical JSON has its
members in order of their names, so a record is written in runs of members, and a member that many records share is written once.
"""

from __future__ import annotations

import hashlib
from math import isfinite
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, cast

import orjson

from topics.violation import Change, canonical_json, read_violation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pydantic import JsonValue

    from topics.violation import Violation

_INT64_MIN, _UINT64_MAX = -(2**63), 2**64 - 1

# JSON some of which is written already.
Part: TypeAlias = "JsonValue | orjson.Fragment | Mapping[str, Part] | Sequence[Part]"


class WrittenViolation(NamedTuple):
    """A violation record with its bytes; `violation` reads it."""

    id: str
    revision: int
    change: Change
    decided_at: str
    trace_id: str
    value: bytes

    @property
    def ce_id(self) -> str:
        """The CloudEvents id: violation id and revision, the same whenever the record is said again."""
        return f"{self.id}.{self.revision}"

    @property
    def violation(self) -> Violation:
        """The record as its readers have it."""
        return read_violation(self.value)


class ViolationBody(NamedTuple):
    """What a violation says, without when and as which revision: runs of the record's members, as `members` writes them.

    `failed` are clauses and comparisons; `found` all from `early` to `offenders`; `rule` is one member; `judged` are trace and verdict.
    """

    id: str
    trace_id: str
    failed: bytes
    found: bytes
    rule: bytes
    judged: bytes

    @property
    def digest(self) -> bytes:
        """A digest of all that it says."""
        return hashlib.sha256(b"{%b,%b,%b,%b}" % (self.failed, self.found, self.rule, self.judged)).digest()

    def written(self, revision: int, change: Change, decided_at: str, sign: Callable[[bytes], str | None]) -> WrittenViolation:
        """Return a revision of it; `sign` is given its bytes without a signature."""
        first = b'{"change":"%b",%b,"decided_at":"%b",%b,"revision":%d,%b' % (
            change.value.encode(),
            self.failed,
            decided_at.encode(),
            self.found,
            revision,
            self.rule,
        )
        signature = sign(b"%b,%b}" % (first, self.judged))
        signed = b"" if signature is None else b',"signature":"%b"' % signature.encode()
        return WrittenViolation(self.id, revision, change, decided_at, self.trace_id, b"%b%b,%b}" % (first, signed, self.judged))


def members(**values: Part) -> bytes:
    """Return members of an object as canonical JSON has them, without its braces; what `exact` is for must have gone through it."""
    return orjson.dumps(values, option=orjson.OPT_SORT_KEYS)[1:-1]


def exact(value: JsonValue) -> Part:
    """Return a value that orjson may meet: floats, integers beyond 64 bits and what may hold some are written as in canonical JSON."""
    if value is None or isinstance(value, str | bool) or (isinstance(value, int) and _INT64_MIN <= value <= _UINT64_MAX):
        return value
    # Canonical JSON has a float as Python shows it.
    written = repr(value).encode() if isinstance(value, float) and isfinite(value) else canonical_json(value)
    return cast("Part", orjson.Fragment(written))
