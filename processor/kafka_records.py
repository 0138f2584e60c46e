"""Records out of what the Kafka client hands over, and how its consumer is set up. This runs for every record: each call counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import filterfalse, groupby
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaError, Message

from processor.record import PartitionKey
from processor.records_read import ReadRecords
from processor.settings import GroupProtocol, InputFormat
from topics.otlp import all_detected, format_of

if TYPE_CHECKING:
    from processor.record import RecordFormat
    from processor.settings import Settings

_NS_PER_MS = 1_000_000
_NO_TIMESTAMP = 0
_FORMATS: dict[InputFormat, RecordFormat] = {InputFormat.PROTOBUF: "protobuf", InputFormat.JSON: "json"}

Headers = Sequence[tuple[str, bytes | str | None]]


@dataclass(slots=True)
class KafkaRecord:
    """A record as the flow reads it (processor/record.py)."""

    topic: str
    partition: int
    offset: int
    timestamp_ns: int | None
    key: bytes | None
    value: bytes
    format: RecordFormat
    message: Message = field(repr=False)

    @property
    def headers(self) -> Headers:
        """Its headers, unpacked when somebody asks: few records have any, and few readers care."""
        return _headers(self.message)


@dataclass(slots=True)
class Polled:
    """What a poll gave: records and ends of logs by partition, and errors."""

    records: dict[PartitionKey, ReadRecords] = field(default_factory=dict)
    ends: dict[PartitionKey, int] = field(default_factory=dict)
    errors: list[KafkaError] = field(default_factory=list)


def polled(topic: str, messages: Sequence[Message], given: InputFormat) -> Polled:
    """Sort the messages of a consumer that reads one topic, those of each partition in their order."""
    found = Polled()
    events = list(filter(Message.error, messages))
    for event in events:
        _take_event(found, topic, event)
    by_partition: dict[int, list[Message]] = {}
    # Messages of a partition come in runs.
    for partition, run in groupby(filterfalse(Message.error, messages) if events else messages, Message.partition):
        by_partition.setdefault(partition or 0, []).extend(run)
    for partition, records in by_partition.items():
        log = PartitionKey(topic, partition)
        found.records[log] = _columns(log, records, _FORMATS.get(given))
    return found


def _take_event(found: Polled, topic: str, message: Message) -> None:
    error = message.error()
    assert error is not None
    if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the constant's name begins so
        found.ends[PartitionKey(topic, message.partition() or 0)] = message.offset() or 0
    else:
        found.errors.append(error)


def _columns(log: PartitionKey, messages: Sequence[Message], fixed: RecordFormat | None) -> ReadRecords:
    values = _filled(map(Message.value, messages), b"")
    return ReadRecords(
        log,
        _filled(map(Message.offset, messages), 0),
        [None if kind == _NO_TIMESTAMP or at_ms < 0 else at_ms * _NS_PER_MS for kind, at_ms in map(Message.timestamp, messages)],
        list(map(Message.key, messages)),
        values,
        [fixed] * len(messages) if fixed else _formats(messages, values),
        messages,
        partial(_record, log, fixed),
    )


def _filled(found: Iterable[Any], default: Any) -> list[Any]:  # noqa: ANN401 - the client's stubs say more than there is
    """Return what was found, the default for None, of which there is none as a rule."""
    values = list(found)
    return values if all(values) else [value or default for value in values]


def _record(log: PartitionKey, fixed: RecordFormat | None, message: Message) -> KafkaRecord:
    one = _columns(log, (message,), fixed)
    return KafkaRecord(*log, one.offsets[0], one.timestamps_ns[0], one.keys[0], one.values[0], one.formats[0], message)


def _formats(messages: Sequence[Message], values: Sequence[bytes]) -> list[RecordFormat]:
    found = all_detected(values)
    if any(map(Message.headers, messages)):
        for index, message in enumerate(messages):
            found[index] = format_of(_headers(message), found[index])
    return found


def _headers(message: Message) -> Headers:
    headers = message.headers() or ()
    return tuple(headers.items()) if isinstance(headers, Mapping) else tuple(headers)


def consumer_properties(settings: Settings) -> dict[str, Any]:
    """Return librdkafka's properties for the group's consumer; `client_properties` of the settings come last."""
    properties: dict[str, Any] = {
        "client.id": "betrace-worker",
        "group.id": settings.group_id,
        "group.protocol": str(settings.group_protocol),
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "enable.partition.eof": True,
        "auto.offset.reset": "earliest",
        "max.poll.interval.ms": round(settings.delivery_timeout_s * 1000) + 60_000,
        "fetch.wait.max.ms": 100,
        "fetch.queue.backoff.ms": 5,
        "queued.max.messages.kbytes": settings.queued_kbytes_max,
    }
    if settings.group_protocol is GroupProtocol.CLASSIC:
        session_ms = round(settings.group_session_timeout_s * 1000)
        properties |= {
            "partition.assignment.strategy": "cooperative-sticky",
            "session.timeout.ms": session_ms,
            "heartbeat.interval.ms": max(100, session_ms // 6),
        }
    return properties | settings.connection_properties()
