"""Dead letters: records that could not be used, whole and unchanged, with the reason and where they came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from topics.refusal import RefusalReason

if TYPE_CHECKING:
    from collections.abc import Iterable

    from topics.cloudevents import Header, ReadHeader

_PREFIX = "betrace_dead_"
_REASON = _PREFIX + "reason"
_DETAIL = _PREFIX + "detail"
_TOPIC = _PREFIX + "topic"
_PARTITION = _PREFIX + "partition"
_OFFSET = _PREFIX + "offset"
_NAMES = frozenset({_REASON, _DETAIL, _TOPIC, _PARTITION, _OFFSET})
DETAIL_BYTES_MAX = 1024
SCHEMA_ID = "urn:betrace:schema:dead-letter-headers"

Headers: TypeAlias = "tuple[tuple[str, bytes | str | None], ...]"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that was refused. `reason` is an enumerated word (a metric label as well), `detail` a sentence for a person."""

    reason: str
    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    detail: str = ""

    def record_headers(self) -> list[tuple[str, bytes | str | None]]:
        """Return the headers to send: the original's, then reason and origin. Key and value are sent as they are."""
        own: list[Header] = [
            (_REASON, self.reason.encode()),
            (_TOPIC, self.topic.encode()),
            (_PARTITION, str(self.partition).encode()),
            (_OFFSET, str(self.offset).encode()),
        ]
        if self.detail:
            own.append((_DETAIL, self.detail.encode("utf-8", "replace")[:DETAIL_BYTES_MAX]))
        return [*self.headers, *own]


def read_dead_letter(key: bytes | None, value: bytes | None, headers: Iterable[ReadHeader] | None) -> DeadLetter:
    """Return the dead letter of a record; raises ValueError where its headers are not those of one.

    A letter that died twice gives its last reason; its first headers are among those of the original.
    """
    every = tuple(headers or ())
    split = max((index for index, (name, _value) in enumerate(every) if name == _REASON), default=None)
    if split is None:
        raise ValueError("no dead letter: no reason among the headers")
    own = {name: _text(text) for name, text in every[split:] if name in _NAMES}
    missing = sorted({_TOPIC, _PARTITION, _OFFSET} - own.keys())
    if missing:
        raise ValueError(f"no dead letter: no {missing[0]} among the headers")
    return DeadLetter(
        reason=own[_REASON],
        topic=own[_TOPIC],
        partition=int(own[_PARTITION]),
        offset=int(own[_OFFSET]),
        key=key,
        value=value,
        headers=every[:split],
        detail=own.get(_DETAIL, ""),
    )


def _text(value: bytes | str | None) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else value.decode("utf-8", "replace")


def dead_letter_headers_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a dead letter's headers, taken as an object of texts; the original's stand among them."""
    number = {"type": "string", "pattern": "^[0-9]+$"}
    reasons = "; ".join(f"{reason}: {reason.meaning}" for reason in RefusalReason)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": "BeTrace dead-letter headers",
        "description": "Of several headers with one name the last counts: a record may have died before.",
        "type": "object",
        "properties": {
            _REASON: {"type": "string", "pattern": "^[a-z_]+$", "description": f"Why: a word, more of which may come. {reasons}"},
            _TOPIC: {"type": "string", "minLength": 1, "description": "The topic the record was read from."},
            _PARTITION: {**number, "description": "Its partition."},
            _OFFSET: {**number, "description": "Its offset."},
            _DETAIL: {"type": "string", "maxLength": DETAIL_BYTES_MAX, "description": "For a person."},
        },
        "required": [_REASON, _TOPIC, _PARTITION, _OFFSET],
        "additionalProperties": {"type": ["string", "null"]},
    }
