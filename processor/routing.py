"""Which program takes in which record: a trace is judged by one program from its first record to its last."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from processor.closing import begins_anew
from processor.open_trace import NO_HANDLE
from topics.otlp import decode, encode_protobuf

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from processor.judging import Judging
    from processor.open_trace import OpenTrace
    from processor.trace_engine import TakenRecord, TakePolicy, Touch
    from topics.refusal import RefusalReason
    from topics.span import Span

TRACE_ID = re.compile(rb"[0-9a-f]{32}")


class Brought(NamedTuple):
    """What some records brought: by index of the record, who judges the touched traces and the touches; what was refused, likewise."""

    touches: dict[int, list[tuple[Judging, list[Touch]]]]
    refused: dict[int, Counter[RefusalReason]]


def take(number: int, records: Sequence[TakenRecord], judging: Judging, policy: TakePolicy) -> Brought:
    """Give records to one engine; `number` is the partition's."""
    taken = judging.engine.take(number, records, policy)
    touches: dict[int, list[tuple[Judging, list[Touch]]]] = {}
    for touch in taken.touches:
        groups = touches.get(touch.record)
        if groups is None:
            touches[touch.record] = [(judging, [touch])]
        else:
            groups[0][1].append(touch)
    return Brought(touches, taken.refused)


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

    def take(self, records: Sequence[TakenRecord], keys: Sequence[bytes | None]) -> Brought:
        """Give all records to engines, each one's in their order."""
        refused: dict[int, Counter[RefusalReason]] = {}
        given: dict[Judging, list[tuple[int, TakenRecord]]] = {}
        for index, (record, key) in enumerate(zip(records, keys, strict=True)):
            if key is not None and TRACE_ID.fullmatch(key):
                judging = self._judging(key.decode("ascii"), record.arrived_ns)
                given.setdefault(judging, []).append((index, record))
                continue
            decoded = decode(record.value, record.format)
            if decoded.refused:
                refused[index] = Counter(decoded.refused)
            for judging, spans in self._by_program(decoded.spans, record.arrived_ns).items():
                part = record._replace(value=encode_protobuf(spans), format="protobuf")
                given.setdefault(judging, []).append((index, part))
        return self._taken(given, refused)

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

    def _taken(self, given: Mapping[Judging, Sequence[tuple[int, TakenRecord]]], refused: dict[int, Counter[RefusalReason]]) -> Brought:
        touches: dict[int, list[tuple[Judging, list[Touch]]]] = {}
        for judging, parts in given.items():
            brought = take(self._number, [part for _, part in parts], judging, self._policy)
            for place, groups in brought.touches.items():
                touches.setdefault(parts[place][0], []).extend(groups)
            refused.update({parts[place][0]: counts for place, counts in brought.refused.items()})
        return Brought(touches, refused)
