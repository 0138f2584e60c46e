"""Examples of the differential test at random: rules, traces, and how their spans are written, split, ordered, sent again and damaged."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from random import Random

from hypothesis import strategies as st

from compiler.notation import parse_trace
from compiler.source import SourceFile
from compiler.yaml_nodes import Scalar
from compiler.yaml_reader import read_yaml
from processor.notation_spans import spans_of
from processor.trace_engine import TakenRecord, TakePolicy
from tests.conformance.case import CORPORA, FOLDER, JudgeCase, load_file
from tests.conformance.run_judge import compiled
from tests.differential.example import Example, Step
from tests.differential.made_rule_sets import NEAR, NEAR_KEYS, NEAR_NAMES, rule_files
from tests.differential.wire import Layout, Writer
from tests.properties.made_spans import arrivals
from tests.topics.otlp_spans import json_of
from topics.span import Span

_INT64_MAX = 2**63 - 1
_ARRIVED_NS = 1_767_225_600 * 10**9
_COPY_COUNT = 40
_POLICIES = (
    *(TakePolicy(10_000), TakePolicy(10_000), TakePolicy(3)),
    *(
        TakePolicy(10_000, closed_retention_ns=2),
        TakePolicy(10_000, closed_retention_ns=5),
        TakePolicy(10_000, closed_retention_ns=2, by_record=True),
        TakePolicy(5, closed_retention_ns=3),
    ),
)
_NUMBERS = (
    *(0, 1, -1, 2.5, 2**53, 2**53 + 1, float(2**53), _INT64_MAX, float(2**63), -(2**63)),
    *(0.1, 1e-320, -0.0, math.nan, math.inf),
)
# Whole numbers that a double cannot tell apart, and sums of which leave int64.
_WHOLE = (1, 2**53 - 1, 2**53, 2**53 + 1, -(2**53) - 1, _INT64_MAX - 1, _INT64_MAX, -(2**63), -(2**63) + 1)


# ---- traces -------------------------------------------------------------------------------------------------------------------------


def _trace_id(number: int) -> str:
    # Ids that differ in the first or in the last byte alone.
    return f"{0x0AF7651916CD43DD8448EB211C803100 + number:032x}" if number % 2 else f"{number + 1:02x}" + "ab" * 15


def _pressed(span: Span, chance: Random) -> Span:
    """Give a span a name, keys and values that are near each other, and times that are a nanosecond beside the others'."""
    if chance.random() < 0.3:
        span = replace(span, start_ns=max(0, span.start_ns + chance.choice((-1, 1))))
    if chance.random() < 0.3:
        span = replace(span, end_ns=min(2**64 - 1, span.end_ns + chance.choice((0, 1, 2))))
    if chance.random() < 0.5:
        return span
    values: tuple[str | int | float, ...] = chance.choice((NEAR, _NUMBERS, _NUMBERS, _WHOLE))
    attributes = {**span.attributes, **{chance.choice(NEAR_KEYS): chance.choice(values) for _ in range(chance.randint(0, 4))}}
    return replace(span, name=chance.choice((*NEAR_NAMES, span.name)), attributes=attributes)


@cache
def _cases() -> list[tuple[str, list[list[Span]]]]:
    """Rules and traces of the conformance suite, as rule files and spans."""
    found = []
    for path in sorted((FOLDER / "judge").glob("*.yaml")):
        for case in load_file(path, CORPORA["judge"]):
            assert isinstance(case, JudgeCase)
            traces = [spans for one in case.traces if (spans := _spans(one.trace))]
            if traces and not isinstance(compiled(case.let, case.entries()), list):
                content = {**({"let": dict(case.let)} if case.let else {}), "rules": case.entries()}
                found.append((json.dumps(content, ensure_ascii=True), traces))
    return found


def _spans(text: str) -> list[Span]:
    node, _ = read_yaml(SourceFile("trace", json.dumps(text, ensure_ascii=False).encode()))
    assert isinstance(node, Scalar)
    trace, _ = parse_trace(node)
    return [] if trace is None else spans_of(trace.lines)


# ---- delivery -----------------------------------------------------------------------------------------------------------------------


