"""What the flow sees of an engine: records go in, it keeps what its rules must remember of each trace, and judges when it is asked.

The flow keeps times, close reasons and what was said. A handle names a trace between them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from compiler.verdict import Verdict

if TYPE_CHECKING:
    from compiler.read_names import Read
    from compiler.rule_set import RuleSet
    from compiler.verdict import Closing, Judgement
    from processor.record import RecordFormat
    from topics.refusal import RefusalReason

# A verdict is a byte between engine and flow: the index into this table.
VERDICTS = (Verdict.UNKNOWN, Verdict.SATISFIED, Verdict.VIOLATED, Verdict.NOT_APPLICABLE, Verdict.INCONCLUSIVE, Verdict.EXCUSED)
CODES = {verdict: code for code, verdict in enumerate(VERDICTS)}
# Bits of a touch's order that tell traces of one record apart; no record, or order, is NONE.
ORDER_BITS = 32
NONE = -1


class TakenRecord(NamedTuple):
    """A record as an engine takes it: an ExportTraceServiceRequest, its encoding, when it arrived in partition time, and its key."""

    value: bytes
    format: RecordFormat
    arrived_ns: int
    key: bytes | None = None


class Batch(NamedTuple):
    """Records of one partition in their order, a column each.

    `is_keyed`: the key of a record is to be the id of the one trace that it holds, in lower-case hexadecimal digits.
    """

    values: Sequence[bytes]
    formats: Sequence[RecordFormat]
    arrived_ns: Sequence[int]
    keys: Sequence[bytes | None]
    is_keyed: bool = False


def batch_of(records: Iterable[TakenRecord], *, is_keyed: bool = False) -> Batch:
    """Return some records as a batch."""
    rows = list(records)
    return Batch(
        [row.value for row in rows],
        [row.format for row in rows],
        [row.arrived_ns for row in rows],
        [row.key for row in rows],
        is_keyed,
    )


class TakePolicy(NamedTuple):
    """How many spans are kept of a trace, and after what silence a record begins its trace anew (processor/closing.py); None: never.

    `by_record`: a touch tells of one record alone.
    """

    span_count_max: int
    closed_retention_ns: int | None = None
    by_record: bool = False


class Touch(NamedTuple):
    """What some records, one or more, brought to one trace.

    Records are told by their index into the batch, times are those at which they arrived. Where several traces are touched by one record,
    an order says which comes first: it is the record's index shifted by ORDER_BITS, plus a number that grows with the place of the trace's
    first span in the record. `order` is that of the first touch.

    `handle` is a small number, not negative, which names the trace until it is dropped and is then used again. `opened`: the trace began
    with the first of these records; an older trace of the same id, if the flow has not dropped it, keeps its own handle and gets no more
    spans.

    `span_count` is how many spans of the trace the records held, `new_count` how many of them were kept; the rest had come before, equal
    (`redelivered_count`) or not (`differing_count`), or were too many (`over_limit_count`). An engine that does not keep whole spans counts
    differing ones as redelivered.

    `arrived_ns` is the greatest time of all these records, `new_arrived_ns` of those that brought a span that was kept (0: none did);
    `new_order` is the order of the first of the latter, `last_new` their last. `first_over_limit` is the first record that brought too many
    spans, `first_root` the first that brought a kept span without a parent id. `apart_order` is the order of the first record of a keyed
    batch whose key is not the id of the one trace that it holds. Records and orders that there are not are NONE.
    """

    order: int
    handle: int
    trace_id: str
    opened: bool
    span_count: int
    new_count: int
    redelivered_count: int
    differing_count: int
    over_limit_count: int
    arrived_ns: int
    new_arrived_ns: int
    new_order: int
    last_new: int
    first_over_limit: int
    first_root: int
    apart_order: int

    @property
    def record(self) -> int:
        """The first record."""
        return self.order >> ORDER_BITS


class Taken(NamedTuple):
    """What became of a batch.

    `touches` are in order; a trace may have several, each of records behind those of the one before. `refused` is what was refused, by
    record; `apart` are the records of a keyed batch whose key is not the id of the one trace that they hold, ascending.
    """

    touches: list[Touch]
    refused: dict[int, Counter[RefusalReason]]
    apart: list[int]


def moved(touches: Iterable[Touch], records: Sequence[int], places: Sequence[int]) -> list[Touch]:
    """Return touches of a part of a batch as ones of the whole.

    Record i of the part is a part of record `records[i]`, of which `places[i]` spans were given away before.
    """

    def order(it: int) -> int:
        index = it >> ORDER_BITS
        return NONE if it == NONE else it + ((records[index] - index) << ORDER_BITS) + places[index]

    def record(it: int) -> int:
        return NONE if it == NONE else records[it]

    return [
        touch._replace(
            order=order(touch.order),
            new_order=order(touch.new_order),
            apart_order=order(touch.apart_order),
            last_new=record(touch.last_new),
            first_over_limit=record(touch.first_over_limit),
            first_root=record(touch.first_root),
        )
        for touch in touches
    ]


class Asked(NamedTuple):
    """A question: a trace, how much of it is there, and when it opened, for exceptions that expire; None: every exception is in force."""

    handle: int
    closing: Closing
    opened_ns: int | None


class TraceFacts(NamedTuple):
    """What a violation record says of its trace, whatever the rules read.

    Name and service are those of the first root in order of (start, id); `services` are distinct and sorted. Times are unix nanoseconds
    of spans that have usable ones, None where no span has. An orphan has a parent id that names no other span of the trace.
    """

    root_name: str | None
    root_service: str | None
    services: tuple[str, ...]
    first_start_ns: int | None
    last_end_ns: int | None
    span_count: int
    orphan_count: int

    @property
    def duration_ns(self) -> int | None:
        """Last end minus first start; None where no span has times."""
        if self.first_start_ns is None or self.last_end_ns is None:
            return None
        return self.last_end_ns - self.first_start_ns


class EngineLostError(Exception):
    """An engine met the limit of its memory, or a fault of its own, and with it lost what it kept: the text says which.

    It is of no more use, everything but `drop_many` raises this again. A worker ends, and a fresh one reads again from the last commit.
    """


class TraceEngine(Protocol):
    """Keeps traces and judges them by one rule set. Serves one handler; its methods are called one at a time.

    Traces of different partitions never meet, even with the same id; `partition` is any number that tells them apart. Every method may
    raise EngineLostError.
    """

    @property
    def rule_set(self) -> RuleSet:
        """The rules it judges by."""

    def take(self, partition: int, batch: Batch, policy: TakePolicy) -> Taken:
        """Decode some records of a partition, in their order, and take in their spans; never raises for what they hold."""

    def judge(self, asked: Sequence[Asked]) -> list[bytes]:
        """Return for each trace asked one byte per enabled rule, in the order of the rule set: its index in VERDICTS."""

    def explain(self, asked: Asked, rule_index: int) -> Judgement:
        """Return the verdict of one enabled rule with its evidence.

        Of the offenders' attributes those are there, at least, that the rule reads or declares as evidence.
        """

    def facts(self, handle: int) -> TraceFacts:
        """Return what there is to say of a trace itself."""

    def drop_many(self, handles: Sequence[int]) -> None:
        """Forget traces; their handles may be used again."""

    def watch(self, reads: Sequence[Read]) -> None:
        """Look in all spans that are kept from now on for names that the rules read; called once at most."""

    def occurred(self) -> list[bool]:
        """Return of each name that is looked for whether it has occurred."""

    @property
    def layout(self) -> bytes:
        """Names what the engine can load: states of engines with this layout. Whoever stores states stores it once beside them."""

    @property
    def memory_bytes(self) -> int:
        """About how much memory its traces take. It costs little to ask."""

    def export_many(self, handles: Sequence[int]) -> list[bytes]:
        """Return all that is kept of some traces, each as bytes that begin with the 16 of its id.

        What is equal need not have equal bytes. When a trace opened is not among it, nor its partition.
        """

    def load_many(self, partition: int, states: Sequence[bytes]) -> list[int]:
        """Take in traces that were exported and return their handles.

        All or nothing: raises ValueError, and takes in none, where a state has another layout or is damaged in any way, and where a trace
        is there already, be it from before or by another of these states.
        """
