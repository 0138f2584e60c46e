"""The judge of the storms finds what is wrong: a sound run has no complaint, and each thing done to what it wrote has its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from processor.closing import SECOND_NS
from tests.e2e.judgement import Limits, Written, is_quiet, judge
from tests.e2e.topic_logs import Committed, Found
from tests.processor.logs import KEY, PROGRAM_ID, Log
from tests.processor.played import span
from topics.journal import Checkpoint, Fence, encode, read_entry
from topics.violation import Change, SaidVerdict, read_violation

LIMITS = Limits(30 * SECOND_NS, 300 * SECOND_NS, 60 * SECOND_NS)
RETENTION_S = 300


def written() -> tuple[Log, Written]:
    """What a worker wrote that died behind its first record, and its successor, of traces one of which came again when it was forgotten."""
    log = Log()
    log.append(0, span("bypass", 1))
    log.append(1, span("charge", 2, of=2))
    log.append(2, span("work", 3))
    log.append(3, span("charge", 2, of=2))
    first = log.own()
    first.read()
    first.idle(35)
    first.idle(36)
    log.append(100, span("check", 4, of=2), span("bypass", 5, of=2))
    log.append(100 + RETENTION_S + 1, span("bypass", 6))
    log.wall_s = 100 + RETENTION_S + 1
    second = log.own()
    second.read()
    second.idle(450)
    second.idle(900)
    journal = _journal(log)
    said = [Found(0, offset, 0, b"", record.canonical_json()) for offset, record in enumerate(log.outbox.sent)]
    commits = [Committed(KEY.topic, 0, log.committed or 0, log.at(len(journal)))]
    return log, Written(_spans(log), journal, said, commits)


def _journal(log: Log) -> list[Found]:
    return [Found(0, offset, log.at(offset), None, value) for offset, value in enumerate(log.journal.logs[KEY])]


def _spans(log: Log) -> list[Found]:
    return [Found(0, record.offset, record.timestamp_ns or 0, record.key, record.value) for record in log.records]


def sorts(log: Log, what: Written) -> set[str]:
    return {complaint.sort for complaint in judge(what, {PROGRAM_ID: log.rule_set}, LIMITS, {}).complaints}


def test_a_sound_run_has_no_complaint() -> None:
    log, what = written()
    judged = judge(what, {PROGRAM_ID: log.rule_set}, LIMITS, {})
    assert judged.complaints == []
    assert (judged.figures["traces"], judged.figures["violations"], judged.figures["fences"]) == (3, 3, 2)
    assert judged.figures["last committed"] == len(what.spans)


def _without_a_violation(what: Written) -> Written:
    lost = read_violation(what.violations[-1].value).id
    return replace(what, violations=[found for found in what.violations if read_violation(found.value).id != lost])


def _with_an_invented_violation(what: Written) -> Written:
    invented = read_violation(what.violations[0].value).model_copy(update={"id": "0" * 32})
    return replace(what, violations=[*what.violations, what.violations[0]._replace(value=invented.canonical_json())])


def _withdrawn(what: Written) -> Written:
    last = read_violation(what.violations[-1].value)
    withdrawn = last.model_copy(update={"revision": last.revision + 1, "change": Change.WITHDRAWN, "verdict": SaidVerdict.SATISFIED})
    return replace(what, violations=[*what.violations, what.violations[-1]._replace(value=withdrawn.canonical_json())])


def _of_another_content(what: Written) -> Written:
    last = read_violation(what.violations[-1].value)
    other = last.model_copy(update={"revision": last.revision + 1, "change": Change.UPDATED, "offender_count": 7})
    return replace(what, violations=[*what.violations, what.violations[-1]._replace(value=other.canonical_json())])


def _said_at_another_time(what: Written) -> Written:
    again = read_violation(what.violations[0].value).model_copy(update={"decided_at": "2026-01-01T00:00:00.000000000Z"})
    return replace(what, violations=[what.violations[0]._replace(value=again.canonical_json()), *what.violations])


def _counted_twice(what: Written) -> Written:
    def doubled(found: Found) -> Found:
        entry = read_entry(found.value)
        if not isinstance(entry, Checkpoint):
            return found
        return found._replace(value=encode(entry.model_copy(update={"counts": (*entry.counts, *entry.counts)})))

    return replace(what, journal=[doubled(found) for found in what.journal])


def _with_a_link_left_out(what: Written) -> Written:
    linked = [found for found in what.journal if isinstance(read_entry(found.value), Checkpoint)]
    return replace(what, journal=[found for found in what.journal if found is not linked[-2]])


def _committed_too_far(what: Written) -> Written:
    early = next(found for found in what.journal if isinstance(read_entry(found.value), Checkpoint))
    return replace(what, commits=[Committed(KEY.topic, 0, 1, early.timestamp_ns), *what.commits])


@pytest.mark.parametrize(
    ("done", "complaint"),
    [
        (_without_a_violation, "lost"),
        (_with_an_invented_violation, "invented"),
        (_withdrawn, "lost"),
        (_of_another_content, "different"),
        (_said_at_another_time, "contents"),
        (_counted_twice, "counts"),
        (_with_a_link_left_out, "chain"),
        (_committed_too_far, "commits"),
    ],
)
def test_what_is_wrong_is_found(done: Callable[[Written], Written], complaint: str) -> None:
    log, what = written()
    assert complaint in sorts(log, done(what))


def test_a_trace_that_its_next_life_displaced_is_not_remembered() -> None:
    log = Log()
    log.append(0, span("bypass", 1))
    log.append(1, span("work", 2, of=2))
    owner = log.own()
    owner.read()
    owner.idle(40)
    unread = len(log.journal.logs[KEY])
    # Later than a record that still belongs to the trace, and sooner than it would be forgotten for its age.
    log.append(RETENTION_S + 1, span("bypass", 3))
    log.wall_s = RETENTION_S + 1
    owner.read()
    owner.idle(RETENTION_S + 1)
    journal = _journal(log)
    assert log.committed == 1
    right = Written(_spans(log), journal, [], [Committed(KEY.topic, 0, 1, log.at(len(journal)))])
    assert "commits" not in sorts(log, right)
    too_soon = replace(right, commits=[Committed(KEY.topic, 0, 1, log.at(unread - 1))])
    assert "commits" in sorts(log, too_soon)


def test_it_is_quiet_when_whoever_owns_the_partition_has_closed_all_behind_its_own_fence() -> None:
    _, what = written()
    spans = {0: what.spans}
    assert is_quiet({0: what.journal}, spans, LIMITS)
    assert not is_quiet({}, spans, LIMITS)
    assert not is_quiet({0: what.journal[:-2]}, spans, LIMITS)
    fence = what.journal[-1]._replace(offset=len(what.journal), value=encode(Fence(worker="w")))
    assert not is_quiet({0: [*what.journal, fence]}, spans, LIMITS)
    assert not is_quiet({0: what.journal}, {0: [*what.spans, what.spans[-1]._replace(offset=len(what.spans))]}, LIMITS)
