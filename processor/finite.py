"""Judges an input that ends: the worker's own handler, with nothing closing before the end but a trace with too many spans."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from compiler.verdict import Verdict
from processor import metrics as m
from processor.closing import finite_policy
from processor.handler import Handler
from processor.inputs import RefusedInput
from processor.kept_records import KeepingEngine, KeptRecords
from processor.metrics import Tally
from processor.record import PartitionKey
from processor.rule_source import FixedRules, Program
from processor.surroundings import CoreSettings, Surroundings
from processor.unseen_names import RecordSample, all_reads, unseen_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from compiler.read_names import Read
    from compiler.trace import TraceView
    from processor.judging import SaidVerdict
    from processor.open_trace import OpenTrace
    from processor.record import Record
    from processor.trace_engine import TraceEngine
    from processor.unseen_names import UnseenName
    from topics.dead_letter import DeadLetter
    from topics.violation import Violation
    from topics.written_violation import WrittenViolation

SPAN_COUNT_MAX = 10_000
_CHUNK_RECORDS = 1_000
_CHUNK_BYTES = 8 * 2**20
# All inputs are one log here: a trace is assembled over all of them.
_INPUT = PartitionKey("input", 0)
_PROGRAM_ID = "0" * 16


@dataclass(slots=True)
class RuleCounts:
    """How one rule fared; `applicable` counts the traces on which it said anything but not_applicable."""

    satisfied: int = 0
    violated: int = 0
    excused: int = 0
    inconclusive: int = 0

    @property
    def applicable(self) -> int:
        """The denominator."""
        return self.satisfied + self.violated + self.excused + self.inconclusive


@dataclass(frozen=True, slots=True)
class FiniteOutcome:
    """What was found: counts by rule id (every enabled rule is there), violations in order of their traces, what was refused by reason.

    `traces` are all of them, closed, in order of their first records. `unseen` are the names that the rules read and that never occurred,
    none where there was no span; `span_names` are names that did occur: those that the rules read, and those suggested for unseen ones.
    """

    counts: dict[str, RuleCounts]
    violations: tuple[SaidVerdict, ...]
    refused: dict[str, int]
    record_count: int
    span_count: int
    trace_count: int
    tally: Tally
    traces: tuple[OpenTrace, ...] = ()
    kept: KeptRecords | None = None
    unseen: tuple[UnseenName, ...] = ()
    span_names: frozenset[str] = frozenset()

    def view(self, trace_id: str) -> TraceView | None:
        """Return a trace with all of its spans; None where the run was not asked to keep its records, or had no room for them."""
        return None if self.kept is None else self.kept.view(trace_id)

    @property
    def records(self) -> list[Violation]:
        """The violation records, read from their bytes at each call."""
        return [said.record.violation for said in self.violations if said.record is not None]


@dataclass(slots=True)
class FiniteRun:
    """A run over inputs that come in batches: `take` any number of times, then `finish` once; the engine is its own.

    `keeps_records`: the records are kept in memory (KEPT_SIZE_MAX bytes of them at most), so that `FiniteOutcome.view` can show a trace.
    """

    engine: TraceEngine
    span_count_max: int = SPAN_COUNT_MAX
    keeps_records: bool = False
    tally: Tally = field(default_factory=Tally)
    _kept: KeptRecords | None = None
    _sample: RecordSample = field(default_factory=RecordSample)
    _reads: list[Read] = field(init=False)
    _position: int = 0
    _violations: list[SaidVerdict] = field(default_factory=list)
    _handler: Handler = field(init=False)

    def __post_init__(self) -> None:
        engine = self.engine
        self._reads = all_reads(engine.rule_set)
        engine.watch(self._reads)
        if self.keeps_records:
            self._kept = KeptRecords(self.span_count_max)
            engine = KeepingEngine(engine, self._kept)
        rules = FixedRules(Program(_PROGRAM_ID, engine.rule_set, lambda: engine))
        around = Surroundings(_Nowhere(), rules, self.tally, listen=self._hear)
        self._handler = Handler(CoreSettings(finite_policy(self.span_count_max), is_keyed=False), around)
        self._handler.assigned({_INPUT: None})

    def take(self, inputs: Iterable[Record | RefusedInput]) -> None:
        """Work on some records, in the order in which their spans are taken to have arrived; count items that are no records."""
        for chunk in _chunks(self._usable(inputs)):
            self._position += len(chunk)
            self._sample.keep(chunk)
            self._handler.chunk(_INPUT, chunk, self._position)

    def _usable(self, inputs: Iterable[Record | RefusedInput]) -> Iterator[Record]:
        for item in inputs:
            if isinstance(item, RefusedInput):
                self.tally.add(m.ITEMS_REFUSED, 1, item.reason)
            else:
                yield item

    def finish(self) -> FiniteOutcome:
        """Close every trace as drained and return what was found."""
        self._handler.drain()
        refused = self.tally.by_label(m.ITEMS_REFUSED)
        over_limit = self.tally.count(m.SPANS_OVER_LIMIT)
        seen = dict(zip(self._reads, self.engine.occurred(), strict=True))
        unseen = self._unseen(seen)
        return FiniteOutcome(
            counts={rule.id: self._counts(rule.id) for rule in self.engine.rule_set.enabled},
            violations=tuple(sorted(self._violations, key=lambda said: said.trace.number)),
            refused=refused | ({"span_limit": over_limit} if over_limit else {}),
            record_count=self.tally.count(m.RECORDS_READ),
            span_count=self.tally.count(m.SPANS_READ),
            trace_count=self.tally.count(m.TRACES_OPENED),
            tally=self.tally,
            traces=tuple(self._handler.owned[_INPUT].owner.traces.traces.values()),
            kept=self._kept,
            unseen=unseen,
            span_names=_span_names(seen, unseen),
        )

    def _unseen(self, seen: Mapping[Read, bool]) -> tuple[UnseenName, ...]:
        if all(seen.values()) or not self.tally.count(m.SPANS_READ):
            return ()
        return unseen_names(self.engine.rule_set, seen, self._sample.spans())

    def _counts(self, rule_id: str) -> RuleCounts:
        return RuleCounts(
            satisfied=self.tally.count(m.VERDICTS, rule_id, Verdict.SATISFIED),
            violated=self.tally.count(m.VERDICTS, rule_id, Verdict.VIOLATED),
            excused=self.tally.count(m.VERDICTS, rule_id, Verdict.EXCUSED),
            inconclusive=self.tally.count(m.VERDICTS, rule_id, Verdict.INCONCLUSIVE),
        )

    def _hear(self, said: SaidVerdict) -> None:
        if said.record is not None:
            self._violations.append(said)


def _span_names(seen: Mapping[Read, bool], unseen: Iterable[UnseenName]) -> frozenset[str]:
    suggested = {one.near for one in unseen if one.read.attribute is None and one.near is not None}
    return frozenset(suggested.union(read.name for read, is_seen in seen.items() if is_seen and read.attribute is None))


def judge_finite(
    inputs: Iterable[Record | RefusedInput], engine: TraceEngine, *, span_count_max: int = SPAN_COUNT_MAX, keeps_records: bool = False
) -> FiniteOutcome:
    """Return what an engine's rules say of all traces of an input, assembled over all of its records."""
    run = FiniteRun(engine, span_count_max, keeps_records)
    run.take(inputs)
    return run.finish()


def _chunks(records: Iterable[Record]) -> Iterator[list[Record]]:
    """Yield the records in chunks of bounded size; a single record may be larger."""
    chunk: list[Record] = []
    size = 0
    for record in records:
        chunk.append(record)
        size += len(record.value)
        if size >= _CHUNK_BYTES or len(chunk) >= _CHUNK_RECORDS:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


class _Nowhere:
    """Publishes nothing: the run listens to what is said instead."""

    def violation(self, record: WrittenViolation) -> None:
        """Leave it."""

    def dead_letter(self, letter: DeadLetter) -> None:
        """Leave it; it was counted."""

    def flush(self) -> None:
        """Nothing waits."""
