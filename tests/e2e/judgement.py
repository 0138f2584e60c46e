"""Whether what workers wrote is what they had to write, read off the topics alone."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from processor.finite import RuleCounts, judge_finite
from processor.inputs import InputRecord
from processor.reference_traces import ReferenceTraceEngine
from tests.conformance.test_shop import DEFECT_BY_RULE, labels
from tests.e2e.stage import last_revisions, substance
from topics.journal import Checkpoint, Fence, Placed, read_entry, valid
from topics.otlp import detected
from topics.violation import read_violation

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from compiler import RuleSet
    from tests.e2e.topic_logs import Committed, Found

_SHOWN_MAX = 5

RuleVersion: TypeAlias = tuple[str, str]


class Complaint(NamedTuple):
    """Something that must not be: of which sort, and what."""

    sort: str
    text: str


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a trace's life, by which the storm's workers were set."""

    idle_timeout_ns: int
    closed_retention_ns: int
    timestamp_skew_max_ns: int


@dataclass(frozen=True, slots=True)
class Written:
    """All that stands on the topics, each in the order of its partitions."""

    spans: Sequence[Found]
    journal: Sequence[Found]
    violations: Sequence[Found]
    commits: Sequence[Committed]


class Life(NamedTuple):
    """A trace from its first record to its last; a record after `closed_retention` begins another life of it."""

    trace_id: str
    partition: int
    records: Sequence[Found]


@dataclass(frozen=True, slots=True)
class Judged:
    """What a storm comes to."""

    complaints: Sequence[Complaint]
    figures: Mapping[str, int]


def judge(written: Written, programs: Mapping[str, RuleSet], limits: Limits, origins: Mapping[str, str]) -> Judged:
    """Compare what was written with what finite runs say of the same records, each taken once.

    A trace is judged by the one of these programs that the journal names before its first record.
    """
    lives = _lives(written.spans, limits)
    records = by_partition(written.journal)
    expected = _Expected(lives, records, programs)
    complaints = [
        *_of_the_labels(expected, _whole(origins, lives)),
        *_of_the_view(written.violations, expected),
        *_of_the_contents(written.violations),
        *_of_the_counts(records, expected.counts),
        *_of_the_chain(records),
        *_of_the_commits(written, lives, limits),
    ]
    entries = Counter(type(read_entry(found.value)).__name__ for found in written.journal)
    figures = {
        "records": len(written.spans),
        "traces": len(lives),
        "programs": len(expected.programs),
        "violations": len(expected.said),
        "violation records": len(written.violations),
        "said again": len(written.violations) - len({found.value for found in written.violations}),
        "fences": entries[Fence.__name__],
        "journal records": entries[Checkpoint.__name__],
        "void": entries[Checkpoint.__name__] - sum(map(len, records.values())),
        "commits": len(written.commits),
        "last committed": sum(_last_commits(written.commits).values()),
    }
    return Judged(complaints, figures)


def by_partition(journal: Iterable[Found]) -> dict[int, list[Placed]]:
    """Return the records that count of each partition of a journal."""
    found: dict[int, list[tuple[int, bytes]]] = defaultdict(list)
    for record in journal:
        found[record.partition].append((record.offset, record.value))
    return {partition: list(valid(entries)) for partition, entries in found.items()}


def is_quiet(journal: Mapping[int, Sequence[Found]], spans: Mapping[int, Sequence[Found]], limits: Limits) -> bool:
    """Whether all input has been read, every trace has closed, and who owns a partition has said so behind its fence."""
    return all(_is_partition_quiet(journal.get(partition, ()), records, limits) for partition, records in spans.items())


def _is_partition_quiet(journal: Sequence[Found], spans: Sequence[Found], limits: Limits) -> bool:
    entries = [(found.offset, found.value) for found in journal]
    last = list(valid(entries))[-1:]
    fences = [found.offset for found in journal if isinstance(read_entry(found.value), Fence)]
    if not last or not spans or last[0].record.epoch != fences[-1]:
        return False
    standing = last[0].record.standing
    closed_ns = max(found.timestamp_ns for found in spans) + limits.idle_timeout_ns
    return standing.position > spans[-1].offset and standing.time_ns >= closed_ns


