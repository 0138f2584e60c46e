"""The reference engine behind the flow: keeps the spans of each trace as objects and judges them by the definition of the language."""

from __future__ import annotations

import struct
from collections import Counter
from dataclasses import dataclass, field
from itertools import accumulate, islice
from typing import TYPE_CHECKING, NamedTuple

from compiler.judge import ReferenceEngine
from compiler.trace import TraceView
from processor.closing import begins_anew
from processor.trace_engine import CODES, NONE, ORDER_BITS, Asked, Taken, Touch, TraceFacts
from processor.trace_states import CHECK_SIZE, Seal, trace_id_of
from topics.otlp import decode, encode_protobuf
from topics.otlp_protobuf import read_request

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from compiler.read_names import Read
    from compiler.rule_set import RuleSet
    from compiler.verdict import Judgement
    from processor.trace_engine import Batch, TakePolicy
    from topics.refusal import RefusalReason
    from topics.span import Span


# Whole spans can be judged by any rules.
_LAYOUT = b"spans in order of arrival, 1"
_SEAL = Seal(_LAYOUT)
# A state: trace id, when its last record arrived, how many spans; behind it they stand as a request, then the seal.
_HEAD = struct.Struct("<16sqI")
# What a span may take as objects; nobody plans a machine by the reference engine.
_SPAN_BYTES = 2_000


@dataclass(slots=True)
class _Trace:
    """A trace: its spans by id in order of arrival, and when its last record arrived."""

    partition: int
    trace_id: str
    last_record_ns: int
    spans: dict[str, Span] = field(default_factory=dict)


class _Grown(NamedTuple):
    """How many spans of a record were kept, had come before, equal or not, and were too many; whether a kept one is a root."""

    new: int
    redelivered: int
    differing: int
    over_limit: int
    root_seen: bool


@dataclass(frozen=True, slots=True)
class _Judged:
    """What was last asked of a trace, and answered."""

    asked: Asked
    view: TraceView
    judgements: list[Judgement]


