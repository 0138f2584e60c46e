"""An engine measured as the flow uses it: through processor.trace_engine.TraceEngine, touches and all."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from compiler import Closing, Verdict
from loadtest.measured import Evidence, Memory, Verdicts
from processor.trace_engine import CODES, VERDICTS, Asked, TakenRecord, TakePolicy, TraceEngine, batch_of

_POLICY = TakePolicy(span_count_max=2**31 - 1)
_PARTITION = 0


class PortJudge:
    """Judges with an engine that the flow could use; `memory` says what an open trace holds, given the handles of all."""

    def __init__(self, engine: TraceEngine, memory: Callable[[Sequence[int]], Memory]) -> None:
        self._engine = engine
        self._memory = memory
        self._phases: Counter[str] = Counter()
        self._ids: list[str] = []
        self._codes: list[bytes] = []

    def judge(self, records: Sequence[bytes]) -> None:
        """Take in all records, judge every trace as complete, drop it."""
        began_ns = time.perf_counter_ns()
        asked = self._opened(records)
        taken_ns = time.perf_counter_ns()
        self._codes = self._engine.judge(asked)
        judged_ns = time.perf_counter_ns()
        self._drop(asked)
        self._phases.update(take=taken_ns - began_ns, judge=judged_ns - taken_ns, drop=time.perf_counter_ns() - judged_ns)

    def phases(self) -> Mapping[str, int]:
        """Return the time in calls of the engine."""
        return self._phases

    def verdicts(self) -> Verdicts:
        """Return what the last call found."""
        return {trace_id: tuple([VERDICTS[code] for code in codes]) for trace_id, codes in zip(self._ids, self._codes, strict=True)}

    def memory(self, records: Sequence[bytes]) -> Memory:
        """Return what is held per trace once all records are read."""
        asked = self._opened(records)
        held = self._memory([one.handle for one in asked])
        self._drop(asked)
        return held

    def evidence(self, records: Sequence[bytes]) -> Evidence:
        """Ask for the evidence of each violation, in the order of the traces."""
        asked = self._opened(records)
        violated, violations = CODES[Verdict.VIOLATED], []
        for one, codes in zip(asked, self._engine.judge(asked), strict=True):
            violations += [(one, number) for number, code in enumerate(codes) if code == violated]
        began_ns = time.process_time_ns()
        for one, number in violations:
            self._engine.explain(one, number)
        taken_ns = time.process_time_ns() - began_ns
        self._drop(asked)
        return Evidence(len(violations), taken_ns)

    def _opened(self, records: Sequence[bytes]) -> list[Asked]:
        taken = self._engine.take(_PARTITION, batch_of(TakenRecord(value, "protobuf", 0) for value in records), _POLICY)
        opened = {touch.handle: touch.trace_id for touch in taken.touches}
        self._ids = list(opened.values())
        return [Asked(handle, Closing.COMPLETE, None) for handle in opened]

    def _drop(self, asked: Sequence[Asked]) -> None:
        self._engine.drop_many([one.handle for one in asked])