class _Expected:
    """What finite runs say: `said` by violation id, `counts` and `violated` traces by rule."""

    def __init__(self, lives: Sequence[Life], records: Mapping[int, Sequence[Placed]], programs: Mapping[str, RuleSet]) -> None:
        self.said: dict[str, dict[str, object]] = {}
        self.counts: dict[RuleVersion, RuleCounts] = defaultdict(RuleCounts)
        self.violated: dict[str, set[str]] = defaultdict(set)
        changes = {partition: _program_changes(placed) for partition, placed in records.items()}
        # A finite run takes all records of a trace for one life: each further life of a trace is judged in a run of its own.
        runs: dict[tuple[str, int], list[Found]] = defaultdict(list)
        seen: Counter[str] = Counter()
        for life in lives:
            program = _program_of(life, changes.get(life.partition, ()))
            runs[program, seen[life.trace_id]] += _each_once(life.records)
            seen[life.trace_id] += 1
        self.programs = {program for program, _ in runs}
        for (program, _), found in runs.items():
            self._judge(found, programs[program])

    def _judge(self, records: Sequence[Found], rule_set: RuleSet) -> None:
        outcome = judge_finite([_input(found) for found in records], ReferenceTraceEngine(rule_set))
        for record in outcome.records:
            self.said[record.id] = substance(record)
            self.violated[record.rule.id].add(record.trace.id)
        for rule in rule_set.enabled:
            _add(self.counts[rule.id, rule.version], outcome.counts[rule.id])


def _program_changes(placed: Iterable[Placed]) -> list[tuple[int, str]]:
    """Return from which offset on which program judged the traces that began."""
    marks = (mark for one in placed for mark in one.record.marks)
    return [(mark.position, mark.program) for mark in marks if mark.program is not None]


def _program_of(life: Life, changes: Sequence[tuple[int, str]]) -> str:
    first_offset = life.records[0].offset
    return next((program for position, program in reversed(changes) if position <= first_offset), "")


def _lives(spans: Sequence[Found], limits: Limits) -> list[Life]:
    by_trace: dict[str, list[Found]] = defaultdict(list)
    for found in spans:
        assert found.key is not None
        by_trace[found.key.decode()].append(found)
    lives = []
    for trace_id, records in by_trace.items():
        life: list[Found] = []
        for found in records:
            if life and found.timestamp_ns - life[-1].timestamp_ns > limits.closed_retention_ns:
                lives.append(Life(trace_id, life[0].partition, life))
                life = []
            life.append(found)
        lives.append(Life(trace_id, life[0].partition, life))
    return sorted(lives, key=lambda life: life.records[0][:2])


def _each_once(records: Sequence[Found]) -> list[Found]:
    """Return the records without those that came before; what a span says a second time counts for nothing."""
    first: dict[bytes, Found] = {}
    for found in records:
        first.setdefault(found.value, found)
    return list(first.values())


def _input(found: Found) -> InputRecord:
    return InputRecord("spans", found.partition, found.offset, found.timestamp_ns, found.key, (), found.value, detected(found.value), 0)


def _add(to: RuleCounts, more: RuleCounts) -> None:
    to.satisfied += more.satisfied
    to.violated += more.violated
    to.excused += more.excused
    to.inconclusive += more.inconclusive


def _whole(origins: Mapping[str, str], lives: Sequence[Life]) -> dict[str, str]:
    """Return the traces that were not torn in two by a broker that was away for too long."""
    torn = Counter(life.trace_id for life in lives)
    return {fresh: origin for fresh, origin in origins.items() if torn[fresh] == 1}


def _of_the_labels(expected: _Expected, origins: Mapping[str, str]) -> list[Complaint]:
    """Find where the finite run and those who made the recording do not agree: then the storm proves nothing."""
    defects = {label["trace_id"]: label["defect"] for label in labels()}
    complaints = []
    for rule_id, defect in DEFECT_BY_RULE.items():
        wanted = {fresh for fresh, origin in origins.items() if defects[origin] == defect}
        found = expected.violated[rule_id] & origins.keys()
        if found != wanted:
            complaints.append(Complaint("labels", f"{rule_id}: {_some(found ^ wanted)}"))
    return complaints


