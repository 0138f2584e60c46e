"""What the fuzz test gives addresses to: the engine, a sound reader, and one that reads too far and must be caught."""

from __future__ import annotations

import ctypes
from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from random import Random
from typing import Protocol

from compiler import Closing, RuleSet, SourceFile, compile_sources
from processor.lua_batch import policy_numbers, touches_of
from processor.lua_traces import LuaTraceEngine
from processor.reference_traces import ReferenceTraceEngine
from processor.trace_engine import VERDICTS, Asked, TakenRecord, TakePolicy, Touch, TraceEngine, batch_of
from tests.differential.example import Mode
from tests.differential.wire import Layout, Writer
from tests.topics.otlp_spans import span
from topics.otlp import decode_protobuf

POLICY = TakePolicy(1_000)
_KNOWN_PARTITION, _FUZZED_PARTITION = 1, 2
_EVIDENCE_SHOWN_MAX = 8
_RULES = """
rules:
  - {id: names, rule: 'never { checkout.where(k == 1 and v == "x") }', evidence: [k, v, a]}
  - {id: lists, rule: 'always { span.all(v in [x, y, "1"] or http.status != true) }', evidence: [k]}
  - {id: patterns, rule: 'never { span.where(v matches "^(a|x)+$" or span:name matches "out$") }'}
  - {id: numbers, rule: 'never { span.where(order > 2 or k + 1 < c or abs(number(v)) == 1) }'}
  - {id: arrays, rule: 'never { span.where(a == x or a contains 1 or length(v) > 3) }'}
  - {id: sums, rule: 'always { sum(span.order) < 3 and avg(span.k) < 1 and max(span.c) < 0 and distinct(span.v) == 1 }'}
  - {id: durations, rule: 'always { max(span.span:duration) < 1ms and trace:duration < 1s }'}
  - {id: events, rule: 'never { span.where(event(k == 1 and event:timeSinceStart > 0ns) or link(k == 1)) }'}
  - {id: relations, rule: 'always { span before b or b under checkout on k or span during b }'}
  - {id: each, rule: 'for each span as p always { span.where(k == p.k and span:parentID == p.span:id) }'}
  - {id: groups, rule: 'never { some count(span by resource.service.name, k) > 1 }'}
  - {id: services, rule: 'never { trace:serviceCount > 1 or trace:rootName == "b" }', requires: complete}
"""


class Target(Protocol):
    """Takes records by their addresses; `counted` says what became of them."""

    counted: Counter[str]

    def take(self, addresses: Sequence[int], lengths: Sequence[int]) -> None:
        """Take records; raises AssertionError where an answer about them is none."""

    def check(self) -> None:
        """Raise AssertionError unless a known record is answered as it must be."""


def rule_set() -> RuleSet:
    """Return rules that use all that the engine has."""
    compiled = compile_sources([SourceFile("fuzz.yaml", _RULES.encode())]).rule_set
    assert compiled is not None
    return compiled


class LuaTarget:
    """The engine: its program gets the addresses, whatever it takes is judged, explained in part, and dropped."""

    def __init__(self, mode: Mode) -> None:
        rules = rule_set()
        self.counted: Counter[str] = Counter()
        self._rule_count = len(rules.enabled)
        self._engine = LuaTraceEngine(rules, jit=mode.jit, collect_eagerly=mode.collect_eagerly)
        spans = [span(attributes={"k": 1, "v": "x", "order": 2.5, "a": ("x", 1)}, parent_id="ef" * 8), span(span_id="ef" * 8, name="b")]
        self._known = TakenRecord(Writer(Layout.COLLECTOR, Random(0)).record(spans), "protobuf", 0)
        self._expected = _answers(ReferenceTraceEngine(rules), self._known)

    def take(self, addresses: Sequence[int], lengths: Sequence[int]) -> None:
        """Take records; what the program leaves to Python is counted as odd."""
        touches: dict[int, Touch] = {}
        where, sizes, arrived = array("Q", addresses), array("q", lengths), array("q", [0]) * len(addresses)
        numbers = [one.buffer_info()[0] for one in (where, sizes, arrived)]
        at = 0
        while at < len(addresses):
            behind, _, wire, _ = self._engine.program.take(*numbers, 0, at, len(addresses), _FUZZED_PARTITION, *policy_numbers(POLICY), 0)
            touches.update({touch.handle: touch for touch in touches_of(wire)})
            left = behind < len(addresses) and not wire
            self.counted["left to Python"] += left
            at = behind + left
        self.counted["records"] += len(addresses)
        self.counted["traces"] += len(touches)
        self._ask(list(touches))

    def _ask(self, handles: Sequence[int]) -> None:
        for closing in Closing:
            asked = [Asked(handle, closing, None) for handle in handles]
            for one, codes in zip(asked, self._engine.judge(asked), strict=True):
                assert len(codes) == self._rule_count, f"{len(codes)} verdicts of {self._rule_count} rules"
                assert max(codes) < len(VERDICTS), f"a verdict has the code {max(codes)}"
                if one.handle % _EVIDENCE_SHOWN_MAX == 0:
                    self._explain(one, codes)
        for handle in handles:
            assert self._engine.facts(handle).span_count > 0, "a trace without a span"
            self._engine.drop_many([handle])

    def _explain(self, asked: Asked, codes: bytes) -> None:
        for index, code in enumerate(codes):
            verdict = self._engine.explain(asked, index).verdict
            assert verdict is VERDICTS[code], f"rule {index}: {verdict} with evidence, {VERDICTS[code]} without"
            self.counted["explained"] += 1

    def check(self) -> None:
        """Raise AssertionError unless a known record is answered as it must be."""
        found = _answers(self._engine, self._known)
        assert found == self._expected, f"of the known record: expected {self._expected}, found {found}"


def _answers(engine: TraceEngine, record: TakenRecord) -> list[str]:
    (touch,) = engine.take(_KNOWN_PARTITION, batch_of([record]), POLICY).touches
    asked = [Asked(touch.handle, closing, None) for closing in Closing]
    found = [repr([engine.judge([one]) for one in asked]), repr(engine.facts(touch.handle))]
    engine.drop_many([touch.handle])
    return found


class Reader:
    """Decodes what lies at the addresses; `beyond` bytes too far."""

    def __init__(self, beyond: int) -> None:
        self.counted: Counter[str] = Counter()
        self._beyond = beyond

    def take(self, addresses: Sequence[int], lengths: Sequence[int]) -> None:
        """Decode the records."""
        for address, length in zip(addresses, lengths, strict=True):
            self.counted["records"] += 1
            value = ctypes.string_at(address, length + self._beyond)
            self.counted["spans"] += len(decode_protobuf(value[:length]).spans)

    def check(self) -> None:
        """Nothing is kept that could be wrong."""


TARGETS: dict[str, Callable[[Mode], Target]] = {
    "luajit": LuaTarget,
    "reader": lambda _mode: Reader(0),
    "overreader": lambda _mode: Reader(2),
}
