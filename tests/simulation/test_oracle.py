"""The oracle sees each single thing that is not as it must be."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from processor.engines import EngineName
from tests.simulation import play as playing
from tests.simulation.batch import traces_of_log
from tests.simulation.broker import BrokenPromiseError, InputLog
from tests.simulation.oracle import Evidence, judge
from tests.simulation.scenario import POLICY, Scenario
from tests.simulation.statements import statement_of
from tests.simulation.uninterrupted import valid_records
from tests.simulation.world import World
from topics.dead_letter import DeadLetter
from topics.journal import Checkpoint, Fence, Limits, Standing, encode
from topics.violation import Violation

LIMITS = Limits(
    root_grace_ns=POLICY.root_grace_ns,
    idle_timeout_ns=POLICY.idle_timeout_ns,
    max_age_ns=POLICY.max_age_ns,
    closed_retention_ns=POLICY.closed_retention_ns,
    timestamp_skew_max_ns=POLICY.timestamp_skew_max_ns,
    span_count_max=POLICY.span_count_max,
    early_verdicts=POLICY.early_verdicts,
)
SECOND_NS = 1_000_000_000


def at_rest(seed: int = 0, profile: str = "plain") -> Evidence:
    """Return a run without a fault of the core, with something of everything in it."""
    scenario = Scenario(seed, profile, EngineName.REFERENCE)
    world = World(scenario.setting())
    for _ in range(scenario.profile.steps):
        world.do(scenario.next(world))
    evidence = world.come_to_rest()
    world.close()
    compared = judge(evidence)
    assert min(compared.records, compared.statements, compared.states, compared.batch) > 0
    return evidence


def _say_nothing(evidence: Evidence) -> None:
    last = evidence.broker.statements[-1].ce_id
    evidence.broker.statements[:] = [one for one in evidence.broker.statements if one.ce_id != last]


def _say_more(evidence: Evidence) -> None:
    last = evidence.broker.statements[-1]
    evidence.broker.statements.append(last.model_copy(update={"revision": last.revision + 5}))


def _say_else(evidence: Evidence) -> None:
    for place, one in enumerate(evidence.broker.statements):
        evidence.broker.statements[place] = one.model_copy(update={"offender_count": one.offender_count + 1})


def _count_more(evidence: Evidence) -> None:
    def more(record: Checkpoint) -> Checkpoint:
        (first, *others) = record.counts
        return record.model_copy(update={"counts": (first.model_copy(update={"violated": first.violated + 1}), *others)})

    _change_last(evidence, lambda record: bool(record.counts), more)


def _name_another(evidence: Evidence) -> None:
    def unchained(record: Checkpoint) -> Checkpoint:
        assert record.previous is not None
        return record.model_copy(update={"previous": record.previous.model_copy(update={"hash": "0" * 32})})

    _change_last(evidence, lambda record: record.previous is not None, unchained)


def _keep_too_little(evidence: Evidence) -> None:
    _change_last(
        evidence, lambda record: record.previous is not None, lambda record: record.model_copy(update={"rebuild_offset": 1_000_000})
    )


def _stand_elsewhere(evidence: Evidence) -> None:
    def moved(standing: Standing) -> Standing:
        return standing.model_copy(update={"time_ns": standing.time_ns + 1})

    _change_last(evidence, lambda _record: True, lambda record: record.model_copy(update={"standing": moved(record.standing)}))


def _change_last(evidence: Evidence, is_wanted: Callable[[Checkpoint], bool], change: Callable[[Checkpoint], Checkpoint]) -> None:
    for log in evidence.broker.journal.logs.values():
        found = [one for one in valid_records(log) if is_wanted(one.record)]
        if found:
            log[found[-1].offset] = encode(change(found[-1].record))
            return


def _remember_else(evidence: Evidence) -> None:
    for one in evidence.seen:
        for trace_id, state in one.traces.items():
            one.traces[trace_id] = state._replace(last_ns=state.last_ns + 1)


def _commit_too_much(evidence: Evidence) -> None:
    for key in evidence.broker.keys:
        evidence.broker.committed[key] = evidence.broker.logs[key].end + 1


def _leave_something(evidence: Evidence) -> None:
    evidence.broker.logs[evidence.broker.keys[0]].append([(0, 0)], evidence.broker.now_ns, gap=0, key=0)


def _bury_more(evidence: Evidence) -> None:
    evidence.broker.letters.append(DeadLetter("malformed", "otlp_spans", 0, 0, None, b""))


@pytest.mark.parametrize(
    ("harm", "finding"),
    [
        (_say_nothing, "never said"),
        (_say_more, "invented"),
        (_say_else, "statement"),
        (_count_more, "counts"),
        (_name_another, "follows"),
        (_keep_too_little, "cannot be said again"),
        (_stand_elsewhere, "standing"),
        (_remember_else, "traces of the worker"),
        (_commit_too_much, "committed"),
        (_leave_something, "read at rest"),
        (_bury_more, "dead letters"),
    ],
)
def test_one_thing_that_is_not_as_it_must_be_is_found(harm: Callable[[Evidence], None], finding: str) -> None:
    evidence = at_rest()
    harm(evidence)
    with pytest.raises(BrokenPromiseError, match=finding):
        judge(evidence)


def test_a_revision_that_is_said_twice_must_be_the_same() -> None:
    evidence = at_rest()
    last = evidence.broker.statements[-1]
    evidence.broker.deliver(last)
    with pytest.raises(BrokenPromiseError, match="one revision with two contents"):
        evidence.broker.deliver(last.model_copy(update={"offender_count": last.offender_count + 1}))


def test_a_run_that_the_world_cannot_end_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(World, "_is_at_rest", lambda _world: False)
    assert "does not come to rest" in playing.play(0, "plain", EngineName.REFERENCE).error


def test_what_the_core_raises_is_a_finding_with_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_record: Violation) -> bytes:
        raise ValueError("broken")

    monkeypatch.setattr(Violation, "canonical_json", broken)
    assert "ValueError: broken" in playing.play(0, "plain", EngineName.REFERENCE).error


def test_only_records_whose_epoch_is_the_newest_fence_count() -> None:
    def record(epoch: int) -> bytes:
        standing = Standing(position=0, time_ns=0, program="0" * 16, limits=LIMITS)
        return encode(
            Checkpoint(
                epoch=epoch, marks=(), counts=(), standing=standing, rebuild_offset=0, journal_from=-1, first_offset=0, last_offset=-1
            )
        )

    fence = encode(Fence(worker=""))
    log = [fence, record(0), fence, record(0), record(2), b"{}", record(2), fence, record(2), record(7)]
    assert [one.offset for one in valid_records(log)] == [1, 4, 6, 9]


def test_the_batch_run_begins_a_trace_anew_after_its_retention_only() -> None:
    log = InputLog(0)
    for second in (0, 8, 17, 9, 26):
        log.append([(0, second)], second * SECOND_NS, gap=0, key=0)
    # 17 is more than 8 after 8; 9 comes late, to the trace of 17; 26 is more than 8 after 17.
    assert [(one.first_offset, len(one.spans)) for one in traces_of_log(log.records, LIMITS)] == [(0, 2), (2, 2), (4, 1)]


def test_a_statement_reads_the_same_from_a_record_and_from_its_json() -> None:
    record = at_rest().broker.statements[0]
    again = Violation.model_validate_json(json.dumps(record.model_dump(mode="json")))
    assert statement_of(again) == statement_of(record)
