"""Records out of what the Kafka client hands over, and how its consumer is set up. This runs for every record: each call counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaError, Message

from processor.record import PartitionKey
from processor.settings import GroupProtocol, InputFormat
from topics.otlp import detected, format_of

if TYPE_CHECKING:
    from processor.record import RecordFormat
    from processor.settings import Settings

_NS_PER_MS = 1_000_000
_NO_TIMESTAMP = 0
_FORMATS: dict[InputFormat, RecordFormat] = {InputFormat.PROTOBUF: "protobuf", InputFormat.JSON: "json"}

Headers = Sequence[tuple[str, bytes | str | None]]


@dataclass(slots=True)
class KafkaRecord:
    """A record as the flow reads it (processor/record.py). Not frozen: that would triple what it costs to make one."""

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

    records: dict[PartitionKey, list[KafkaRecord]] = field(default_factory=dict)
    ends: dict[PartitionKey, int] = field(default_factory=dict)
    errors: list[KafkaError] = field(default_factory=list)


def polled(topic: str, messages: Iterable[Message], given: InputFormat) -> Polled:
    """Sort the messages of a consumer that reads one topic, those of each partition in their order."""
    found = Polled()
    fixed = _FORMATS.get(given)
    last = -1
    records: list[KafkaRecord] = []
    for message in messages:
        partition = message.partition() or 0
        error = message.error()
        if error is not None:
            _take_event(found, PartitionKey(topic, partition), message, error)
            continue
        # Messages of a partition come in runs.
        if partition != last:
            last, records = partition, found.records.setdefault(PartitionKey(topic, partition), [])
        kind, timestamp_ms = message.timestamp()
        value = message.value() or b""
        records.append(
            KafkaRecord(
                topic,
                partition,
                message.offset() or 0,
                None if kind == _NO_TIMESTAMP or timestamp_ms < 0 else timestamp_ms * _NS_PER_MS,
                message.key(),
                value,
                fixed or _format(message, value),
                message,
            )
        )
    return found


def _take_event(found: Polled, key: PartitionKey, message: Message, error: KafkaError) -> None:
    if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the constant's name begins so
        found.ends[key] = message.offset() or 0
    else:
        found.errors.append(error)


def _format(message: Message, value: bytes) -> RecordFormat:
    headers = message.headers()
    return format_of(_headers(message), detected(value)) if headers else detected(value)


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