class ReferenceTraceEngine:
    """Judges as rule-language.md says (processor.trace_engine.TraceEngine), slowly.

    `skew_tolerance_ns` widens time relations; `offender_count_max` bounds the offenders named.
    """

    def __init__(self, rule_set: RuleSet, skew_tolerance_ns: int = 0, offender_count_max: int = 16) -> None:
        self.rule_set = rule_set
        self._engine = ReferenceEngine(rule_set, skew_tolerance_ns, offender_count_max)
        self._traces: dict[int, _Trace] = {}
        self._handles: dict[tuple[int, str], int] = {}
        self._free: list[int] = []
        # Of the traces judged last: who asks for verdicts asks for their evidence next.
        self._judged: dict[int, _Judged] = {}
        # Of each name that is looked for whether it has occurred.
        self._occurred: dict[Read, bool] = {}

    def take(self, partition: int, batch: Batch, policy: TakePolicy) -> Taken:
        """Decode some records of a partition, in their order, and take in their spans; a touch is of one record, whatever the policy."""
        self._judged.clear()
        touches: list[Touch] = []
        refused: dict[int, Counter[RefusalReason]] = {}
        apart: list[int] = []
        columns = zip(batch.values, batch.formats, batch.arrived_ns, batch.keys, strict=True)
        for index, (value, record_format, arrived_ns, key) in enumerate(columns):
            decoded = decode(value, record_format)
            if decoded.refused:
                refused[index] = decoded.refused
            brought = list(self._touches(partition, index, arrived_ns, decoded.spans, policy))
            if batch.is_keyed and any(touch.trace_id.encode("ascii") != key for touch in brought):
                apart.append(index)
                brought = [touch._replace(apart_order=touch.order) for touch in brought]
            touches += brought
        return Taken(touches, refused, apart)

    def judge(self, asked: Sequence[Asked]) -> list[bytes]:
        """Return for each trace asked one byte per enabled rule: the index of its verdict in VERDICTS."""
        judged = [self._judge(one) for one in asked]
        self._judged = {one.asked.handle: one for one in judged}
        return [bytes([CODES[judgement.verdict] for judgement in one.judgements]) for one in judged]

    def explain(self, asked: Asked, rule_index: int) -> Judgement:
        """Return the verdict of one enabled rule with its evidence."""
        judged = self._judged.get(asked.handle)
        if judged is None or judged.asked != asked:
            judged = self._judged[asked.handle] = self._judge(asked)
        return judged.judgements[rule_index]

    def facts(self, handle: int) -> TraceFacts:
        """Return what there is to say of a trace itself."""
        view = self._judged[handle].view if handle in self._judged else self._view(handle)
        root = view.roots[0] if view.roots else None
        name = None if root is None else root.resource.attributes.get("service.name")
        return TraceFacts(
            root_name=None if root is None else root.name,
            root_service=name if isinstance(name, str) and name else None,
            services=tuple(view.services),
            first_start_ns=view.first_start_ns,
            last_end_ns=view.last_end_ns,
            span_count=len(view.by_id),
            orphan_count=view.orphan_count,
        )

    def drop_many(self, handles: Sequence[int]) -> None:
        """Forget traces; their handles may be used again."""
        for handle in handles:
            trace = self._traces.pop(handle)
            self._judged.pop(handle, None)
            self._free.append(handle)
            if self._handles.get((trace.partition, trace.trace_id)) == handle:
                del self._handles[trace.partition, trace.trace_id]

    def watch(self, reads: Sequence[Read]) -> None:
        """Look in all spans that are kept from now on for names that the rules read; called once at most."""
        self._occurred = dict.fromkeys(reads, False)

    def occurred(self) -> list[bool]:
        """Return of each name that is looked for whether it has occurred."""
        return list(self._occurred.values())

    @property
    def layout(self) -> bytes:
        """The same for all rules."""
        return _LAYOUT

    @property
    def memory_bytes(self) -> int:
        """An estimate by the number of spans."""
        return _SPAN_BYTES * sum(len(trace.spans) for trace in self._traces.values())

    def export_many(self, handles: Sequence[int]) -> list[bytes]:
        """Return all that is kept of some traces; equal traces have equal bytes here."""
        written = [_written(self._traces[handle]) for handle in handles]
        return list(_SEAL.sealed(memoryview(bytearray().join(written)), accumulate(map(len, written))))

    def load_many(self, partition: int, states: Sequence[bytes]) -> list[int]:
        """Take in traces that were exported and return their handles; raises ValueError, and takes in none, where one cannot be."""
        _SEAL.check(states)
        traces = {(partition, trace_id_of(state)): _read(partition, state) for state in states}
        if len(traces) < len(states) or not traces.keys().isdisjoint(self._handles):
            raise ValueError("a trace is there already")
        handles = []
        for trace in traces.values():
            handle = self._open(partition, trace.trace_id, trace.last_record_ns)
            self._traces[handle] = trace
            handles.append(handle)
        return handles

    def _touches(self, partition: int, record: int, arrived_ns: int, spans: Iterable[Span], policy: TakePolicy) -> Iterator[Touch]:
        by_trace: dict[str, list[Span]] = {}
        for span in spans:
            by_trace.setdefault(span.trace_id, []).append(span)
        for place, (trace_id, own) in enumerate(by_trace.items()):
            handle = self._handles.get((partition, trace_id))
            opened = handle is None or begins_anew(policy, self._traces[handle].last_record_ns, arrived_ns)
            if handle is None or opened:
                handle = self._open(partition, trace_id, arrived_ns)
            trace = self._traces[handle]
            trace.last_record_ns = max(trace.last_record_ns, arrived_ns)
            grown = _grown(trace, own, policy.span_count_max)
            self._look_for_names(islice(reversed(trace.spans.values()), grown.new))
            order = (record << ORDER_BITS) + place
            has_new, has_root = grown.new > 0, grown.root_seen
            yield Touch(
                order=order,
                handle=handle,
                trace_id=trace_id,
                opened=opened,
                span_count=len(own),
                new_count=grown.new,
                redelivered_count=grown.redelivered,
                differing_count=grown.differing,
                over_limit_count=grown.over_limit,
                arrived_ns=arrived_ns,
                new_arrived_ns=arrived_ns if has_new else 0,
                new_order=order if has_new else NONE,
                last_new=record if has_new else NONE,
                first_over_limit=record if grown.over_limit else NONE,
                first_root=record if has_root else NONE,
                apart_order=NONE,
            )

    def _look_for_names(self, spans: Iterable[Span]) -> None:
        waiting = [read for read, occurred in self._occurred.items() if not occurred]
        for span in spans if waiting else ():
            self._occurred.update((read, True) for read in waiting if read.occurs_in(span))

    def _open(self, partition: int, trace_id: str, arrived_ns: int) -> int:
        handle = self._free.pop() if self._free else len(self._traces)
        self._traces[handle] = _Trace(partition, trace_id, arrived_ns)
        self._handles[partition, trace_id] = handle
        return handle

    def _judge(self, asked: Asked) -> _Judged:
        view = self._view(asked.handle)
        return _Judged(asked, view, self._engine.judge(view, asked.closing, asked.opened_ns))

    def _view(self, handle: int) -> TraceView:
        return TraceView(self._traces[handle].spans.values())


def _written(trace: _Trace) -> bytes:
    head = _HEAD.pack(bytes.fromhex(trace.trace_id), trace.last_record_ns, len(trace.spans))
    return head + encode_protobuf(trace.spans.values()) + bytes(CHECK_SIZE)


def _read(partition: int, state: bytes) -> _Trace:
    if len(state) < _HEAD.size + CHECK_SIZE:
        raise ValueError("a state is damaged")
    _, last_record_ns, span_count = _HEAD.unpack_from(state)
    spans = {span.span_id: span for span in read_request(state[_HEAD.size : -CHECK_SIZE], Counter())}
    if len(spans) != span_count:
        raise ValueError("a state is damaged")
    return _Trace(partition, trace_id_of(state), last_record_ns, spans)


def _grown(trace: _Trace, spans: Iterable[Span], span_count_max: int) -> _Grown:
    """Keep spans unless their ids have come before or the trace has too many: of one id the first to arrive stands."""
    new = redelivered = differing = over_limit = 0
    root_seen = False
    for span in spans:
        kept = trace.spans.get(span.span_id)
        if kept is not None:
            redelivered += kept == span
            differing += kept != span
        elif len(trace.spans) >= span_count_max:
            over_limit += 1
        else:
            new += 1
            trace.spans[span.span_id] = span
            root_seen = root_seen or not span.parent_id
    return _Grown(new, redelivered, differing, over_limit, root_seen)
