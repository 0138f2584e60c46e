"""Compiling many rules beside running traffic: how long it takes, and for how long the traffic stands still."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from statistics import median

from compiler import RuleSet, SourceFile
from loadtest.measured import Candidate, Judge
from loadtest.rows import COMPILE, PAUSE, Row
from loadtest.rule_writing import compiled, named_rules, rule_file
from processor.garbage import uncollected

RULE_COUNT = 1_000


@dataclass(slots=True)
class _Traffic:
    """Judges one record after the other until told to stop, and remembers the longest wait between two."""

    judge: Judge
    records: Sequence[bytes]
    longest_s: float = 0.0
    _over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        last = time.perf_counter()
        for record in cycle(self.records):
            self.judge.judge([record])
            now = time.perf_counter()
            self.longest_s, last = max(self.longest_s, now - last), now
            if self._over.is_set():
                return

    def stop(self) -> None:
        self._over.set()


def compile_rows(candidate: Candidate, running: RuleSet, records: Sequence[bytes], run_count: int, seed: int) -> list[Row]:
    """Return row 11: from the text of 1 000 rules to a running program in this process while it judges `records` by another set.

    As a worker does it: the garbage collector keeps still meanwhile.
    """
    source = rule_file(list(islice(named_rules(seed), RULE_COUNT)), "compiled")
    found = [_once(candidate, running, records, source) for _ in range(run_count)]
    seconds, pauses = median([run[0] for run in found]), median([run[1] for run in found])
    beside = "beside running traffic"
    return [
        Row(11, f"compile {RULE_COUNT} rules to a running program", seconds, "s", COMPILE, run_count, beside),
        Row(11, "longest time between two records meanwhile", pauses * 1000, "ms", PAUSE, run_count, beside),
    ]


def _once(candidate: Candidate, running: RuleSet, records: Sequence[bytes], source: SourceFile) -> tuple[float, float]:
    traffic = _Traffic(candidate.start(running), records)
    traffic.judge.judge(records)
    thread = threading.Thread(target=traffic.run, name="traffic")
    thread.start()
    try:
        began = time.perf_counter()
        with uncollected():
            judge = candidate.start(compiled([source]))
        judge.judge(records[:1])
        taken = time.perf_counter() - began
    finally:
        traffic.stop()
        thread.join()
    return taken, traffic.longest_s
