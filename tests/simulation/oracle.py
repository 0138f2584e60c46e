"""What must be true when a run has come to rest, whatever happened on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from processor.record import PartitionKey
from tests.simulation.batch import check_against_batch
from tests.simulation.broker import POISON, BrokenPromiseError, Broker
from tests.simulation.honesty import check_losses
from tests.simulation.programs import PROGRAM_COUNT, rule_set
from tests.simulation.statements import Statement, greatest, statement_of
from tests.simulation.uninterrupted import STATE_LOST_NS, CountKey, Uninterrupted, ValidRecord, valid_records

if TYPE_CHECKING:
    from tests.simulation.worker import Seen

_RULE_SETS = {rule_set(number).fingerprint[:16]: rule_set(number) for number in range(PROGRAM_COUNT)}
_LOSSES = ("traces_evicted", "traces_state_lost", "traces_shed", "records_shed")
_COUNTED = ("satisfied", "violated", "excused", "inconclusive", "not_applicable")


@dataclass(frozen=True, slots=True)
class Evidence:
    """A run at rest: what lies outside, what the workers were seen to remember. `is_orderly`: clocks and stamps kept to what is allowed."""

    broker: Broker
    seen: Sequence[Seen]
    is_orderly: bool


@dataclass
class Compared:
    """How much was there to be compared: a run without anything proves nothing."""

    records: int = 0
    statements: int = 0
    states: int = 0
    batch: int = 0
    lost: int = 0
    evicted: int = 0
    drained: int = 0

    def add(self, other: Compared) -> None:
        self.records += other.records
        self.statements += other.statements
        self.states += other.states
        self.batch += other.batch
        self.lost += other.lost
        self.evicted += other.evicted
        self.drained += other.drained


def judge(evidence: Evidence) -> Compared:
    """Raise BrokenPromiseError where anything is not as it must be; return how much was compared."""
    compared = Compared()
    published = [(record.input.partition, record.id, statement_of(record)) for record in evidence.broker.statements]
    for key in evidence.broker.keys:
        own = [(violation, statement) for partition, violation, statement in published if partition == key.partition]
        _judge_partition(evidence, key, own, compared)
    _check_letters(evidence.broker)
    return compared


def _judge_partition(evidence: Evidence, key: PartitionKey, published: Sequence[tuple[str, Statement]], compared: Compared) -> None:
    broker = evidence.broker
    log = broker.logs[key].records
    journals = [*broker.journals_before[key], broker.journal.logs[key]]
    placed = [(number, record) for number, journal in enumerate(journals) for record in valid_records(journal)]
    records = [record for _, record in placed]
    run = Uninterrupted(key.partition, log, _RULE_SETS)
    seen: dict[tuple[int, int], list[Seen]] = {}
    for one in evidence.seen:
        if one.key == key:
            seen.setdefault((one.generation, one.offset), []).append(one)
    counted: Counter[CountKey] = Counter()
    previous: ValidRecord | None = None
    low_before = last_began = 0
    unsaid: set[tuple[str, int]] = set()
    for number, record in placed:
        is_loss = _begins_with_nothing(record)
        if not is_loss:
            _check_chain(record, previous)
        else:
            # Whoever decided it last may have died before it was said, and nobody can find out what it was.
            unsaid |= {(violation, statement.revision) for violation, statement in run.statements[last_began:]}
        last_began = len(run.statements)
        before, losses_before = Counter(run.counts), Counter(run.losses)
        for mark in record.record.marks:
            run.obey(mark)
        counts = _counts(record)
        _same(f"{key.partition}: record {record.offset} counts", counts, _difference(run.counts, before))
        lost = {name: getattr(record.record, name) for name in _LOSSES}
        _same(f"{key.partition}: record {record.offset} losses", lost, {name: run.losses[name] - losses_before[name] for name in _LOSSES})
        counted.update(counts)
        if previous is not None and not is_loss and record.record.rebuild_offset > low_before:
            raise BrokenPromiseError(f"{key.partition}: record {record.offset} cannot be said again from {record.record.rebuild_offset}")
        _check_states(run, record, seen.get((number, record.offset), ()), compared)
        previous, low_before = record, run.low_watermark
    _check_rest(broker, key, run)
    told = {(violation, statement.revision) for violation, statement in published}
    _check_statements(key, published, [it for it in run.statements if (it[0], it[1].revision) not in unsaid - told])
    marks = [mark for record in records for mark in record.record.marks]
    compared.evicted += sum(mark.evict_before is not None for mark in marks)
    compared.drained += sum(mark.drain for mark in marks)
    compared.records += len(records)
    compared.statements += len(run.statements)
    compared.lost += sum(life.is_lost for life in run.begun)
    if evidence.is_orderly:
        check_losses(broker, key, records, run)
    if evidence.is_orderly and _is_plain(records):
        assert run.limits is not None
        rules = _RULE_SETS[run.program]
        totals = {of: count for of, count in counted.items() if count}
        compared.batch += check_against_batch(key.partition, log, rules, run.limits, greatest(published), totals)


def _begins_with_nothing(record: ValidRecord) -> bool:
    return any(mark.lost_until_ns == STATE_LOST_NS for mark in record.record.marks)


def _check_chain(record: ValidRecord, previous: ValidRecord | None) -> None:
    """Raise where a record does not name the valid one before it, or what it says of its input does not follow on."""
    named = record.record.previous
    told = None if named is None else (named.offset, named.hash)
    if told != (None if previous is None else (previous.offset, previous.hash)):
        raise BrokenPromiseError(f"record {record.offset} follows {told}, before it stands {None if previous is None else previous.offset}")
    if previous is not None and record.record.first_offset != previous.record.last_offset + 1:
        raise BrokenPromiseError(f"record {record.offset} begins at {record.record.first_offset}, read until {previous.record.last_offset}")


def _check_states(run: Uninterrupted, record: ValidRecord, seen: Sequence[Seen], compared: Compared) -> None:
    """Raise where a worker, by work or by recovery, stood otherwise behind this record than the uninterrupted run."""
    standing = record.record.standing
    place = f"record {record.offset}"
    _same(f"{place}: standing", (standing.position, standing.time_ns, standing.program), (run.position, run.time_ns, run.program))
    _same(f"{place}: limits", standing.limits, run.limits)
    _same(f"{place}: shed level", standing.shed_level, run.shed_level)
    states = run.states() if seen else {}
    for one in seen:
        _same(f"{place}: place of the worker", (one.position, one.time_ns), (run.position, run.time_ns))
        _same(f"{place}: traces of the worker", one.traces, states)
        compared.states += 1


def _check_rest(broker: Broker, key: PartitionKey, run: Uninterrupted) -> None:
    _same(f"{key.partition}: read at rest", run.position, broker.logs[key].end)
    still_open = [life.trace_id for life in run.lives.values() if life.reason is None]
    if still_open:
        raise BrokenPromiseError(f"{key.partition}: open at rest: {still_open}")
    if broker.committed.get(key, 0) > run.low_watermark:
        raise BrokenPromiseError(f"{key.partition}: committed {broker.committed[key]}, needed from {run.low_watermark}")


def _check_statements(key: PartitionKey, published: Sequence[tuple[str, Statement]], wanted: Sequence[tuple[str, Statement]]) -> None:
    """Raise where what readers have is not what the uninterrupted run said, or changes for no reason."""
    own = {(violation, statement.revision): statement for violation, statement in published}
    true = {(violation, statement.revision): statement for violation, statement in wanted}
    for missing in sorted(true.keys() - own.keys()):
        raise BrokenPromiseError(f"{key.partition}: never said: {missing}: {true[missing]}")
    for invented in sorted(own.keys() - true.keys()):
        raise BrokenPromiseError(f"{key.partition}: invented: {invented}: {own[invented]}")
    for place, statement in sorted(own.items()):
        _same(f"{key.partition}: statement {place}", statement, true[place])
        after = own.get((place[0], place[1] + 1))
        if after is None or after.body["verdict"] == statement.body["verdict"] or after.body["span_count"] > statement.body["span_count"]:
            continue
        if after.body["complete"] == statement.body["complete"]:
            raise BrokenPromiseError(f"{key.partition}: the verdict of {place} changes without another span")


def _check_letters(broker: Broker) -> None:
    """Raise where a record that nobody can read is not among the dead letters, or another one is."""
    dead = {(letter.partition, letter.offset) for letter in broker.letters}
    true = {(log.number, record.offset) for log in broker.logs.values() for record in log.records if record.value == POISON}
    gone = {
        (log.number, record.offset)
        for key, log in broker.logs.items()
        if key in broker.losses
        for record in log.records
        if record.offset < log.first
    }
    # As of statements: whoever read it may have died before it was said, and the loss hides what its record decided.
    unsaid = {
        (key.partition, offset)
        for key, log in broker.journal.logs.items()
        for before, after in pairwise(valid_records(log))
        if _begins_with_nothing(after)
        for offset in range(before.record.first_offset, before.record.last_offset + 1)
    }
    _same("dead letters", dead - gone - unsaid, true - gone - unsaid)


def _is_plain(records: Sequence[ValidRecord]) -> bool:
    """Say whether nothing was decided that the batch run does not know of."""
    marks = [mark for record in records for mark in record.record.marks]
    changes = [mark for mark in marks if mark.program is not None or mark.limits is not None]
    special = [mark for mark in marks if mark.clamp_ns is not None or mark.evict_before is not None or mark.cut or mark.shed_level]
    lost = any(_begins_with_nothing(record) for record in records)
    return len(changes) == 1 and changes[0].position == 0 and not special and not lost


def _counts(record: ValidRecord) -> dict[CountKey, int]:
    found = {}
    for counts in record.record.counts:
        for word in _COUNTED:
            amount: int = getattr(counts, word)
            if amount:
                found[counts.rule, counts.version, word] = amount
    return found


def _difference(after: Mapping[CountKey, int], before: Mapping[CountKey, int]) -> dict[CountKey, int]:
    return {key: count - before.get(key, 0) for key, count in after.items() if count != before.get(key, 0)}


def _same(what: str, found: object, wanted: object) -> None:
    if found != wanted:
        raise BrokenPromiseError(f"{what}: {found}, the uninterrupted run: {wanted}")
