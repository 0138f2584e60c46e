"""A result is a function of the log and the marks: whoever obeys the same marks stands at the same place."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processor.closing import SECOND_NS, ClosingPolicy
from tests.processor.logs import KEY, Log, Owner
from tests.processor.played import NEEDS_CHECK, NO_BYPASS, rules, span
from topics.journal import Checkpoint, Mark, encode, read_entry

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.usefixtures("engine")

SMALL = ClosingPolicy(
    root_grace_ns=1 * SECOND_NS,
    idle_timeout_ns=3 * SECOND_NS,
    max_age_ns=12 * SECOND_NS,
    closed_retention_ns=8 * SECOND_NS,
    timestamp_skew_max_ns=2 * SECOND_NS,
    early_verdicts=True,
)


def shown(owner: Owner) -> dict[str, Any]:
    """All that decides what an owner will say, but the engine's own state."""
    traces = owner.owner.traces
    return {
        "time": owner.owner.time.now_ns,
        "program": traces.judging.program_id,
        "policy": traces.policy,
        "lost until": traces.lost_until_ns,
        "shed level": traces.shedding.level,
        "traces": [
            (
                *(
                    it.trace_id,
                    it.judging.program_id,
                    it.log,
                    it.first_offset,
                    it.first_record_ns,
                    it.last_record_ns,
                    it.last_new_span_ns,
                    it.last_offset,
                ),
                *(it.root_seen, it.scattered, it.state_lost, it.over_limit_ns, it.close_reason, it.verdicts, it.handle < 0),
                sorted((index, said.revision, said.digest, said.stands) for index, said in it.said.items()),
            )
            for it in traces.traces.values()
        ],
    }


def strip(log: Log, field: str) -> None:
    """Let the journal's marks know nothing of a field."""
    values = log.journal.logs[KEY]
    for offset, value in enumerate(values):
        entry = read_entry(value)
        if isinstance(entry, Checkpoint):
            plain = tuple(mark.model_copy(update={field: type(mark).model_fields[field].default}) for mark in entry.marks)
            values[offset] = encode(entry.model_copy(update={"marks": plain, "previous": None}))


def _clamped() -> tuple[Log, Owner]:
    log = Log(policy=SMALL)
    owner = log.own()
    log.append(3_600, span("charge", 1))
    owner.read()
    return log, owner


def _drained() -> tuple[Log, Owner]:
    log = Log(policy=SMALL)
    owner = log.own()
    log.append(0, span("charge", 1))
    owner.read()
    owner.handler.drain()
    return log, owner


def _evicted() -> tuple[Log, Owner]:
    log = Log(policy=SMALL)
    owner = log.own()
    log.append(0, span("charge", 1), span("check", 2))
    log.append(1, span("charge", 3, of=2))
    owner.read(1)
    owner.handler.evict(KEY, 1)
    owner.read(1)
    return log, owner


def _cut() -> tuple[Log, Owner]:
    log = Log(policy=SMALL, wall_s=30)
    owner = log.own()
    for second in range(0, 26, 2):
        log.append(second, span("bypass", second + 1))
        owner.read()
    return log, owner


def _by_other_rules() -> tuple[Log, Owner]:
    log = Log(policy=SMALL)
    owner = log.own()
    log.append(0, span("charge", 1))
    owner.read()
    log.put_in_force("00000000000000bb", rules(NO_BYPASS))
    owner.checkpoint()
    log.append(1, span("bypass", 2, of=2))
    owner.read()
    return log, owner


def _by_other_limits() -> tuple[Log, Owner]:
    """What the successor is set to is not what was in force then."""
    log = Log(policy=SMALL)
    owner = log.own()
    log.append(0, span("charge", 1))
    log.append(4, span("charge", 2, of=2))
    owner.read()
    log.policy = replace(SMALL, idle_timeout_ns=5 * SECOND_NS)
    return log, owner


def _with_state_lost() -> tuple[Log, Owner]:
    log = Log(policy=SMALL, committed=0)
    owner = log.own()
    log.append(0, span("charge", 1))
    owner.read()
    return log, owner


def _shed() -> tuple[Log, Owner]:
    log = Log(policy=SMALL)
    owner = log.own()
    log.append(0, span("charge", 1))
    owner.read()
    owner.handler.shed(KEY, 256)
    owner.owner.mark(0)
    log.append(1, span("charge", 2, of=2))
    owner.read()
    return log, owner


STORIES: dict[str, Callable[[], tuple[Log, Owner]]] = {
    "clamp_ns": _clamped,
    "drain": _drained,
    "evict_before": _evicted,
    "cut": _cut,
    "program": _by_other_rules,
    "limits": _by_other_limits,
    "lost_until_ns": _with_state_lost,
    "shed_level": _shed,
}


def _successor(log: Log) -> Owner:
    owner = log.own()
    owner.read()
    return owner


def test_each_field_of_a_mark_has_its_story() -> None:
    assert STORIES.keys() == Mark.model_fields.keys() - {"position", "time_ns"}


@pytest.mark.parametrize("field", STORIES)
def test_a_replay_obeys_the_marks_and_without_what_they_say_it_would_stand_elsewhere(field: str) -> None:
    log, owner = STORIES[field]()
    owner.checkpoint()
    stood = shown(owner)
    assert any(getattr(mark, field) for _, value in enumerate(log.journal.logs[KEY]) for mark in getattr(read_entry(value), "marks", ()))
    log.records[owner.position :] = []
    assert shown(_successor(log)) == stood
    strip(log, field)
    other: object
    try:
        other = shown(_successor(log))
    except Exception as error:  # noqa: BLE001 - a mark that says too little may well break a replay
        other = error
    assert other != stood


steps = st.lists(
    st.tuples(
        st.sampled_from(["record", "record", "record", "checkpoint", "idle", "evict", "rules", "shed"]),
        st.sampled_from([0.0, 0.5, 2.0, 4.0, 9.0]),
        st.integers(1, 3),
        st.sampled_from(["charge", "check", "bypass"]),
        st.sampled_from([0.0, 0.0, 1.5, 30.0]),
    ),
    min_size=1,
    max_size=30,
)


@settings(deadline=None)
@given(steps)
def test_whoever_takes_the_partition_stands_where_its_owner_stood(some: list[tuple[str, float, int, str, float]]) -> None:
    log = Log(rules(NEEDS_CHECK, NO_BYPASS), SMALL)
    owner = log.own()
    second = 0.0
    for number, (what, gap, of, name, late) in enumerate(some, 1):
        second += gap
        log.wall_s = second
        if what == "record":
            log.append(second - late, span(name, number, of=of, parent=None if number % 3 == 0 else 99))
            owner.read()
        elif what == "evict":
            owner.handler.evict(KEY, len(log.records) // 2)
        elif what == "shed":
            owner.handler.shed(KEY, (0, 100, 200, 256)[number % 4])
        elif what == "rules":
            log.put_in_force(f"{number:016x}", rules(NO_BYPASS, NEEDS_CHECK))
        else:
            owner.checkpoint()
    owner.checkpoint()
    stood, said = shown(owner), [it.canonical_json() for it in log.outbox.sent]
    successor = _successor(log)
    assert shown(successor) == stood
    successor.checkpoint()
    repeated = [it.canonical_json() for it in log.outbox.sent][len(said) :]
    assert repeated == said[len(said) - len(repeated) :]
