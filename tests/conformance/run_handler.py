"""Run the corpus `stream/` through the worker's core: fences, marks, checkpoints, a journal, and a clock that the case sets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from compiler.verdict import Verdict
from processor.closing import SECOND_NS
from processor.rule_source import Program
from tests.conformance.timed import POLICY
from tests.doubles.store import MemoryStore
from tests.processor.logs import KEY, PROGRAM_ID, Log, Owner
from topics.journal import valid

if TYPE_CHECKING:
    from collections.abc import Iterable

    from processor.engines import EngineMaker
    from tests.conformance.timed import Timed
    from topics.journal import RuleCounts
    from topics.violation import Violation

_VIOLATED, _UNKNOWN = str(Verdict.VIOLATED), str(Verdict.UNKNOWN)
_MARKS_MAX = 1_000
_CLOSED = tuple(str(verdict) for verdict in Verdict if verdict is not Verdict.UNKNOWN)


@dataclass
class Read:
    """What readers of the violations and of the journal have of a case: `words` is the verdict of each rule that was said last."""

    words: dict[str, str] = field(default_factory=dict)
    offenders: dict[str, tuple[str, ...]] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)
    journal_end: int = 0

    def violations(self, records: Iterable[Violation]) -> None:
        """Read violations, from the first on; what is said again is known."""
        for record in records:
            if record.ce_id not in self.known and record.change != "withdrawn":
                self.words[record.rule.id] = _VIOLATED
                self.offenders[record.rule.id] = tuple(offender.name for offender in record.offenders)
            self.known.add(record.ce_id)

    def journal(self, log: Log) -> None:
        """Read on in the journal."""
        entries = log.journal.read(KEY, 0, len(log.journal.logs[KEY]))
        for placed in valid(entries):
            for counts in placed.record.counts if placed.offset >= self.journal_end else ():
                self._count(counts)
        self.journal_end = len(entries)

    def _count(self, counts: RuleCounts) -> None:
        said = [word for word in _CLOSED if getattr(counts, word) > 0]
        assert len(said) <= 1, f"two verdicts at one moment: {counts}"
        if said:
            self.words[counts.rule] = said[0]


@dataclass
class HandlerRun:
    """A case on one partition. `is_taken_over`: before every moment another worker takes it; `has_store`: with a copy of its state."""

    timed: Timed
    make_engine: EngineMaker
    is_taken_over: bool = False
    has_store: bool = False
    marked_ns: list[int] = field(default_factory=list)
    read: Read = field(default_factory=Read)
    log: Log = field(init=False)
    owner: Owner = field(init=False)

    def __post_init__(self) -> None:
        rule_set, make = self.timed.rule_set, self.make_engine
        self.log = Log(rule_set, POLICY, store=MemoryStore() if self.has_store else None)
        self.log.programs[PROGRAM_ID] = Program(PROGRAM_ID, rule_set, lambda: make(rule_set, 0, 16))
        self.owner = self.log.own()

    def problems(self) -> list[str]:
        """Play it; return what was not said as the case expects."""
        found = []
        for moment, spans in self.timed.arrivals.items():
            self._fall_due_before(moment)
            if self.is_taken_over:
                self.owner = self.log.own()
                self.owner.read()
            self.log.wall_s = moment / SECOND_NS
            if spans:
                self.log.append(moment / SECOND_NS, *spans)
                self.owner.read()
            self._come_to(moment)
            for rule, words in self.timed.expected.items():
                said = self.read.words.get(rule, _UNKNOWN)
                if words.get(moment, said) != said:
                    found.append(f"{rule}: expected {words[moment]} at {moment} ns, got {said}")
        return found + self._other_offenders()

    def _fall_due_before(self, moment: int) -> None:
        while (due_ns := self.owner.owner.traces.next_due_ns) is not None and due_ns < self.log.at(0) + moment:
            assert len(self.marked_ns) < _MARKS_MAX, f"nothing happens when {due_ns} is due"
            self._come_to(due_ns - self.log.at(0))

    def _come_to(self, moment: int) -> None:
        self.marked_ns.append(moment)
        self.owner.idle(moment / SECOND_NS)
        self.read.violations(self.log.outbox.sent)
        self.read.journal(self.log)

    def _other_offenders(self) -> list[str]:
        wanted = self.timed.case.offenders
        said = [self.read.offenders.get(rule, ()) for rule in self.timed.expected if wanted is not None]
        return [f"expected offenders {wanted}, got {one}" for one in said if one != wanted]
