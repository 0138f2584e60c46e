"""Drift: where a broker's topics are not as the table wants them, what it would take to mend that, and what it would cost.

Pure: properties in, changes out. Nothing here asks a broker or changes one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from topics.names import DAY_MS, Topic

PARTITIONS = "partitions"
REPLICATION = "replication"
_CLEANUP = "cleanup.policy"
_RETENTION = "retention.ms"
_FOR_EVER = -1
_HOUR_MS = 3_600_000

# What may cost something, so that it has to be asked for by name.
LOSSY_PROPERTIES = (PARTITIONS, _CLEANUP, _RETENTION)


class Safety(StrEnum):
    """What a change asks of whoever wants it: nothing, a word that the loss is accepted, or a hand of their own."""

    SAFE = "safe"
    DESTRUCTIVE = "destructive"
    BY_HAND = "by_hand"


@dataclass(frozen=True, slots=True)
class Change:
    """A property that is not as wanted. `why` says what the change brings, what it loses, or why BeTrace does not make it."""

    property: str
    wanted: str
    actual: str
    safety: Safety
    why: str

    def as_json(self) -> dict[str, str]:
        """Return it as JSON-ready data."""
        return {
            "property": self.property,
            "wanted": self.wanted,
            "actual": self.actual,
            "safety": self.safety.value,
            "why": self.why,
        }


class Acceptance(NamedTuple):
    """A loss that somebody has accepted: of this topic, by a change of this property."""

    topic: str
    property: str


def read_acceptance(text: str, topics: Iterable[str]) -> Acceptance:
    """Return what `topic:property` accepts; raises ValueError, with a sentence, where either is unknown."""
    topic, _colon, changed = text.rpartition(":")
    known = sorted(topics)
    if topic not in known:
        raise ValueError(f"{text}: no topic of BeTrace; write TOPIC:PROPERTY with one of {', '.join(known)}")
    if changed not in LOSSY_PROPERTIES:
        raise ValueError(f"{text}: no change of {changed or 'nothing'} loses anything; write one of {', '.join(LOSSY_PROPERTIES)}")
    return Acceptance(topic, changed)


def changes(topic: Topic, wanted: Mapping[str, str], actual: Mapping[str, str]) -> tuple[Change, ...]:
    """Return what differs, in the order of `wanted`; what the broker does not tell is no difference (`untold`)."""
    found = []
    for word, text in wanted.items():
        if word in actual and actual[word] != text:
            judged = _JUDGES[word](topic, text, actual[word])
            if judged is not None:
                found.append(Change(word, text, actual[word], *judged))
    return tuple(found)


def untold(wanted: Mapping[str, str], actual: Mapping[str, str]) -> tuple[str, ...]:
    """Return the properties that the broker says nothing of."""
    return tuple(word for word in wanted if word not in actual)


def diff(name: str, differing: Iterable[Change]) -> Iterator[str]:
    """Yield the lines that show changes of a topic as a diff, each with its price and how to ask for it."""
    yield f"--- {name} on the broker"
    yield f"+++ {name} as wanted"
    for change in differing:
        yield f"-{change.property} = {change.actual}"
        yield f"+{change.property} = {change.wanted}"
        yield f"    {change.safety.value.replace('_', ' ')}: {change.why}{_asked_by(name, change)}"


def creation(name: str, wanted: Mapping[str, str]) -> Iterator[str]:
    """Yield the lines that show a missing topic as a diff."""
    yield "--- /dev/null"
    yield f"+++ {name} as wanted"
    yield from (f"+{word} = {text}" for word, text in wanted.items())


def _asked_by(name: str, change: Change) -> str:
    match change.safety:
        case Safety.SAFE:
            return " [--alter]"
        case Safety.DESTRUCTIVE:
            return f" [--alter --accept-loss {name}:{change.property}]"
        case Safety.BY_HAND:
            return ""


_Judged = tuple[Safety, str]


def _partitions(topic: Topic, wanted: str, actual: str) -> _Judged | None:
    if int(actual) < int(wanted):
        if topic.growth_loss:
            return Safety.DESTRUCTIVE, topic.growth_loss
        return Safety.SAFE, "records of one key may stand in two partitions, which nobody relies on here"
    if topic.same_partitions_as:
        return None
    if topic.partition_count is not None:
        return Safety.BY_HAND, f"Kafka removes no partition: make the topic anew, for with more than {wanted} {topic.growth_loss}"
    return Safety.BY_HAND, f"Kafka removes no partition: set --partition-count {actual} if so many are meant, or make the topic anew"


def _replication(_topic: Topic, _wanted: str, _actual: str) -> _Judged:
    return Safety.BY_HAND, "replicas are moved by your broker's own tools"


def _timestamp_type(_topic: Topic, _wanted: str, _actual: str) -> _Judged:
    return (
        Safety.SAFE,
        "records appended from then on carry the broker's time; until then partition time is that of the producers",
    )


def _cleanup(_topic: Topic, wanted: str, actual: str) -> _Judged | None:
    added = _policies(wanted) - _policies(actual)
    if "compact" in added:
        return Safety.DESTRUCTIVE, "of each key only the last record stays, and records without a key are refused"
    if "delete" in added:
        return Safety.DESTRUCTIVE, "records older than retention.ms go, also the last one of their key"
    if _policies(actual) == _policies(wanted):
        return None
    return Safety.SAFE, "fewer records go than now"


def _policies(text: str) -> set[str]:
    return {word.strip() for word in text.split(",")} - {""}


def _retention(_topic: Topic, wanted: str, actual: str) -> _Judged:
    if _is_longer(int(wanted), int(actual)):
        return Safety.SAFE, f"records are kept {_age(int(wanted))} instead of {_age(int(actual))}, which takes room"
    return Safety.DESTRUCTIVE, f"records older than {_age(int(wanted))} go"


def _is_longer(wanted_ms: int, actual_ms: int) -> bool:
    return actual_ms != _FOR_EVER and (wanted_ms == _FOR_EVER or wanted_ms > actual_ms)


def _age(milliseconds: int) -> str:
    if milliseconds == _FOR_EVER:
        return "for ever"
    days, rest = divmod(milliseconds, DAY_MS)
    return f"{days} d" if days and not rest else f"{milliseconds / _HOUR_MS:g} h"


def _size(_topic: Topic, wanted: str, actual: str) -> _Judged | None:
    # More than is wanted harms nobody: the writers are ours.
    return (Safety.SAFE, "larger records are accepted; until then they are refused") if int(actual) < int(wanted) else None


_JUDGES: Mapping[str, Callable[[Topic, str, str], _Judged | None]] = {
    PARTITIONS: _partitions,
    REPLICATION: _replication,
    "message.timestamp.type": _timestamp_type,
    _CLEANUP: _cleanup,
    _RETENTION: _retention,
    "max.message.bytes": _size,
}