def _of_the_view(violations: Sequence[Found], expected: _Expected) -> list[Complaint]:
    view = {key: substance(record) for key, record in last_revisions([read_violation(found.value) for found in violations]).items()}
    complaints = []
    lost, invented = expected.said.keys() - view.keys(), view.keys() - expected.said.keys()
    if lost:
        complaints.append(Complaint("lost", f"{len(lost)} violations: {_some(expected.said[key] for key in lost)}"))
    if invented:
        complaints.append(Complaint("invented", f"{len(invented)} violations: {_some(view[key] for key in invented)}"))
    differing = [key for key in view.keys() & expected.said.keys() if view[key] != expected.said[key]]
    if differing:
        pairs = [f"{view[key]} instead of {expected.said[key]}" for key in differing]
        complaints.append(Complaint("different", f"{len(differing)} violations: {_some(pairs)}"))
    return complaints


def _of_the_contents(violations: Sequence[Found]) -> list[Complaint]:
    """Find ids, with their revisions, that were said with two contents, be it but one byte."""
    bodies: dict[str, set[bytes]] = defaultdict(set)
    for found in violations:
        bodies[read_violation(found.value).ce_id].add(found.value)
    several = {ce_id: said for ce_id, said in bodies.items() if len(said) > 1}
    return [Complaint("contents", f"{len(several)} ids have several: {_some(several.items())}")] if several else []


def _of_the_counts(records: Mapping[int, Sequence[Placed]], expected: Mapping[RuleVersion, RuleCounts]) -> list[Complaint]:
    found: dict[RuleVersion, RuleCounts] = defaultdict(RuleCounts)
    for placed in (placed for some in records.values() for placed in some):
        for counts in placed.record.counts:
            _add(found[counts.rule, counts.version], RuleCounts(counts.satisfied, counts.violated, counts.excused, counts.inconclusive))
    wrong = [
        f"{rule}: {found[rule]} instead of {expected.get(rule)}"
        for rule in found.keys() | expected.keys()
        if found[rule] != expected.get(rule, RuleCounts())
    ]
    return [Complaint("counts", f"{len(wrong)} rules: {_some(wrong)}")] if wrong else []


def _of_the_chain(records: Mapping[int, Sequence[Placed]]) -> list[Complaint]:
    """Find records that count and do not name the one before."""
    complaints = []
    for partition, placed in records.items():
        before: Placed | None = None
        for one in placed:
            previous = one.record.previous
            named = None if previous is None else (previous.offset, previous.hash)
            if named != (None if before is None else (before.offset, before.hash)):
                complaints.append(Complaint("chain", f"partition {partition}: the record at {one.offset} names {named} before it"))
            before = one
    return complaints


def _of_the_commits(written: Written, lives: Sequence[Life], limits: Limits) -> list[Complaint]:
    """Find commits beyond the first record of a trace that was still remembered by the newest record that counted then.

    A trace is remembered until its time is over, or the first record of its next life has been read.
    """
    appended_ns = {(found.partition, found.offset): found.timestamp_ns for found in written.journal}
    standings: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
    for partition, placed in by_partition(written.journal).items():
        standings[partition] = [
            (appended_ns[partition, one.offset], one.record.standing.time_ns, one.record.standing.position) for one in placed
        ]
    remembered_ns = limits.closed_retention_ns + limits.timestamp_skew_max_ns
    displaced_at = _displaced_at(lives)
    complaints = []
    for commit in written.commits:
        before = [(time_ns, position) for at_ns, time_ns, position in standings[commit.partition] if at_ns <= commit.timestamp_ns]
        now_ns, position = max(before, default=(0, 0))
        passed = [
            life.trace_id
            for life, next_offset in zip(lives, displaced_at, strict=True)
            if life.partition == commit.partition
            and life.records[0].offset < commit.offset
            and life.records[-1].timestamp_ns + remembered_ns > now_ns
            and next_offset >= position
        ]
        if passed:
            complaints.append(Complaint("commits", f"{commit} is beyond {len(passed)} remembered traces: {_some(passed)}"))
    return complaints


def _displaced_at(lives: Sequence[Life]) -> list[float]:
    """Return of each life, given in order, the offset at which the next life of its trace begins; infinite where none does."""
    later: dict[str, int] = {}
    found: list[float] = []
    for life in reversed(lives):
        found.append(later.get(life.trace_id, inf))
        later[life.trace_id] = life.records[0].offset
    return found[::-1]


def _last_commits(commits: Sequence[Committed]) -> dict[int, int]:
    return {commit.partition: commit.offset for commit in commits}


def _some(items: Iterable[object]) -> str:
    shown = [str(item)[:1_000] for item in items]
    return "; ".join(shown[:_SHOWN_MAX]) + (" …" if len(shown) > _SHOWN_MAX else "")
