"""The engines that can stand at the other side of the comparison: the one under test, and broken ones that the comparison must catch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from compiler import Closing, Judgement, RuleSet, Verdict
from processor.lua_traces import LuaTraceEngine
from processor.reference_traces import ReferenceTraceEngine
from processor.trace_engine import CODES, NONE, Asked, Batch, Taken, TakePolicy, TraceEngine, TraceFacts

if TYPE_CHECKING:
    from tests.differential.comparison import MakeEngine
    from tests.differential.example import Example, Mode


# ---- broken ones --------------------------------------------------------------------------------------------------------------------


class _ForgetsInt64(ReferenceTraceEngine):
    """Compares whole numbers as doubles: what an engine does that keeps every number as one."""

    def take(self, partition: int, batch: Batch, policy: TakePolicy) -> Taken:
        taken = super().take(partition, batch, policy)
        for trace in self._traces.values():
            for span_id, span in trace.spans.items():
                rounded = {key: float(value) if type(value) is int else value for key, value in span.attributes.items()}
                trace.spans[span_id] = replace(span, attributes=rounded)
        return taken


class _LastStands(ReferenceTraceEngine):
    """Of one span id lets the last to arrive stand."""

    def take(self, partition: int, batch: Batch, policy: TakePolicy) -> Taken:
        taken = super().take(partition, batch, policy)
        again = ReferenceTraceEngine(self.rule_set)
        newer = again.take(partition, _turned(batch), policy)
        for touch in newer.touches:
            handle = self._handles[partition, touch.trace_id]
            self._traces[handle].spans.update(again._traces[touch.handle].spans)
        return taken


def _turned(batch: Batch) -> Batch:
    return Batch(batch.values[::-1], batch.formats[::-1], batch.arrived_ns[::-1], batch.keys[::-1])


class _MixesPartitions(ReferenceTraceEngine):
    """Lets traces of one id meet in whatever partition."""

    def take(self, partition: int, batch: Batch, policy: TakePolicy) -> Taken:  # noqa: ARG002 - that is its fault
        return super().take(0, batch, policy)


class _CountsTwice(ReferenceTraceEngine):
    """Counts a span that comes again as new."""

    def take(self, partition: int, batch: Batch, policy: TakePolicy) -> Taken:
        taken = super().take(partition, batch, policy)
        touches = [touch._replace(new_count=touch.new_count + touch.redelivered_count, redelivered_count=0) for touch in taken.touches]
        return taken._replace(touches=touches)


class _NeverBeginsAnew(ReferenceTraceEngine):
    """Keeps a trace for ever."""

    def take(self, partition: int, batch: Batch, policy: TakePolicy) -> Taken:
        return super().take(partition, batch, TakePolicy(policy.span_count_max))


class _RefusesInSilence(ReferenceTraceEngine):
    """Does not say what it refused."""

    def take(self, partition: int, batch: Batch, policy: TakePolicy) -> Taken:
        return super().take(partition, batch, policy)._replace(refused={})


class _TrustsKeys(ReferenceTraceEngine):
    """Does not look at keys."""

    def take(self, partition: int, batch: Batch, policy: TakePolicy) -> Taken:
        return super().take(partition, batch._replace(is_keyed=False), policy)


class _SeesNoSecondRecord(ReferenceTraceEngine):
    """Takes the first record that brought anything new for the last."""

    def take(self, partition: int, batch: Batch, policy: TakePolicy) -> Taken:
        taken = super().take(partition, batch, policy)
        met: dict[int, int] = {}
        for index, touch in enumerate(taken.touches):
            if touch.last_new != NONE:
                taken.touches[index] = touch._replace(last_new=met.setdefault(touch.handle, touch.last_new))
        return taken


class _GuessesEarly(ReferenceTraceEngine):
    """Says of an open trace what it would say of a whole one."""

    def judge(self, asked: Sequence[Asked]) -> list[bytes]:
        return super().judge([one._replace(closing=Closing.COMPLETE) for one in asked])


class _NeverInconclusive(ReferenceTraceEngine):
    """Takes every trace that closed for whole."""

    def judge(self, asked: Sequence[Asked]) -> list[bytes]:
        inconclusive, satisfied = CODES[Verdict.INCONCLUSIVE], CODES[Verdict.SATISFIED]
        return [codes.replace(bytes([inconclusive]), bytes([satisfied])) for codes in super().judge(asked)]


class _NeverExpires(ReferenceTraceEngine):
    """Keeps exceptions in force for ever."""

    def judge(self, asked: Sequence[Asked]) -> list[bytes]:
        return super().judge([one._replace(opened_ns=None) for one in asked])


class _IgnoresSkew(ReferenceTraceEngine):
    """Takes clocks for exact."""

    def __init__(self, rule_set: RuleSet, skew_tolerance_ns: int = 0, offender_count_max: int = 16) -> None:  # noqa: ARG002 - its fault
        super().__init__(rule_set, 0, offender_count_max)


class _TurnsOffenders(ReferenceTraceEngine):
    """Names offenders in order of arrival turned round."""

    def explain(self, asked: Asked, rule_index: int) -> Judgement:
        found = super().explain(asked, rule_index)
        return replace(found, offenders=found.offenders[::-1])


class _RoundsMargins(ReferenceTraceEngine):
    """Says a margin as a double."""

    def explain(self, asked: Asked, rule_index: int) -> Judgement:
        found = super().explain(asked, rule_index)
        comparisons = [replace(one, margin=None if one.margin is None else float(one.margin)) for one in found.comparisons]
        return replace(found, comparisons=tuple(comparisons))


class _HidesEvidence(ReferenceTraceEngine):
    """Leaves the attributes out that a rule declares as evidence but does not read."""

    def explain(self, asked: Asked, rule_index: int) -> Judgement:
        found = super().explain(asked, rule_index)
        return replace(found, offenders=tuple(replace(span, attributes={}) for span in found.offenders))  # type: ignore[type-var]


class _MiscountsOrphans(ReferenceTraceEngine):
    """Takes a span that is its own parent for no orphan."""

    def facts(self, handle: int) -> TraceFacts:
        found = super().facts(handle)
        own = sum(span.parent_id == span.span_id for span in self._traces[handle].spans.values())
        return found._replace(orphan_count=found.orphan_count - own)


class _LosesTimes(ReferenceTraceEngine):
    """Forgets on the way when the last record of a trace came."""

    def load_many(self, partition: int, states: Sequence[bytes]) -> list[int]:
        handles = super().load_many(partition, states)
        for handle in handles:
            self._traces[handle].last_record_ns = 0
        return handles


class _LosesWhatWasMoved(ReferenceTraceEngine):
    """Loads a trace without its last span."""

    def load_many(self, partition: int, states: Sequence[bytes]) -> list[int]:
        handles = super().load_many(partition, states)
        for handle in handles:
            self._traces[handle].spans.popitem()
        return handles


class _TurnsWhatWasMoved(ReferenceTraceEngine):
    """Says the handles of loaded traces in another order than that of their states."""

    def load_many(self, partition: int, states: Sequence[bytes]) -> list[int]:
        return super().load_many(partition, states)[::-1]


class _Raises(ReferenceTraceEngine):
    """Cannot bear a number that is none."""

    def take(self, partition: int, batch: Batch, policy: TakePolicy) -> Taken:
        taken = super().take(partition, batch, policy)
        values = [value for trace in self._traces.values() for span in trace.spans.values() for value in span.attributes.values()]
        if any(isinstance(value, float) and math.isnan(value) for value in values):
            raise ValueError("no number")
        return taken


class _DropsTooMuch(ReferenceTraceEngine):
    """Uses the handle of a trace that was dropped for one that is held."""

    def drop_many(self, handles: Sequence[int]) -> None:
        super().drop_many(handles)
        self._free += list(self._traces)[:1]


BROKEN: tuple[type[ReferenceTraceEngine], ...] = (
    *(_ForgetsInt64, _LastStands, _MixesPartitions, _CountsTwice, _NeverBeginsAnew, _RefusesInSilence, _GuessesEarly, _NeverInconclusive),
    *(_TrustsKeys, _SeesNoSecondRecord, _NeverExpires, _IgnoresSkew, _TurnsOffenders, _RoundsMargins, _HidesEvidence, _MiscountsOrphans),
    *(_LosesTimes, _LosesWhatWasMoved, _TurnsWhatWasMoved, _Raises, _DropsTooMuch),
)


# ---- the one under test -------------------------------------------------------------------------------------------------------------


def of_class(engine: type[ReferenceTraceEngine]) -> MakeEngine:
    """Return what makes a reference engine, sound or broken, for an example."""
    return lambda example, _mode: engine(example.rule_set, example.skew_tolerance_ns, example.offender_count_max)


class _Remembers(LuaTraceEngine):
    """Decodes a record once, however many copies of it an example sends: of odd ones that would be most of its time."""

    _usual = staticmethod(lru_cache(maxsize=256)(LuaTraceEngine._usual))


def luajit(example: Example, mode: Mode) -> TraceEngine:
    """Return the engine under test for an example."""
    return _Remembers(
        example.rule_set,
        skew_tolerance_ns=example.skew_tolerance_ns,
        offender_count_max=example.offender_count_max,
        jit=mode.jit,
        collect_eagerly=mode.collect_eagerly,
    )
