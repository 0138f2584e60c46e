"""The engines that can stand at the other side of the comparison: the one under test, and broken ones that the comparison must catch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING

from compiler import Closing, Judgement, RuleSet, Verdict
from processor.lua_traces import LuaTraceEngine
from processor.reference_traces import ReferenceTraceEngine
from processor.trace_engine import CODES, Asked, Taken, TakenRecord, TakePolicy, TraceEngine, TraceFacts

if TYPE_CHECKING:
    from tests.differential.comparison import MakeEngine
    from tests.differential.example import Example, Mode


class PortableReference(ReferenceTraceEngine):
    """The reference engine, whose traces can be carried to another one in this process."""

    _carried: Mapping[bytes, object] = {}

    def export(self, handle: int) -> bytes:
        """Return a ticket for the trace."""
        ticket = f"{id(self)}:{handle}".encode()
        PortableReference._carried = {**self._carried, ticket: deepcopy(self._traces[handle])}
        return ticket

    def load(self, partition: int, state: bytes) -> int:
        """Take in the trace of a ticket."""
        trace = self._carried[state]
        PortableReference._carried = {ticket: other for ticket, other in self._carried.items() if ticket != state}
        handle = self._open(partition, trace.trace_id, trace.last_record_ns)  # type: ignore[attr-defined]  # the private class of the engine
        self._traces[handle] = trace  # type: ignore[assignment]  # as above
        return handle


# ---- broken ones --------------------------------------------------------------------------------------------------------------------


class _ForgetsInt64(PortableReference):
    """Compares whole numbers as doubles: what an engine does that keeps every number as one."""

    def take(self, partition: int, records: Sequence[TakenRecord], policy: TakePolicy) -> Taken:
        taken = super().take(partition, records, policy)
        for trace in self._traces.values():
            for span_id, span in trace.spans.items():
                rounded = {key: float(value) if type(value) is int else value for key, value in span.attributes.items()}
                trace.spans[span_id] = replace(span, attributes=rounded)
        return taken


class _LastStands(PortableReference):
    """Of one span id lets the last to arrive stand."""

    def take(self, partition: int, records: Sequence[TakenRecord], policy: TakePolicy) -> Taken:
        taken = super().take(partition, records, policy)
        again = PortableReference(self.rule_set)
        newer = again.take(partition, list(reversed(records)), policy)
        for touch in newer.touches:
            handle = self._handles[partition, touch.trace_id]
            self._traces[handle].spans.update(again._traces[touch.handle].spans)
        return taken


class _MixesPartitions(PortableReference):
    """Lets traces of one id meet in whatever partition."""

    def take(self, partition: int, records: Sequence[TakenRecord], policy: TakePolicy) -> Taken:  # noqa: ARG002 - that is its fault
        return super().take(0, records, policy)


class _CountsTwice(PortableReference):
    """Counts a span that comes again as new."""

    def take(self, partition: int, records: Sequence[TakenRecord], policy: TakePolicy) -> Taken:
        taken = super().take(partition, records, policy)
        touches = [touch._replace(new_count=touch.new_count + touch.redelivered_count, redelivered_count=0) for touch in taken.touches]
        return Taken(touches, taken.refused)


class _NeverBeginsAnew(PortableReference):
    """Keeps a trace for ever."""

    def take(self, partition: int, records: Sequence[TakenRecord], policy: TakePolicy) -> Taken:
        return super().take(partition, records, TakePolicy(policy.span_count_max))


class _RefusesInSilence(PortableReference):
    """Does not say what it refused."""

    def take(self, partition: int, records: Sequence[TakenRecord], policy: TakePolicy) -> Taken:
        return Taken(super().take(partition, records, policy).touches, {})


class _GuessesEarly(PortableReference):
    """Says of an open trace what it would say of a whole one."""

    def judge(self, asked: Sequence[Asked]) -> list[bytes]:
        return super().judge([one._replace(closing=Closing.COMPLETE) for one in asked])


class _NeverInconclusive(PortableReference):
    """Takes every trace that closed for whole."""

    def judge(self, asked: Sequence[Asked]) -> list[bytes]:
        inconclusive, satisfied = CODES[Verdict.INCONCLUSIVE], CODES[Verdict.SATISFIED]
        return [codes.replace(bytes([inconclusive]), bytes([satisfied])) for codes in super().judge(asked)]


class _NeverExpires(PortableReference):
    """Keeps exceptions in force for ever."""

    def judge(self, asked: Sequence[Asked]) -> list[bytes]:
        return super().judge([one._replace(opened_ns=None) for one in asked])


class _IgnoresSkew(PortableReference):
    """Takes clocks for exact."""

    def __init__(self, rule_set: RuleSet, skew_tolerance_ns: int = 0, offender_count_max: int = 16) -> None:  # noqa: ARG002 - its fault
        super().__init__(rule_set, 0, offender_count_max)


class _TurnsOffenders(PortableReference):
    """Names offenders in order of arrival turned round."""

    def explain(self, asked: Asked, rule_index: int) -> Judgement:
        found = super().explain(asked, rule_index)
        return replace(found, offenders=found.offenders[::-1])


class _RoundsMargins(PortableReference):
    """Says a margin as a double."""

    def explain(self, asked: Asked, rule_index: int) -> Judgement:
        found = super().explain(asked, rule_index)
        comparisons = [replace(one, margin=None if one.margin is None else float(one.margin)) for one in found.comparisons]
        return replace(found, comparisons=tuple(comparisons))


class _HidesEvidence(PortableReference):
    """Leaves the attributes out that a rule declares as evidence but does not read."""

    def explain(self, asked: Asked, rule_index: int) -> Judgement:
        found = super().explain(asked, rule_index)
        return replace(found, offenders=tuple(replace(span, attributes={}) for span in found.offenders))  # type: ignore[type-var]


class _MiscountsOrphans(PortableReference):
    """Takes a span that is its own parent for no orphan."""

    def facts(self, handle: int) -> TraceFacts:
        found = super().facts(handle)
        own = sum(span.parent_id == span.span_id for span in self._traces[handle].spans.values())
        return replace(found, orphan_count=found.orphan_count - own)


class _LosesTimes(PortableReference):
    """Forgets on the way when the last record of a trace came."""

    def load(self, partition: int, state: bytes) -> int:
        handle = super().load(partition, state)
        self._traces[handle].last_record_ns = 0
        return handle


class _LosesWhatWasMoved(PortableReference):
    """Loads a trace without its last span."""

    def load(self, partition: int, state: bytes) -> int:
        handle = super().load(partition, state)
        if self._traces[handle].spans:
            self._traces[handle].spans.popitem()
        return handle


class _Raises(PortableReference):
    """Cannot bear a number that is none."""

    def take(self, partition: int, records: Sequence[TakenRecord], policy: TakePolicy) -> Taken:
        taken = super().take(partition, records, policy)
        values = [value for trace in self._traces.values() for span in trace.spans.values() for value in span.attributes.values()]
        if any(isinstance(value, float) and math.isnan(value) for value in values):
            raise ValueError("no number")
        return taken


class _DropsTooMuch(PortableReference):
    """Uses the handle of a trace that was dropped for one that is held."""

    def drop(self, handle: int) -> None:
        super().drop(handle)
        self._free += list(self._traces)[:1]


BROKEN: tuple[type[PortableReference], ...] = (
    *(_ForgetsInt64, _LastStands, _MixesPartitions, _CountsTwice, _NeverBeginsAnew, _RefusesInSilence, _GuessesEarly, _NeverInconclusive),
    *(_NeverExpires, _IgnoresSkew, _TurnsOffenders, _RoundsMargins, _HidesEvidence, _MiscountsOrphans, _LosesTimes, _LosesWhatWasMoved),
    *(_Raises, _DropsTooMuch),
)


# ---- the one under test -------------------------------------------------------------------------------------------------------------


def of_class(engine: type[PortableReference]) -> MakeEngine:
    """Return what makes a reference engine, sound or broken, for an example."""
    return lambda example, _mode: engine(example.rule_set, example.skew_tolerance_ns, example.offender_count_max)


def luajit(example: Example, mode: Mode) -> TraceEngine:
    """Return the engine under test for an example."""
    return LuaTraceEngine(
        example.rule_set,
        skew_tolerance_ns=example.skew_tolerance_ns,
        offender_count_max=example.offender_count_max,
        jit=mode.jit,
        collect_eagerly=mode.collect_eagerly,
    )
