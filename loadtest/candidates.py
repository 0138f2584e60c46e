"""What is measured: engines behind one small port. A new engine joins with one line in CANDIDATES."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from compiler import Closing, ReferenceEngine, RuleSet, Span, TraceView, Verdict
from topics.otlp import decode_protobuf

# Of each trace, by its id in lower-case hex: one verdict per enabled rule, in the order of the rule set.
Verdicts: TypeAlias = Mapping[str, tuple[Verdict, ...]]


class Judge(Protocol):
    """A rule set ready to run."""

    def judge(self, records: Sequence[bytes]) -> None:
        """Judge every trace of the records as complete, afresh, with the evidence of violations: this is what is timed."""

    def verdicts(self) -> Verdicts:
        """Return what the last call found; not timed."""

    def open_trace_bytes(self, records: Sequence[bytes]) -> float:
        """Return the memory held per open trace once all records are read and none of their traces is closed."""


class Candidate(Protocol):
    """An engine as the load test sees it.

    `span_count` and `quick_span_count` are how many spans one timed run is worth: enough to be warm, few enough to end.
    """

    @property
    def name(self) -> str:
        """The word that asks for it."""

    @property
    def span_count(self) -> int:
        """The spans of a full run."""

    @property
    def quick_span_count(self) -> int:
        """The spans of a quick run."""

    def start(self, rule_set: RuleSet) -> Judge:
        """Make a running program of a rule set."""


class _ReferenceJudge:
    """Decodes into objects, keeps the spans of open traces, judges each trace when the input ends."""

    def __init__(self, rule_set: RuleSet) -> None:
        self._engine = ReferenceEngine(rule_set)
        self._verdicts: Verdicts = {}

    def judge(self, records: Sequence[bytes]) -> None:
        self._verdicts = {trace_id: self._judged(spans) for trace_id, spans in _opened(records).items()}

    def verdicts(self) -> Verdicts:
        return self._verdicts

    def open_trace_bytes(self, records: Sequence[bytes]) -> float:
        gc.collect()
        tracemalloc.start()
        opened = _opened(records)
        held = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        return held / max(1, len(opened))

    def _judged(self, spans: Sequence[Span]) -> tuple[Verdict, ...]:
        view = TraceView(spans)
        return tuple([judgement.verdict for judgement in self._engine.judge(view, Closing.COMPLETE, view.first_start_ns)])


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

    def start(self, rule_set: RuleSet) -> Judge:
        return _ReferenceJudge(rule_set)


REFERENCE: Candidate = _Reference()
CANDIDATES: dict[str, Candidate] = {REFERENCE.name: REFERENCE}
