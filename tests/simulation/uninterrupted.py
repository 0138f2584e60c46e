"""One run over a log and the marks of its journal, without crash, checkpoint or store: what every other run must come to.

Written from the description of the protocol, not from the flow: it shares the rules' meaning (compiler) and the records' form (topics)
with what it judges, nothing else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from compiler.judge import ReferenceEngine
from compiler.rule_set import RuleSet
from compiler.trace import TraceView
from compiler.verdict import Closing, Judgement, Verdict
from tests.simulation.broker import LogRecord
from tests.simulation.state import TraceState
from tests.simulation.statements import Facts, Said, Statement, next_statement, statement_id
from topics.journal import Checkpoint, Fence, Limits, Mark, read_entry, record_hash, shed_share
from topics.span import Span
from topics.violation import CloseReason

# A mark that says so begins anew: what was remembered is lost, what begins now may have begun earlier.
STATE_LOST_NS = 2**62
_WHOLE = frozenset({CloseReason.ROOT_ENDED, CloseReason.IDLE, CloseReason.DRAINED})
CountKey = tuple[str, str, str]


class ValidRecord(NamedTuple):
    """A checkpoint record that counts."""

    offset: int
    record: Checkpoint
    hash: str


def valid_records(log: Sequence[bytes]) -> Iterator[ValidRecord]:
    """Yield the records whose epoch is the newest fence before them: the whole rule over the whole log. What is no entry is void too."""
    epoch = -1
    for offset, value in enumerate(log):
        try:
            entry = read_entry(value)
        except ValueError:
            continue
        if isinstance(entry, Fence):
            epoch = offset
        elif entry.epoch == epoch:
            yield ValidRecord(offset, entry, record_hash(value))


@dataclass
class Life:
    """A trace from its first record until it is forgotten."""

    trace_id: str
    first_offset: int
    first_ns: int
    last_ns: int
    new_ns: int
    last_offset: int
    program: str
    is_lost: bool
    spans: dict[str, Span] = field(default_factory=dict)
    has_root: bool = False
    is_scattered: bool = False
    over_ns: int | None = None
    reason: CloseReason | None = None
    is_stripped: bool = False
    is_touched: bool = False
    verdicts: tuple[Verdict, ...] = ()
    said: dict[str, Said] = field(default_factory=dict)

    def due(self, limits: Limits) -> tuple[int, CloseReason] | None:
        """Return when it must close, and why: what comes first, in the order of the reasons where two fall together."""
        found: list[tuple[int, CloseReason]] = []
        if self.has_root and limits.root_grace_ns is not None:
            found.append((self.new_ns + limits.root_grace_ns, CloseReason.ROOT_ENDED))
        if limits.idle_timeout_ns is not None:
            found.append((self.last_ns + limits.idle_timeout_ns, CloseReason.IDLE))
        if limits.max_age_ns is not None:
            found.append((self.first_ns + limits.max_age_ns, CloseReason.MAX_AGE))
        if self.over_ns is not None:
            found.append((self.over_ns, CloseReason.SPAN_LIMIT))
        return min(found, key=lambda limit: limit[0], default=None)

    @property
    def closing(self) -> Closing:
        """How much of it is there."""
        if self.reason is None:
            return Closing.OPEN
        is_whole = self.reason in _WHOLE or (self.reason is CloseReason.MAX_AGE and self.has_root)
        return Closing.COMPLETE if is_whole and not self.is_scattered else Closing.INCOMPLETE

    def state(self) -> TraceState:
        """Return it in the words that the core can say too."""
        grown = None if self.is_stripped else (self.new_ns, self.last_offset, self.has_root, self.over_ns, len(self.spans))
        said = {rule: (it.revision, it.stands) for rule, it in self.said.items()}
        return TraceState(
            self.first_offset, self.first_ns, self.last_ns, self.program, self.reason, self.is_scattered, self.is_lost, said, grown
        )


class Uninterrupted:
    """The run over one partition. `statements` is all it said, `counts` what it counted; both grow."""

    def __init__(self, partition: int, log: Sequence[LogRecord], rule_sets: Mapping[str, RuleSet]) -> None:
        self.lives: dict[str, Life] = {}
        self.begun: list[Life] = []
        self.statements: list[tuple[str, Statement]] = []
        self.counts: Counter[CountKey] = Counter()
        self.position = 0
        self.time_ns = 0
        self.program = ""
        self.limits: Limits | None = None
        self.lost_until_ns = -1
        self.shed_level = 0
        # Traces that were not judged as others are, and records that were not read, by the names that a journal record has for them.
        self.losses: Counter[str] = Counter()
        self._marked = 0
        self._partition = partition
        self._log = log
        self._read = 0
        self._rule_sets = rule_sets
        self._engines = {program: ReferenceEngine(rules, 0, 16) for program, rules in rule_sets.items()}

    def obey(self, mark: Mark) -> None:
        """Read on to the mark, then do what it says."""
        if mark.lost_until_ns == STATE_LOST_NS:
            self.lives.clear()
            self.position = mark.position
            self._read = sum(record.offset < mark.position for record in self._log)
        while self._read < len(self._log) and self._log[self._read].offset < mark.position:
            self._take(self._log[self._read], mark.clamp_ns)
            self._read += 1
        self.position = max(self.position, mark.position)
        self.time_ns = mark.time_ns
        self._settle(mark)
        if mark.program is not None:
            self.program = mark.program
        if mark.limits is not None:
            self.limits = mark.limits
        if mark.lost_until_ns is not None:
            self.lost_until_ns = mark.lost_until_ns
        if mark.shed_level is not None:
            self.shed_level = mark.shed_level
        self._marked = mark.position

    @property
    def low_watermark(self) -> int:
        """The first record of the oldest remembered trace, else the position."""
        return min((life.first_offset for life in self.lives.values()), default=self.position)

    def states(self) -> dict[str, TraceState]:
        return {trace_id: life.state() for trace_id, life in self.lives.items()}

    # ---- records --------------------------------------------------------------------------------------------------------------------

    def _take(self, record: LogRecord, clamp_ns: int | None) -> None:
        at_ns = self.time_ns if record.timestamp_ns is None else record.timestamp_ns
        at_ns = at_ns if clamp_ns is None else min(at_ns, clamp_ns)
        if self._is_shed(record, at_ns):
            return
        by_trace: dict[str, list[Span]] = {}
        for span in record.spans:
            by_trace.setdefault(span.trace_id, []).append(span)
        is_scattered = [key.encode() for key in by_trace] != [record.key] and bool(by_trace)
        for trace_id, spans in by_trace.items():
            begun = len(self.begun)
            life = self._life(trace_id, record.offset, at_ns)
            self.losses["traces_state_lost"] += life.is_lost and len(self.begun) > begun
            self._grow(life, spans, record.offset, at_ns)
            if is_scattered and not life.is_scattered:
                life.is_scattered = life.is_touched = True

    def _is_shed(self, record: LogRecord, at_ns: int) -> bool:
        """Say whether the record is dropped unread, and if so take note: a trace is read whole or not at all."""
        assert self.limits is not None
        if record.key is None:
            return False
        trace_id, retention_ns = record.key.decode(), self.limits.closed_retention_ns
        life = self.lives.get(trace_id)
        goes_on = life is not None and (retention_ns is None or at_ns <= life.last_ns + retention_ns)
        if life is not None and goes_on and life.reason is not CloseReason.SHED and life.first_offset < self._marked:
            return False
        is_known = life is not None and goes_on and life.reason is CloseReason.SHED
        if not is_known and shed_share(record.key) >= self.shed_level:
            return False
        life = self._life(trace_id, record.offset, at_ns)
        life.is_lost = life.is_lost and goes_on
        life.last_ns = max(life.last_ns, at_ns)
        life.reason, life.is_stripped, life.is_touched = CloseReason.SHED, True, False
        self.losses.update(traces_shed=not is_known, records_shed=1)
        return True

    def _life(self, trace_id: str, offset: int, at_ns: int) -> Life:
        assert self.limits is not None
        assert self.program
        life, retention_ns = self.lives.get(trace_id), self.limits.closed_retention_ns
        if life is not None and retention_ns is not None and at_ns > life.last_ns + retention_ns:
            self._end_of(life, at_ns)
            life = None
        if life is None:
            is_lost = at_ns <= self.lost_until_ns
            life = self.lives[trace_id] = Life(trace_id, offset, at_ns, at_ns, at_ns, offset, self.program, is_lost)
            self.begun.append(life)
        return life

    def _end_of(self, life: Life, at_ns: int) -> None:
        """A new trace takes its id: what is still to be said of it is said, then it is forgotten."""
        assert self.limits is not None
        if life.reason is None:
            limit = life.due(self.limits)
            self._close(life, CloseReason.MAX_AGE if limit is None else limit[1], at_ns)
        elif life.is_touched and not life.is_stripped:
            self._revise(life, at_ns)
        # Behind all others that are remembered, as a new trace is.
        del self.lives[life.trace_id]

    def _grow(self, life: Life, spans: Iterable[Span], offset: int, at_ns: int) -> None:
        assert self.limits is not None
        life.last_ns = max(life.last_ns, at_ns)
        if life.is_stripped:
            return
        for span in spans:
            if span.span_id in life.spans:
                continue
            if len(life.spans) >= self.limits.span_count_max:
                life.over_ns = at_ns if life.over_ns is None else life.over_ns
                continue
            life.spans[span.span_id] = span
            life.has_root = life.has_root or not span.parent_id
            life.new_ns = max(life.new_ns, at_ns)
            life.last_offset = max(life.last_offset, offset)
            life.is_touched = True

    # ---- marks ----------------------------------------------------------------------------------------------------------------------

    def _settle(self, mark: Mark) -> None:
        now_ns, limits = mark.time_ns, self.limits
        for life in self.lives.values():
            if life.is_touched and life.reason is not None and not life.is_stripped:
                self._revise(life, now_ns)
        if limits is None:
            assert not self.lives
            return
        self._evict(mark.evict_before, now_ns)
        for life in self.lives.values():
            limit = life.due(limits)
            if life.reason is None and limit is not None and limit[0] <= now_ns:
                self._close(life, limit[1], now_ns)
        for life in self.lives.values():
            if life.reason is None and mark.drain:
                self._close(life, CloseReason.DRAINED, now_ns)
            elif life.reason is None and life.is_touched and limits.early_verdicts and not life.is_lost:
                self._early(life, now_ns)
            life.is_touched = False
        for trace_id in mark.cut:
            self.lives.pop(trace_id, None)
        if limits.closed_retention_ns is not None:
            margin_ns = limits.closed_retention_ns + limits.timestamp_skew_max_ns
            self.lives = {of: it for of, it in self.lives.items() if it.reason is None or now_ns <= it.last_ns + margin_ns}

    def _evict(self, before: int | None, now_ns: int) -> None:
        for life in self.lives.values():
            if before is not None and life.first_offset < before and not life.is_stripped:
                if life.reason is None:
                    self._close(life, CloseReason.EVICTED, now_ns)
                life.is_stripped = True
                life.is_touched = False
                self.losses["traces_evicted"] += 1

    # ---- verdicts -------------------------------------------------------------------------------------------------------------------

    def _judged(self, life: Life) -> list[Judgement]:
        found = self._engines[life.program].judge(TraceView(life.spans.values()), life.closing, None)
        return [Judgement(one.rule_id, Verdict.INCONCLUSIVE) for one in found] if life.is_lost else found

    def _early(self, life: Life, now_ns: int) -> None:
        violated = [one for one in self._judged(life) if one.verdict is Verdict.VIOLATED and one.rule_id not in life.said]
        self._say(life, violated, now_ns)

    def _close(self, life: Life, reason: CloseReason, now_ns: int) -> None:
        life.reason = reason
        life.is_touched = False
        self._count_and_say(life, now_ns)

    def _revise(self, life: Life, now_ns: int) -> None:
        life.is_touched = False
        self._count_and_say(life, now_ns)

    def _count_and_say(self, life: Life, now_ns: int) -> None:
        judgements = self._judged(life)
        for sign, verdicts in ((-1, life.verdicts), (1, tuple(one.verdict for one in judgements))):
            for rule, verdict in zip(self._rule_sets[life.program].enabled, verdicts, strict=False):
                self.counts[rule.id, rule.version, str(verdict)] += sign
        life.verdicts = tuple(one.verdict for one in judgements)
        self._say(life, judgements, now_ns)

    def _say(self, life: Life, judgements: Iterable[Judgement], now_ns: int) -> None:
        view = TraceView(life.spans.values())
        facts = Facts(view, self._partition, life.first_offset, life.last_offset, life.reason, life.closing is Closing.COMPLETE)
        rules = {rule.id: rule for rule in self._rule_sets[life.program].enabled}
        for judgement in judgements:
            rule = rules[judgement.rule_id]
            statement = next_statement(rule, judgement, facts, life.said.get(rule.id), now_ns)
            if statement is not None:
                self.statements.append((statement_id(rule, facts), statement))
                life.said[rule.id] = Said(statement.revision, statement.body, judgement.verdict is Verdict.VIOLATED)
