"""Three hundred rules come into force while records flow: old traces by the old program, new ones by the new, and nobody waits."""

from __future__ import annotations

import re
import sys
import time
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

import pytest

from loadtest.rule_writing import named_rules, rule_file
from processor.closing import SECOND_NS, ClosingPolicy
from processor.engines import EngineName, make_engine
from processor.handler import Handler
from processor.made_programs import JudgedWith
from processor.metrics import Tally
from processor.rule_watch import RuleWatch
from processor.surroundings import CoreSettings, Surroundings
from tests.doubles.journal import MemoryJournal
from tests.doubles.reading import reread
from tests.processor.logs import KEY, LogRecord
from tests.processor.played import NO_BYPASS, START_NS, span, trace_id
from topics.otlp import encode_protobuf

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from topics.dead_letter import DeadLetter
    from topics.written_violation import WrittenViolation

RULE_COUNT = 300
# Rules about a span that the traces here do not have: they are asked, and have nothing to say.
SILENT = re.compile(r'when \{ "[^"]*"(\.where\([^)]*\))? \} ')
CHUNK = 50
# A trace is two records, this many apart, and others begin between them: wherever a swap is, some began before it and end behind it.
APART = 501
OLD = NO_BYPASS.replace("no-bypass", "old-rule")
NEW = NO_BYPASS.replace("no-bypass", "new-rule")


class Said:
    """Keeps of what is published only what the test asks for: what would be gone in a worker must not be in the way of the collector."""

    def __init__(self) -> None:
        self.found: list[tuple[str, int, int]] = []

    def violation(self, written: WrittenViolation) -> None:
        record = reread(written)
        self.found.append((record.rule.id, record.input.first_offset, record.input.last_offset))

    def dead_letter(self, letter: DeadLetter) -> None:
        raise AssertionError(letter)

    def flush(self) -> None:
        pass


class Flow:
    """A worker's core that reads chunk after chunk, in records of its own time; remembers the longest time from one to the next."""

    def __init__(self, rules: RuleWatch) -> None:
        self.said = Said()
        policy = ClosingPolicy(root_grace_ns=3 * SECOND_NS, idle_timeout_ns=4 * SECOND_NS, closed_retention_ns=8 * SECOND_NS)
        around = Surroundings(self.said, rules, Tally(), journal=MemoryJournal())
        self.handler = Handler(CoreSettings(replace(policy, timestamp_skew_max_ns=SECOND_NS)), around)
        self.position = self.handler.assigned({KEY: None})[KEY]
        self.pauses_s: list[float] = []
        self._last_s = time.perf_counter()

    def chunk(self) -> None:
        """Read a chunk; of each trace the first record says bypass, so that every rule of these files has something to say."""
        records = [_record(offset) for offset in range(self.position, self.position + CHUNK)]
        self.position += CHUNK
        self.handler.chunk(KEY, records, self.position)
        if self.position % (20 * CHUNK) == 0:
            self.handler.checkpoint([KEY])
        now_s = time.perf_counter()
        self.pauses_s.append(now_s - self._last_s)
        self._last_s = now_s

    def program(self) -> str:
        return self.handler.owned[KEY].owner.standing.program


def _begins(offset: int) -> bool:
    return offset % 2 == 0 or offset < APART


def _record(offset: int) -> LogRecord:
    first = _begins(offset)
    number = 1 + (offset if first else offset - APART)
    name, place = ("bypass", 1) if first else ("last", 2)
    value = encode_protobuf([span(name, place, of=number, parent=None if not first else 99)])
    return LogRecord(offset, START_NS + offset * SECOND_NS // 200, trace_id(number).encode(), value)


@pytest.fixture
def _quick_switches() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.0005)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("_quick_switches")
def test_rules_are_swapped_under_load_without_a_pause(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.yaml").write_text(OLD)
    rules = RuleWatch(tmp_path, JudgedWith(), partial(make_engine, EngineName.LUAJIT), None, interval_s=0.1)
    rules.start()
    try:
        rules.wait(lambda standing: standing.program is not None, 20)
        old = rules.current.id
        flow = Flow(rules)
        for _ in range(100):
            flow.chunk()
        before_s, flow.pauses_s = max(flow.pauses_s[10:]), []
        texts = list(islice(filter(SILENT.match, named_rules(7)), RULE_COUNT))
        (tmp_path / "b.yaml").write_bytes(rule_file(texts, "many").content)
        (tmp_path / "a.yaml").write_text(NEW)
        began_s = time.perf_counter()
        while flow.program() == old:
            flow.chunk()
            assert time.perf_counter() - began_s < 120
        taken_s, swapped_at = time.perf_counter() - began_s, flow.position
        for _ in range(100):
            flow.chunk()
        flow.handler.drain()
        flow.handler.checkpoint([KEY])
    finally:
        rules.stop()
    longest_ms = max(flow.pauses_s) * 1000
    with capsys.disabled():
        sys.stdout.write(
            f"\n{RULE_COUNT} rules in force after {taken_s:.2f} s; longest pause {longest_ms:.0f} ms, {before_s * 1000:.0f} ms before\n"
        )
    # Were anything of it done in the thread of the core, be it only the engine, one pause would be a good part of that time.
    assert longest_ms < taken_s * 1000 / 8
    _assert_judged(flow, swapped_at)


def _assert_judged(flow: Flow, swapped_at: int) -> None:
    """Each trace is judged by the program that was in force when it began, wherever its last record is."""
    found = [(rule, first, last) for rule, first, last in flow.said.found if rule in {"old-rule", "new-rule"}]
    for rule, first, _last in found:
        assert rule == ("old-rule" if first < swapped_at else "new-rule")
    traces = set(filter(_begins, range(flow.position)))
    assert {first for _rule, first, _last in found} == traces
    assert any(first < swapped_at <= last for _rule, first, last in found)
