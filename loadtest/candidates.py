"""What is measured: engines behind one small port. A new engine joins with one line in CANDIDATES."""

from __future__ import annotations

import gc
import time
import tracemalloc
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from compiler import Closing, Judgement, ReferenceEngine, RuleSet, Span, TraceView, Verdict, judge
from loadtest.lua_judge import LuaJudge, port_judge
from loadtest.measured import Candidate, Evidence, Judge, Memory, Verdicts
from processor.lua_traces import LuaTraceEngine
from topics.otlp import decode_protobuf


def reference_verdicts(rule_set: RuleSet, traces: Mapping[str, Sequence[Span]]) -> Verdicts:
    """Return what the reference engine says of complete traces."""
    engine = ReferenceEngine(rule_set)
    return {trace_id: tuple([found.verdict for found in _judged(engine, spans)]) for trace_id, spans in traces.items()}


class _ReferenceJudge:
    """Decodes into objects, keeps the spans of open traces, judges each trace when the input ends; a verdict brings its evidence."""

    def __init__(self, rule_set: RuleSet) -> None:
        self._rule_set = rule_set
        self._verdicts: Verdicts = {}
        self._phases: Counter[str] = Counter()

    def judge(self, records: Sequence[bytes]) -> None:
        began_ns = time.perf_counter_ns()
        opened = _opened(records)
        decoded_ns = time.perf_counter_ns()
        self._verdicts = reference_verdicts(self._rule_set, opened)
        self._phases.update(decode=decoded_ns - began_ns, judge=time.perf_counter_ns() - decoded_ns)

    def phases(self) -> Mapping[str, int]:
        return self._phases

    def verdicts(self) -> Verdicts:
        return self._verdicts

    def memory(self, records: Sequence[bytes]) -> Memory:
        gc.collect()
        tracemalloc.start()
        opened = _opened(records)
        held = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        return Memory(held / max(1, len(opened)), 0)

    def evidence(self, records: Sequence[bytes]) -> Evidence:
        """Judge each violated rule once more: the reference engine makes no evidence without judging."""
        opened = _opened(records)
        violations = list(self._violations(opened))
        began_ns = time.process_time_ns()
        for trace_id, number in violations:
            judge(self._rule_set.enabled[number], TraceView(opened[trace_id]), Closing.COMPLETE, opened_ns=None)
        return Evidence(len(violations), time.process_time_ns() - began_ns)

    def _violations(self, opened: Mapping[str, Sequence[Span]]) -> Iterator[tuple[str, int]]:
        for trace_id, verdicts in reference_verdicts(self._rule_set, opened).items():
            for number, verdict in enumerate(verdicts):
                if verdict is Verdict.VIOLATED:
                    yield trace_id, number


def _judged(engine: ReferenceEngine, spans: Sequence[Span]) -> list[Judgement]:
    # No rule of the load test has an exception that expires.
    return engine.judge(TraceView(spans), Closing.COMPLETE, None)


def _opened(records: Sequence[bytes]) -> dict[str, list[Span]]:
    traces: dict[str, list[Span]] = {}
    for record in records:
        for span in decode_protobuf(record).spans:
            traces.setdefault(span.trace_id, []).append(span)
    return traces


@dataclass(frozen=True, slots=True)
class _Reference:
    """The engine that defines what a rule means."""

    name: str = "reference"
    span_count: int = 6_000
    quick_span_count: int = 1_000

    def start(self, rule_set: RuleSet, *, timed: bool = False) -> Judge:  # noqa: ARG002 - its phases are so long that it always times them
        return _ReferenceJudge(rule_set)


@dataclass(frozen=True, slots=True)
class _LuaJit:
    """The engine for real work, asked for whole lists at once; `through_port`: as the flow asks it, trace by trace."""

    through_port: bool = False
    span_count: int = 60_000
    quick_span_count: int = 10_000

    @property
    def name(self) -> str:
        return "luajit-port" if self.through_port else "luajit"

    def start(self, rule_set: RuleSet, *, timed: bool = False) -> Judge:
        return port_judge(LuaTraceEngine(rule_set)) if self.through_port else LuaJudge(rule_set, timed=timed)


REFERENCE: Candidate = _Reference()
# What is measured unless asked otherwise.
MEASURED: Candidate = _LuaJit()
CANDIDATES: dict[str, Candidate] = {one.name: one for one in (MEASURED, _LuaJit(through_port=True), REFERENCE)}
