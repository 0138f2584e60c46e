"""Records kept to show the traces in them: an engine keeps what its rules need, a person wants to see all spans of a violation."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from compiler.trace import TraceView
from topics.otlp import decode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from compiler.read_names import Read
    from compiler.rule_set import RuleSet
    from compiler.verdict import Judgement
    from processor.record import RecordFormat
    from processor.trace_engine import Asked, Batch, Taken, TakePolicy, TraceEngine, TraceFacts
    from topics.span import Span

KEPT_SIZE_MAX = 256 * 2**20
_DECODED_SIZE_MAX = 8 * 2**20


@dataclass(slots=True)
class KeptRecords:
    """Records as they came, and which of them touched each trace; they are decoded again when a trace is to be seen.

    At most `size_max` bytes of values are kept; a trace that later records touch cannot be seen. Beside them at most some megabytes' worth
    of records, or a single one, are held decoded, since traces are looked at in the order in which they came. Of each trace that is the
    values' share, two words a record, and its id.
    """

    span_count_max: int
    size_max: int = KEPT_SIZE_MAX
    _size: int = 0
    _records: list[tuple[bytes, RecordFormat]] = field(default_factory=list)
    _touching: dict[str, list[int]] = field(default_factory=dict)
    _unseen: set[str] = field(default_factory=set)
    _decoded: OrderedDict[int, Mapping[str, list[Span]]] = field(default_factory=OrderedDict)
    _decoded_size: int = 0

    def keep(self, batch: Batch, taken: Taken) -> None:
        """Keep some records as far as there is room, and note which traces they touched; touches are of one record each."""
        places: list[int | None] = [self._place(*record) for record in zip(batch.values, batch.formats, strict=True)]
        for touch in taken.touches:
            place = places[touch.record]
            if place is None:
                self._unseen.add(touch.trace_id)
            else:
                self._touching.setdefault(touch.trace_id, []).append(place)

    def view(self, trace_id: str) -> TraceView | None:
        """Return a trace with the spans that were judged; None where not all of its records are kept."""
        if trace_id in self._unseen or trace_id not in self._touching:
            return None
        spans: dict[str, Span] = {}
        for place in self._touching[trace_id]:
            for span in self._spans(place).get(trace_id, ()):
                if len(spans) < self.span_count_max:
                    spans.setdefault(span.span_id, span)
        return TraceView(spans.values())

    def _place(self, value: bytes, record_format: RecordFormat) -> int | None:
        if self._size + len(value) > self.size_max:
            return None
        self._size += len(value)
        self._records.append((value, record_format))
        return len(self._records) - 1

    def _spans(self, place: int) -> Mapping[str, list[Span]]:
        """Return the spans of a record by their traces, decoded now or lately."""
        if place in self._decoded:
            self._decoded.move_to_end(place)
            return self._decoded[place]
        value, record_format = self._records[place]
        by_trace: dict[str, list[Span]] = {}
        for span in decode(value, record_format).spans:
            by_trace.setdefault(span.trace_id, []).append(span)
        self._decoded[place] = by_trace
        self._decoded_size += len(value)
        while self._decoded_size > _DECODED_SIZE_MAX and len(self._decoded) > 1:
            oldest, _ = self._decoded.popitem(last=False)
            self._decoded_size -= len(self._records[oldest][0])
        return by_trace


@dataclass(frozen=True, slots=True)
class KeepingEngine:
    """An engine that also keeps the records it takes (processor.trace_engine.TraceEngine)."""

    engine: TraceEngine
    kept: KeptRecords

    @property
    def rule_set(self) -> RuleSet:
        """The rules it judges by."""
        return self.engine.rule_set

    def take(self, partition: int, batch: Batch, policy: TakePolicy) -> Taken:
        """Take in records, and keep them: which record touched which trace must be told, whatever the policy."""
        taken = self.engine.take(partition, batch, policy._replace(by_record=True))
        self.kept.keep(batch, taken)
        return taken

    def judge(self, asked: Sequence[Asked]) -> list[bytes]:
        """Leave it to the engine, as all that follows."""
        return self.engine.judge(asked)

    def explain(self, asked: Asked, rule_index: int) -> Judgement:
        """Return the verdict of one enabled rule with its evidence."""
        return self.engine.explain(asked, rule_index)

    def facts(self, handle: int) -> TraceFacts:
        """Return what there is to say of a trace itself."""
        return self.engine.facts(handle)

    def drop_many(self, handles: Sequence[int]) -> None:
        """Forget traces; their records stay."""
        self.engine.drop_many(handles)

    def watch(self, reads: Sequence[Read]) -> None:
        """Leave it to the engine."""
        self.engine.watch(reads)

    def occurred(self) -> list[bool]:
        """Return of each name that is looked for whether it has occurred."""
        return self.engine.occurred()

    @property
    def layout(self) -> bytes:
        """What an engine must have in common to load its states."""
        return self.engine.layout

    @property
    def memory_bytes(self) -> int:
        """What the engine holds; records kept are not among it."""
        return self.engine.memory_bytes

    def export_many(self, handles: Sequence[int]) -> list[bytes]:
        """Return all that the engine keeps of some traces."""
        return self.engine.export_many(handles)

    def load_many(self, partition: int, states: Sequence[bytes]) -> list[int]:
        """Take in traces that were exported; their records are not kept."""
        return self.engine.load_many(partition, states)
