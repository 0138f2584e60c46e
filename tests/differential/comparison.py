"""Two engines, one example: whatever they answer must be equal, from what became of each span to the margin of a comparison."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from compiler import Closing, Judgement, Rule, Verdict
from compiler import trace as compiler_trace
from processor.records import evidence, service_name
from processor.reference_traces import ReferenceTraceEngine
from processor.trace_engine import NONE, ORDER_BITS, VERDICTS, Asked, Taken, Touch, TraceEngine, batch_of
from tests.differential.case_text import case_text
from tests.differential.example import Example, Mode, Step

if TYPE_CHECKING:
    from topics.span import Span

MakeEngine = Callable[[Example, Mode], TraceEngine]
# Copies live in partitions that the example itself does not use.
_COPY_PARTITIONS = 1000
# So do the traces that an engine holds before others are moved to it.
_STRANGE_PARTITIONS = 1_000_000
_EVIDENT = (Verdict.VIOLATED, Verdict.EXCUSED)


class Key(NamedTuple):
    """A trace as both engines know it: the how-manieth of its id in its partition."""

    partition: int
    trace_id: str
    generation: int


class Disagreement(AssertionError):  # noqa: N818 - it is what a failing test says, not a state of the program
    """The engines differ; the text says in what, of which trace and rule, and how to keep it as a case."""

    def __init__(self, text: str, example: Example) -> None:
        super().__init__(text)
        self.example = example


@dataclass
class Tally:
    """What was compared: examples, (rule set, trace) pairs, bytes of verdicts by verdict, evidence, traces moved to another engine."""

    examples: int = 0
    unread: int = 0
    pairs: int = 0
    explained: int = 0
    moved: int = 0
    refused: int = 0
    verdicts: Counter[Verdict] = field(default_factory=Counter)

    def add(self, other: Tally) -> None:
        """Count what the other counted."""
        self.examples += other.examples
        self.unread += other.unread
        self.pairs += other.pairs
        self.explained += other.explained
        self.moved += other.moved
        self.refused += other.refused
        self.verdicts.update(other.verdicts)

    def __str__(self) -> str:
        """One line for a person."""
        words = ", ".join(f"{self.verdicts[verdict]} {verdict}" for verdict in VERDICTS)
        return (
            f"{self.examples} examples, {self.pairs} (rule set, trace) pairs, {self.verdicts.total()} verdicts ({words}), "
            f"{self.explained} explained, {self.moved} traces moved, {self.refused} items refused, "
            f"{self.unread} examples ended by a part that no rule reads"
        )


_ORDERS = ("order", "new_order", "apart_order")


def _ranks(touches: Iterable[Touch]) -> dict[int, tuple[int, int]]:
    """Return for each order its record, and the how-manieth in that record it is: how far apart they are means nothing."""
    orders = sorted({getattr(touch, name) for touch in touches for name in _ORDERS})
    records = [order >> ORDER_BITS for order in orders]
    return {order: (record, rank - records.index(record)) for rank, (order, record) in enumerate(zip(orders, records, strict=True))}


def added_up(touches: Iterable[tuple[Key, Touch]], *, by_record: bool) -> dict[tuple[Key, int], Touch]:
    """Return what all records together brought to each trace; or each of them, by its index."""
    found: dict[tuple[Key, int], Touch] = {}
    for key, touch in touches:
        place = (key, touch.record if by_record else 0)
        plain = touch._replace(redelivered_count=touch.redelivered_count + touch.differing_count, differing_count=0)
        found[place] = _sum(found[place], plain) if place in found else plain
    return found


def _sum(before: Touch, touch: Touch) -> Touch:
    """Return what both brought, the first one first."""

    def first(one: int, other: int) -> int:
        return other if one == NONE else one

    return before._replace(
        span_count=before.span_count + touch.span_count,
        new_count=before.new_count + touch.new_count,
        redelivered_count=before.redelivered_count + touch.redelivered_count,
        over_limit_count=before.over_limit_count + touch.over_limit_count,
        arrived_ns=max(before.arrived_ns, touch.arrived_ns),
        new_arrived_ns=max(before.new_arrived_ns, touch.new_arrived_ns),
        new_order=first(before.new_order, touch.new_order),
        last_new=first(touch.last_new, before.last_new),
        first_over_limit=first(before.first_over_limit, touch.first_over_limit),
        first_root=first(before.first_root, touch.first_root),
        apart_order=first(before.apart_order, touch.apart_order),
    )


class Side:
    """An engine and the names of the traces it holds."""

    def __init__(self, engine: TraceEngine) -> None:
        self.engine = engine
        self.handles: dict[Key, int] = {}
        self._standing: dict[tuple[int, str], Key] = {}

    def take(self, step: Step, partition: int, example: Example) -> tuple[list[tuple[object, ...]], dict[int, dict[str, int]]]:
        """Return what became of the records, with traces by their keys.

        Spans that came before count alike whether they differ or not: a packed state need not remember all of what it would take to say.
        """
        taken = self.engine.take(partition, batch_of(step.records, is_keyed=True), example.policy)
        keys = [self._key(partition, touch.trace_id, touch.handle, opened=touch.opened) for touch in taken.touches]
        touches = dict(added_up(zip(keys, taken.touches, strict=True), by_record=example.policy.by_record))
        assert [touch.order for touch in taken.touches] == sorted(touch.order for touch in taken.touches), "touches are out of order"
        ranks = _ranks(touches.values())
        found: list[tuple[object, ...]] = [
            (key, [ranks[getattr(touch, name)] for name in _ORDERS], touch._replace(order=0, new_order=0, apart_order=0, handle=0))
            for (key, _), touch in touches.items()
        ]
        return [*found, ("apart", taken.apart)], _plain(taken)

    def _key(self, partition: int, trace_id: str, handle: int, *, opened: bool) -> Key:
        known = self._standing.get((partition, trace_id))
        if opened:
            assert handle >= 0, f"handle {handle} of a new trace is negative"
            assert handle not in self.handles.values(), f"handle {handle} of a new trace names another"
            known = Key(partition, trace_id, 0 if known is None else known.generation + 1)
            self._standing[partition, trace_id] = known
            self.handles[known] = handle
        assert known is not None, f"{trace_id} was never opened"
        assert self.handles.get(known) == handle, f"{known} is called {handle}, not {self.handles.get(known)}"
        return known

    def displaced(self) -> list[Key]:
        """Return the traces that others of their id have displaced."""
        return [key for key in self.handles if self._standing[key[:2]] != key]

    def drop(self, key: Key) -> None:
        """Let the engine forget a trace; a later one of its id is a new one."""
        self.engine.drop_many([self.handles.pop(key)])

    def judge(self, keys: Sequence[Key], closing: Closing, opened_ns: int | None) -> list[bytes]:
        """Return the verdict codes of some traces."""
        return self.engine.judge([Asked(self.handles[key], closing, opened_ns) for key in keys])

    def move(self, engine: TraceEngine, at_once: int) -> int:
        """Carry all traces over to another engine of the same program, so many of a partition at once; return their number."""
        assert engine.layout == self.engine.layout, "two engines of the same rules differ in their layout"
        states = dict(zip(self.handles, self.engine.export_many(list(self.handles.values())), strict=True))
        assert all(state[:16].hex() == key.trace_id for key, state in states.items()), "a state does not begin with its trace's id"
        self.engine = engine
        for partition in {key.partition for key in states}:
            own = [key for key in states if key.partition == partition]
            for start in range(0, len(own), at_once):
                some = own[start : start + at_once]
                self.handles.update(zip(some, engine.load_many(partition, [states[key] for key in some]), strict=True))
        assert len(set(self.handles.values())) == len(self.handles), "two traces that were loaded share a handle"
        return len(states)


class _BrokenUnread(Exception):  # noqa: N818 - no error of anybody
    """A damaged record is broken where no rule reads: the engine judges what the reference refuses, so there is nothing more to compare."""


# A span, a group or a record that cannot be read: the reference engine reads all of it, the engine what its rules read.
_UNREAD = frozenset({"malformed", "too_deep", "bad_value", "truncated"})


def _lacking(refused: dict[int, dict[str, int]], found: dict[int, dict[str, int]]) -> set[str]:
    """Return the reasons by which less was refused."""
    return {
        reason for record, counted in refused.items() for reason, count in counted.items() if found.get(record, {}).get(reason, 0) < count
    }


def _plain(taken: Taken) -> dict[int, dict[str, int]]:
    return {record: {str(reason): count for reason, count in sorted(counted.items())} for record, counted in taken.refused.items()}


def compare(example: Example, make_engine: MakeEngine, mode: Mode) -> Tally:
    """Play the example on the reference and on an engine; raises Disagreement at the first answer that differs."""
    reference = ReferenceTraceEngine(example.rule_set, example.skew_tolerance_ns, example.offender_count_max)
    comparison = _Comparison(example, mode, make_engine, Side(reference))
    try:
        comparison.play()
    except _BrokenUnread:
        comparison.tally.unread += 1
    return comparison.tally


class _Comparison:
    """Plays one example on two engines."""

    def __init__(self, example: Example, mode: Mode, make_engine: MakeEngine, reference: Side) -> None:
        self.example = example
        self.mode = mode
        self.make_engine = make_engine
        self.rules = example.rule_set.enabled
        self.reference = reference
        self.tally = Tally(examples=1)
        self.asking: tuple[Closing, int | None] = (Closing.COMPLETE, None)
        with self._named(None, "making the engine"):
            self.subject = Side(make_engine(example, mode))

    def play(self) -> None:
        """Take every step, ask after each, and ask for everything in the end."""
        for number, step in enumerate(self.example.steps):
            if number == self.example.move_before:
                with self._named(None, "moving to another engine"):
                    self.tally.moved += self.subject.move(self._other_engine(number), self.example.move_at_once)
            if number == self.example.drop_before:
                self._drop(list(self.reference.handles)[::2])
            self._take(number, step)
        live = list(self.reference.handles)
        self._finish(live)
        self._copies(live)
        self._drop(live)

    def _other_engine(self, number: int) -> TraceEngine:
        """Return an engine that holds traces of its own, with other handles and texts, some of them free again."""
        engine = self.make_engine(self.example, self.mode)
        handles = [
            touch.handle
            for step in reversed(self.example.steps[:number])
            for touch in engine.take(step.partition + _STRANGE_PARTITIONS, batch_of(step.records), self.example.policy).touches
            if touch.opened
        ]
        for handle in handles[::2]:
            engine.drop_many([handle])
        return engine

    def _take(self, number: int, step: Step) -> None:
        expected, refused = self.reference.take(step, step.partition, self.example)
        where = f"step {number}"
        with self._named(None, where):
            found, found_refused = self.subject.take(step, step.partition, self.example)
        if _lacking(refused, found_refused) and _lacking(refused, found_refused) <= _UNREAD:
            raise _BrokenUnread
        self._equal(None, f"{where}: what became of the spans", expected, found)
        self._equal(None, f"{where}: what was refused", refused, found_refused)
        self.tally.refused += sum(count for counted in refused.values() for count in counted.values())
        self._ask(list(self.reference.handles), Closing.OPEN, None)
        self._retire(self.reference.displaced())

    def _retire(self, displaced: Sequence[Key]) -> None:
        """What other traces of their ids displaced is judged once more and dropped, as the flow does."""
        if displaced:
            self._finish(displaced)
            self._drop(displaced)

    def _finish(self, keys: Sequence[Key]) -> None:
        self.tally.pairs += len(keys)
        for key in keys:
            expected = self.reference.engine.facts(self.reference.handles[key])
            with self._named(key, "facts"):
                found = self.subject.engine.facts(self.subject.handles[key])
            self._equal(key, "facts", expected, found)
        for opened_ns in _moments(self.rules):
            for closing in Closing:
                self._ask(keys, closing, opened_ns)

    def _ask(self, keys: Sequence[Key], closing: Closing, opened_ns: int | None) -> None:
        self.asking = closing, opened_ns
        expected = self.reference.judge(keys, closing, opened_ns)
        asking = f"closing {closing}, opened {opened_ns}"
        with self._named(None, asking):
            found = self.subject.judge(keys, closing, opened_ns)
        self._equal(None, f"{asking}: answers", len(expected), len(found))
        for key, of_reference, of_subject in zip(keys, expected, found, strict=True):
            self._equal(key, f"{asking}: verdicts of {[rule.id for rule in self.rules]}", _words(of_reference), _words(of_subject))
            self.tally.verdicts.update(_words(of_reference))
            for index, verdict in enumerate(_words(of_reference)):
                if verdict in _EVIDENT:
                    self._explain(key, index, closing, opened_ns)

    def _explain(self, key: Key, index: int, closing: Closing, opened_ns: int | None) -> None:
        rule = self.rules[index]
        expected = self.reference.engine.explain(Asked(self.reference.handles[key], closing, opened_ns), index)
        asking = f"closing {closing}, opened {opened_ns}: evidence of {rule.id}"
        with self._named(key, asking):
            found = self.subject.engine.explain(Asked(self.subject.handles[key], closing, opened_ns), index)
        for what, of_reference, of_subject in zip(_PARTS, _parts(expected, rule), _parts(found, rule), strict=True):
            self._equal(key, f"{asking}: {what}", of_reference, of_subject)
        self.tally.explained += 1

    def _drop(self, keys: Sequence[Key]) -> None:
        for key in keys:
            self.reference.drop(key)
            with self._named(key, "dropping"):
                self.subject.drop(key)

    def _copies(self, live: Sequence[Key]) -> None:
        """The same records in other partitions give the same verdicts; the first copy is compared in the reference's stead."""
        if self.example.copy_count == 0 or self.example.drop_before is not None:
            return
        expected = self.reference.judge(live, Closing.COMPLETE, None)
        for copy in range(1, self.example.copy_count + 1):
            with self._named(None, f"copy {copy}"):
                self._play_copy(copy * _COPY_PARTITIONS)
                twins = [key._replace(partition=key.partition + copy * _COPY_PARTITIONS) for key in live]
                found = self.subject.judge(twins, Closing.COMPLETE, None)
            for key, of_reference, of_subject in zip(live, expected, found, strict=True):
                self._equal(key, f"copy {copy}: verdicts", _words(of_reference), _words(of_subject))

    def _play_copy(self, offset: int) -> None:
        for step in self.example.steps:
            self.subject.take(step, step.partition + offset, self.example)
            for key in self.subject.displaced():
                self.subject.drop(key)

    @contextmanager
    def _named(self, key: Key | None, where: str) -> Iterator[None]:
        """Whatever an engine raises is a disagreement: no input may make it raise."""
        try:
            yield
        except Exception as error:
            raise self._disagreement(key, f"{where}: the engine raised {type(error).__name__}", "an answer", str(error)) from error

    def _equal(self, key: Key | None, what: str, expected: object, found: object) -> None:
        # By their text: 1, 1.0 and true differ, NaN is itself, and so is -0.0.
        if repr(expected) != repr(found):
            raise self._disagreement(key, what, repr(expected), repr(found))

    def _disagreement(self, key: Key | None, what: str, expected: str, found: str) -> Disagreement:
        lines = [f"{what}{'' if key is None else f' of {key}'} ({self.mode.name})", f"  expected: {expected}", f"  found:    {found}"]
        if key is not None and (spans := self._spans(key)):
            lines.append(case_text(self.example, spans, *self.asking))
        return Disagreement("\n".join(lines), self.example)

    def _spans(self, key: Key) -> list[Span]:
        engine = self.reference.engine
        assert isinstance(engine, ReferenceTraceEngine)
        handle = self.reference.handles.get(key)
        return [] if handle is None else list(engine._traces[handle].spans.values())


def _words(codes: bytes) -> list[Verdict]:
    return [VERDICTS[code] for code in codes]


def _moments(rules: Sequence[Rule]) -> list[int | None]:
    """When a trace may have opened: unknown, and on both sides of where an exception expires."""
    expiries = sorted({exception.expires_ns for rule in rules for exception in rule.exceptions if exception.expires_ns is not None})
    return [None, *(moment for expires_ns in expiries for moment in (expires_ns - 1, expires_ns))]


_PARTS = ("rule and verdict", "clauses", "offenders", "offender count", "comparisons", "exception")


def _parts(judgement: Judgement, rule: Rule) -> tuple[object, ...]:
    return (
        (judgement.rule_id, judgement.verdict),
        judgement.clauses,
        [_offender(span, rule) for span in judgement.offenders],
        judgement.offender_count,
        judgement.comparisons,
        judgement.exception,
    )


def _offender(span: compiler_trace.Span, rule: Rule) -> tuple[object, ...]:
    """What a violation record says of an offender."""
    times = (span.start_ns, span.end_ns) if compiler_trace.has_times(span) else None
    return span.span_id, span.name, service_name(span), times, evidence(span, rule.text)