class _Sender:
    """Sends the spans of traces as steps of records; `chance` decides what is not said."""

    def __init__(self, layouts: Sequence[Layout | None], damage: float, chance: Random) -> None:
        self._layouts = layouts
        self._damage = damage
        self._chance = chance
        self._arrived_ns = _ARRIVED_NS

    def plainly(self, traces: Sequence[Sequence[Span]]) -> tuple[Step, ...]:
        """Each trace in one record."""
        return tuple(Step(0, (self._record(trace),)) for trace in traces)

    def mixed(self, traces: Sequence[Sequence[Span]]) -> tuple[Step, ...]:
        """All spans in any order, some again, some again with other content, in records of any size in two partitions."""
        chance = self._chance
        queue = [(self._partition(number), span) for number, trace in enumerate(traces) for span in trace]
        if chance.random() < 0.5:
            queue += [(partition, self._again(span)) for partition, span in chance.choices(queue, k=chance.randint(1, 4))]
        if chance.random() < 0.7:
            chance.shuffle(queue)
        records: list[tuple[int, TakenRecord]] = []
        while queue:
            size = chance.choice((1, 1, 2, 3, 5, 8, len(queue)))
            cut, queue = queue[:size], queue[size:]
            by_partition = {partition: [span for other, span in cut if other == partition] for partition, _ in cut}
            records += [(partition, self._record(spans)) for partition, spans in by_partition.items()]
        return tuple(self._steps(records))

    def _partition(self, number: int) -> int:
        # Now and then the spans of one id are scattered.
        return self._chance.randint(0, 1) if self._chance.random() < 0.1 else number % 2

    def _again(self, span: Span) -> Span:
        return span if self._chance.random() < 0.7 else replace(span, name=self._chance.choice(("a", "b")), attributes={"k": 1})

    def _steps(self, records: Sequence[tuple[int, TakenRecord]]) -> list[Step]:
        steps: list[Step] = []
        for partition, record in records:
            if steps and steps[-1].partition == partition and self._chance.random() < 0.5:
                steps[-1] = Step(partition, (*steps[-1].records, record))
            else:
                steps.append(Step(partition, (record,)))
        return steps

    def _record(self, spans: Sequence[Span]) -> TakenRecord:
        layout = self._chance.choice(self._layouts)
        value = json_of([_in_json(span) for span in spans]) if layout is None else Writer(layout, self._chance).record(spans)
        if self._chance.random() < self._damage:
            value = damaged(value, self._chance)
        # Most records come after the one before, some at once, a few are stamped earlier.
        self._arrived_ns += self._chance.choice((0, 0, 1, 1, 2, 5, -1))
        return TakenRecord(value, "json" if layout is None else "protobuf", self._arrived_ns, self._key(spans[0].trace_id.encode()))

    def _key(self, trace_id: bytes) -> bytes | None:
        """Return the key of a record: the id of its first trace, as a rule."""
        return self._chance.choice((trace_id, trace_id, trace_id, trace_id.upper(), trace_id[:-2], _trace_id(0).encode(), None))


def _in_json(span: Span) -> Span:
    # An enum that is no uint32 is refused by a reader of JSON: half of the spans would say nothing.
    return replace(span, kind=max(0, span.kind), status=max(0, span.status))


def damaged(value: bytes, chance: Random) -> bytes:
    """Return the bytes cut, or with a few bits or bytes changed, lost or doubled."""
    wire = bytearray(value)
    if not wire:
        return value
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        at = chance.randrange(len(wire))
        match chance.randrange(5):
            case 0:
                wire[at] ^= 1 << chance.randrange(8)
            case 1:
                wire[at] = chance.choice((0, 1, 0x7F, 0x80, 0xFF))
            case 2:
                wire[at] = (wire[at] + chance.choice((-1, 1))) % 256
            case 3:
                del wire[at : at + chance.randint(1, 3)]
            case _:
                wire[at:at] = wire[at : at + chance.randint(1, 9)]
        if not wire:
            break
    return bytes(wire[: chance.randrange(len(wire) + 1)]) if chance.random() < 0.2 else bytes(wire)


# ---- examples -----------------------------------------------------------------------------------------------------------------------

_LAYOUTS: tuple[tuple[Layout | None, ...], ...] = (
    *((Layout.ASCENDING,), (Layout.COLLECTOR,), (Layout.ODD,), (Layout.ODD,)),
    *((None,), (Layout.ASCENDING, Layout.COLLECTOR, Layout.ODD, None)),
)


@st.composite
def examples(draw: st.DrawFn) -> Example:
    """Rules of the made ones or of the conformance suite, over one to four traces, in every way of sending them."""
    chance = Random(draw(st.integers(0, 2**32 - 1)))
    traces: list[list[Span]]
    if draw(st.integers(0, 3)) == 3:
        rule_file, known = draw(st.sampled_from(_cases()))
        traces = [*known[:4], *([draw(arrivals)] if draw(st.booleans()) else [])]
    else:
        rule_file = draw(rule_files())
        traces = [draw(arrivals) for _ in range(draw(st.integers(1, 4)))]
        if draw(st.booleans()):
            traces = [[_pressed(span, chance) for span in trace] for trace in traces]
    traces = [[replace(span, trace_id=_trace_id(number)) for span in trace] for number, trace in enumerate(traces)]
    sender = _Sender(draw(st.sampled_from(_LAYOUTS)), draw(st.sampled_from((0.0, 0.0, 0.0, 0.3))), chance)
    steps = sender.mixed(traces) if draw(st.booleans()) else sender.plainly(traces)
    return Example(
        rule_file,
        steps,
        skew_tolerance_ns=draw(st.sampled_from((0, 1, 2_000_000))),
        offender_count_max=draw(st.sampled_from((16, 16, 1))),
        policy=draw(st.sampled_from(_POLICIES)),
        move_before=draw(st.one_of(st.none(), st.none(), st.integers(0, len(steps) - 1))),
        drop_before=draw(st.one_of(st.none(), st.none(), st.integers(0, len(steps) - 1))),
        move_at_once=draw(st.sampled_from((1, 2, 1_000))),
        copy_count=draw(st.sampled_from((0, _COPY_COUNT))),
    )
