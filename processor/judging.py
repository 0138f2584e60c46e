"""Traces to verdicts to what is said: first verdicts, early ones, revisions. One object serves all partitions; it keeps nothing itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import repeat
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from compiler.report import may_violate_early
from compiler.verdict import Closing, Judgement, Verdict
from processor import metrics as m
from processor.closing import completeness
from processor.keyring import NO_KEYS
from processor.open_trace import Said
from processor.records import RecordMaker, judged_part, rule_part
from processor.trace_engine import CODES, VERDICTS, Asked
from topics.violation import Change

if TYPE_CHECKING:
    from compiler.rule_set import Rule
    from processor.keyring import Keyring
    from processor.metrics import Metrics
    from processor.open_trace import OpenTrace
    from processor.trace_engine import TraceEngine, TraceFacts
    from topics.written_violation import WrittenViolation

_VIOLATED = CODES[Verdict.VIOLATED]
_INCONCLUSIVE = bytes([CODES[Verdict.INCONCLUSIVE]])
_WITH_EVIDENCE = frozenset({_VIOLATED, CODES[Verdict.EXCUSED]})
# An engine may hold on to what it found of the traces it was asked about together.
_ASKED_COUNT_MAX = 256
_HANDLE = attrgetter("handle")


class SaidVerdict(NamedTuple):
    """A verdict as it is said: first, early or revised. `record` is set where a violation record goes out with it."""

    rule: Rule
    judgement: Judgement
    facts: TraceFacts
    trace: OpenTrace
    decided_ns: int
    record: WrittenViolation | None


Say = Callable[[SaidVerdict], None]
# Takes note that the number of traces with a verdict of a rule has changed: the rule, the verdict, by how many.
Count = Callable[["Rule", Verdict, int], None]


def _nowhere(_rule: Rule, _verdict: Verdict, _amount: int) -> None:
    pass


class _Judged(NamedTuple):
    """A trace, how it was asked about, and the codes of its verdicts."""

    trace: OpenTrace
    asked: Asked
    codes: bytes


class Judging:
    """Judges the traces of one partition by one program and says what is new.

    `says_all`: every verdict is said, with its evidence, be there a record or not; else only those that a record goes out with.
    """

    def __init__(
        self,
        engine: TraceEngine,
        say: Say,
        metrics: Metrics,
        *,
        program_id: str = "",
        count: Count = _nowhere,
        keyring: Keyring = NO_KEYS,
        exceptions_expire: bool = True,
        says_all: bool = False,
    ) -> None:
        self.engine = engine
        self.program_id = program_id
        self._count = count
        self._keyring = keyring
        self._rules = engine.rule_set.enabled
        # By the index of a rule that was spoken of before.
        self._rule_parts: dict[int, bytes] = {}
        self._say = say
        self._metrics = metrics
        self._says_all = says_all
        self._some_are_early = any(may_violate_early(rule) for rule in self._rules)
        self._some_expire = exceptions_expire and any(one.expires_ns is not None for rule in self._rules for one in rule.exceptions)

    def early(self, traces: Sequence[OpenTrace], now_ns: int) -> None:
        """Say the violations that are decided although their traces are open."""
        if not self._some_are_early:
            return
        known = [trace for trace in traces if not trace.state_lost]
        for trace, asked, codes in self._answered(known, repeat(Closing.OPEN)):
            if _VIOLATED in codes:
                new = [index for index, code in enumerate(codes) if code == _VIOLATED and index not in trace.said]
                self._say_new(_Judged(trace, asked, codes), new, now_ns)

    def close(self, traces: Sequence[OpenTrace], now_ns: int) -> None:
        """Say the verdict of every rule on traces that have just closed."""
        for trace, asked, codes in self._answered(traces, map(completeness, traces)):
            self._decide(trace, asked, codes, now_ns)
        all_codes, width = b"".join([trace.verdicts for trace in traces]), len(self._rules)
        for index, rule in enumerate(self._rules):
            codes = all_codes[index::width]
            for code in sorted(set(codes)):
                count = codes.count(code)
                self._metrics.add(m.VERDICTS, count, rule.id, VERDICTS[code])
                self._count(rule, VERDICTS[code], count)

    def revise(self, traces: Sequence[OpenTrace], now_ns: int) -> None:
        """Judge closed traces again and say what late spans have changed."""
        for trace, asked, codes in self._answered(traces, map(completeness, traces)):
            before = trace.verdicts
            self._decide(trace, asked, codes, now_ns)
            if before != trace.verdicts:
                self._count_moved(before, trace.verdicts)

    def _decide(self, trace: OpenTrace, asked: Asked, codes: bytes, now_ns: int) -> None:
        """Let these be the verdicts of a closed trace, and say what is new.

        All are inconclusive where spans may be missing that nobody can read any more.
        """
        codes = trace.verdicts = _INCONCLUSIVE * len(codes) if trace.state_lost else codes
        if self._says_all:
            self._say_new(_Judged(trace, asked, codes), range(len(codes)), now_ns)
        elif _VIOLATED in codes or trace.said:
            # Violated now, or said to be before.
            said = trace.said
            new = [index for index, code in enumerate(codes) if code == _VIOLATED or (index in said and said[index].stands)]
            self._say_new(_Judged(trace, asked, codes), new, now_ns)

    def _answered(self, traces: Sequence[OpenTrace], closings: Iterator[Closing]) -> Iterator[tuple[OpenTrace, Asked, bytes]]:
        """Yield traces, how they were asked about, given how each is closed, and what the engine said of them."""
        new = tuple.__new__
        for first in range(0, len(traces), _ASKED_COUNT_MAX):
            some = traces[first : first + _ASKED_COUNT_MAX]
            opened_ns = map(self._opened_ns, some) if self._some_expire else repeat(None)
            # Without the named tuple's own constructor, which is a call of Python's for each.
            asked = [new(Asked, one) for one in zip(map(_HANDLE, some), closings, opened_ns, strict=False)]
            yield from zip(some, asked, self.engine.judge(asked), strict=True)

    def _opened_ns(self, trace: OpenTrace) -> int | None:
        return self.engine.facts(trace.handle).first_start_ns if trace.opened_ns is None else trace.opened_ns

    def _count_moved(self, before: bytes, after: bytes) -> None:
        for rule, was, code in zip(self._rules, before, after, strict=True):
            if was != code:
                self._metrics.add(m.VERDICTS_MOVED, 1, rule.id, VERDICTS[was], VERDICTS[code])
                self._count(rule, VERDICTS[was], -1)
                self._count(rule, VERDICTS[code], 1)

    def _say_new(self, judged: _Judged, indices: Sequence[int], now_ns: int) -> None:
        if not indices:
            return
        facts = self.engine.facts(judged.trace.handle)
        of_trace = judged_part(judged.trace, facts)
        for index in indices:
            maker = self._maker(judged, index, facts, of_trace, now_ns)
            record = _next_record(maker, judged.trace.said, index)
            if record is not None:
                self._metrics.add(m.VIOLATIONS, 1, maker.rule.id, maker.rule.text.severity, maker.rule.text.mode, record.change)
            if record is not None or self._says_all:
                self._tell(maker, record)

    def _maker(self, judged: _Judged, index: int, facts: TraceFacts, of_trace: bytes, now_ns: int) -> RecordMaker:
        rule, code = self._rules[index], judged.codes[index]
        judgement = self.engine.explain(judged.asked, index) if code in _WITH_EVIDENCE else Judgement(rule.id, VERDICTS[code])
        return RecordMaker(rule, self._rule_part(index), of_trace, judgement, facts, judged.trace, now_ns, self._keyring)

    def _rule_part(self, index: int) -> bytes:
        found = self._rule_parts.get(index)
        if found is None:
            found = self._rule_parts[index] = rule_part(self._rules[index], self.engine.rule_set.fingerprint)
        return found

    def _tell(self, maker: RecordMaker, record: WrittenViolation | None) -> None:
        self._say(SaidVerdict(maker.rule, maker.judgement, maker.facts, maker.trace, maker.decided_ns, record))


def _next_record(maker: RecordMaker, said: dict[int, Said], index: int) -> WrittenViolation | None:
    """Return the next revision if the record's body is new, and remember it."""
    last = said.get(index)
    violated = maker.judgement.verdict is Verdict.VIOLATED
    stood = last is not None and last.stands
    if not violated and not stood:
        return None
    change = Change.UPDATED if violated and stood else Change.RAISED if violated else Change.WITHDRAWN
    body = maker.body()
    digest = body.digest
    if last is not None and stood and violated and digest == last.digest:
        return None
    record = maker.written(body, 1 if last is None else last.revision + 1, change)
    said[index] = Said(record.revision, digest, violated)
    return record
