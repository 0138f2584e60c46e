"""Which program takes in which record: a trace is judged by one program from its first record to its last."""

from __future__ import annotations

from collections import Counter
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from processor.closing import begins_anew
from processor.open_trace import NO_HANDLE
from processor.trace_engine import Batch, moved
from processor.trace_keys import TRACE_ID
from topics.otlp import decode, encode_protobuf

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from processor.judging import Judging
    from processor.open_trace import OpenTrace
    from processor.record import RecordFormat
    from processor.trace_engine import TakePolicy, Touch
    from topics.refusal import RefusalReason
    from topics.span import Span


class Brought(NamedTuple):
    """What a batch brought: touches in their order, with who judges their traces; by record what was refused; which records are apart."""

    touches: Sequence[tuple[Judging, Sequence[Touch]]]
    refused: dict[int, Counter[RefusalReason]]
    apart: Sequence[int]


def take(number: int, batch: Batch, judging: Judging, policy: TakePolicy) -> Brought:
    """Give a batch to one engine; `number` is the partition's."""
    taken = judging.engine.take(number, batch, policy)
    return Brought([(judging, taken.touches)], taken.refused, taken.apart)


class _Part(NamedTuple):
    """A part of a record, told by its index: how many of its spans went to other programs before, and a value with the rest."""

    record: int
    place: int
    value: bytes
    format: RecordFormat


class Router:
    """Gives each record of a chunk to the engine of its trace, where traces of several programs are remembered.

    A record's key says which trace it holds; a record without such a key is taken apart. Where a key lies, a trace of another program may
    be displaced: its records are scattered, and counted as such.
    """

    def __init__(self, number: int, traces: Mapping[str, OpenTrace], current: Judging, policy: TakePolicy) -> None:
        self._number = number
        self._traces = traces
        self._current = current
        self._policy = policy
        # Of the traces met in this chunk: who judges them, and their last record.
        self._met: dict[str, tuple[Judging, int]] = {}

    def take(self, batch: Batch) -> Brought:
        """Give all records to engines, each one's in their order."""
        refused: dict[int, Counter[RefusalReason]] = {}
        given: dict[Judging, list[_Part]] = {}
        for index, (value, record_format, arrived_ns, key) in enumerate(
            zip(batch.values, batch.formats, batch.arrived_ns, batch.keys, strict=True)
        ):
            if key is not None and TRACE_ID.fullmatch(key):
                judging = self._judging(key.decode("ascii"), arrived_ns)
                given.setdefault(judging, []).append(_Part(index, 0, value, record_format))
                continue
            decoded = decode(value, record_format)
            if decoded.refused:
                refused[index] = Counter(decoded.refused)
            place = 0
            for judging, spans in self._by_program(decoded.spans, arrived_ns).items():
                given.setdefault(judging, []).append(_Part(index, place, encode_protobuf(spans), "protobuf"))
                place += len(spans)
        return self._taken(batch, given, refused)

    def _by_program(self, spans: Iterable[Span], arrived_ns: int) -> dict[Judging, list[Span]]:
        found: dict[Judging, list[Span]] = {}
        for span in spans:
            found.setdefault(self._judging(span.trace_id, arrived_ns), []).append(span)
        return found

    def _judging(self, trace_id: str, arrived_ns: int) -> Judging:
        met = self._met.get(trace_id)
        if met is None:
            trace = self._traces.get(trace_id)
            gone = trace is None or trace.handle == NO_HANDLE
            met = (self._current, arrived_ns) if trace is None or gone else (trace.judging, trace.last_record_ns)
        judging, last_ns = met
        if begins_anew(self._policy, last_ns, arrived_ns):
            judging = self._current
        self._met[trace_id] = (judging, max(last_ns, arrived_ns))
        return judging

    def _taken(self, batch: Batch, given: Mapping[Judging, Sequence[_Part]], refused: dict[int, Counter[RefusalReason]]) -> Brought:
        brought: list[tuple[int, Judging, Touch]] = []
        apart: set[int] = set()
        for judging, parts in given.items():
            indices = [part.record for part in parts]
            own = Batch(
                [part.value for part in parts],
                [part.format for part in parts],
                [batch.arrived_ns[index] for index in indices],
                [batch.keys[index] for index in indices],
                batch.is_keyed,
            )
            taken = judging.engine.take(self._number, own, self._policy)
            brought += [(touch.order, judging, touch) for touch in moved(taken.touches, indices, [part.place for part in parts])]
            apart.update(indices[place] for place in taken.apart)
            refused.update({indices[place]: counts for place, counts in taken.refused.items()})
        brought.sort(key=itemgetter(0))
        return Brought([(judging, [touch]) for _, judging, touch in brought], refused, sorted(apart))
