"""Re-keys records by trace: one record, whatever it holds, becomes records of one trace each, keyed by the trace's id."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from processor import metrics as m
from processor.group_handler import Checkpointed
from processor.refused_records import bury_refused
from topics.otlp import RECORD_SIZE_MAX, decode_json, encode_protobuf, format_of
from topics.otlp_traces import only_trace, split_by_trace
from topics.refusal import RefusalReason

if TYPE_CHECKING:
    from processor.group_handler import Taking
    from processor.metrics import Metrics
    from processor.record import PartitionKey, Record
    from topics.dead_letter import DeadLetter
    from topics.span import Span

Header = tuple[str, bytes | str | None]

_PREFIX = "betrace_shard_"
ORIGIN_TOPIC = _PREFIX + "topic"
ORIGIN_PARTITION = _PREFIX + "partition"
ORIGIN_OFFSET = _PREFIX + "offset"
_FORMAT_HEADERS = frozenset({"encoding", "content-type"})
_PROTOBUF: Header = ("content-type", b"application/x-protobuf")


class ShardedRecord(NamedTuple):
    """A record of one trace: its id in 32 lower-case hex digits for a key, a protobuf request for a value."""

    key: bytes
    value: bytes
    headers: list[Header]


class Sharded(NamedTuple):
    """What became of a record: its traces, in the order in which they first come, and what was refused, counted by reason."""

    records: Sequence[ShardedRecord]
    refused: Counter[RefusalReason]


_NONE_REFUSED: Counter[RefusalReason] = Counter()


def shard(record: Record) -> Sharded:
    """Return the traces of a record; never raises.

    A protobuf record of one trace keeps its value, byte for byte; of several, each span keeps its bytes. JSON is written anew as protobuf:
    what no rule can read of it (flags, trace state, schema URLs) is left behind. Headers stay, so that the content type is never
    lost, and say where the record came from.
    """
    if len(record.value) > RECORD_SIZE_MAX:
        return Sharded((), Counter({RefusalReason.TOO_LARGE: 1}))
    headers = _headers(record)
    if record.format == "json":
        decoded = decode_json(record.value)
        values = {trace_id.encode(): encode_protobuf(spans) for trace_id, spans in _traces(decoded.spans).items()}
        return Sharded([ShardedRecord(key, value, headers) for key, value in values.items()], decoded.refused)
    trace_id = only_trace(record.value)
    if trace_id is not None:
        return Sharded([ShardedRecord(trace_id.hex().encode(), record.value, headers)], _NONE_REFUSED)
    found = split_by_trace(record.value)
    return Sharded([ShardedRecord(key.hex().encode(), value, headers) for key, value in found.parts.items()], found.refused)


def _traces(spans: Iterable[Span]) -> dict[str, list[Span]]:
    found: dict[str, list[Span]] = {}
    for span in spans:
        found.setdefault(span.trace_id, []).append(span)
    return found


def _headers(record: Record) -> list[Header]:
    """Return the record's headers, those of its format set right, and where it came from, unless it says so already."""
    kept: list[Header] = list(record.headers)
    if format_of(kept, "json") != "protobuf":
        kept = [header for header in kept if header[0].lower() not in _FORMAT_HEADERS]
        kept.append(_PROTOBUF)
    if all(name != ORIGIN_TOPIC for name, _value in kept):
        kept += [
            (ORIGIN_TOPIC, record.topic.encode()),
            (ORIGIN_PARTITION, str(record.partition).encode()),
            (ORIGIN_OFFSET, str(record.offset).encode()),
        ]
    return kept


class ShardPublisher(Protocol):
    """Where sharded records go."""

    def sharded(self, record: ShardedRecord, origin: Record) -> None:
        """Send a record; it is durable after the next flush."""

    def dead_letter(self, letter: DeadLetter) -> None:
        """Send a record that was refused."""

    def flush(self) -> None:
        """Return when all that was sent is acknowledged; raise where it is not."""


class Sharder:
    """The handler of a group that re-keys a topic (processor/group_handler.py). It remembers nothing but how far it has read.

    At least once: an offset may be committed only behind a flush, so a crash repeats records, and whoever judges knows a redelivered span.
    """

    def __init__(self, publisher: ShardPublisher, metrics: Metrics) -> None:
        self._publisher = publisher
        self._metrics = metrics
        self._positions: dict[PartitionKey, int | None] = {}

    @property
    def is_urgent(self) -> bool:
        """Nothing waits to be said."""
        return False

    def taking(self, committed: Mapping[PartitionKey, int | None]) -> Taking:
        """Go on at what was committed, else where the log begins; in no steps."""
        yield from ()
        self._positions |= committed
        self._count_owned()
        return {key: offset for key, offset in committed.items() if offset is not None}

    def chunk(self, key: PartitionKey, records: Sequence[Record], position: int) -> None:
        """Send the traces of some records."""
        written = split = empty = 0
        for record in records:
            found = shard(record)
            for sharded in found.records:
                self._publisher.sharded(sharded, record)
            written += len(found.records)
            split += len(found.records) > 1
            if found.refused:
                bury_refused(record, found.refused, self._metrics, self._publisher.dead_letter)
            elif not found.records:
                empty += 1
        counts = ((m.RECORDS_READ, len(records)), (m.RECORDS_SHARDED, written), (m.RECORDS_SPLIT, split), (m.RECORDS_WITHOUT_SPANS, empty))
        for metric, count in counts:
            self._metrics.add(metric, count)
        self._positions[key] = position

    def checkpoint(self, keys: Iterable[PartitionKey], *, handing_over: bool = False, is_amid: bool = False) -> Checkpointed:
        """Wait until everything sent is acknowledged; only then say how far the partitions are read."""
        del handing_over, is_amid
        commits = {key: position for key in keys if (position := self._positions.get(key)) is not None}
        self._publisher.flush()
        for key, position in commits.items():
            self._metrics.set(m.POSITION, position, key.topic, str(key.partition))
        return Checkpointed(commits, ())

    def released(self, keys: Iterable[PartitionKey], *, lost: bool) -> None:
        """Forget how far they were read."""
        del lost
        for key in keys:
            self._positions.pop(key, None)
            m.forget_partition(self._metrics, *key)
        self._count_owned()

    def drain(self) -> None:
        """Nothing is open here."""

    def _count_owned(self) -> None:
        self._metrics.set(m.PARTITIONS_OWNED, len(self._positions))
