"""Late spans, early verdicts, and the records that follow from them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from processor import metrics as m
from processor.closing import ClosingPolicy
from tests.processor.played import NEEDS_CHECK, NO_BYPASS, Played, rules, span
from topics.violation import CloseReason, violation_id

pytestmark = pytest.mark.usefixtures("engine")

EARLY = ClosingPolicy(early_verdicts=True)


def test_a_violation_is_raised_once_as_revision_one() -> None:
    played = Played()
    played.arrive(0, span("charge", 1))
    played.mark(30)
    played.mark(31)
    (record,) = played.records
    assert (record.revision, record.change, record.verdict, record.early) == (1, "raised", "violated", False)
    assert record.clauses == ("always",)
    assert record.trace.close_reason is CloseReason.IDLE


def test_violations_are_counted_by_rule_severity_mode_and_change() -> None:
    played = Played(rules(NO_BYPASS, NEEDS_CHECK.replace("evidence:", "severity: high\n    mode: shadow\n    evidence:")))
    played.arrive(0, span("charge", 1), span("bypass", 2))
    played.mark(30)
    played.arrive(40, span("check", 3))
    played.mark(40)
    assert {key[1:]: count for key, count in played.tally.counts.items() if key[0] == m.VIOLATIONS.name} == {
        ("no-bypass", "medium", "enforce", "raised"): 1,
        ("no-bypass", "medium", "enforce", "updated"): 1,
        ("needs-check", "high", "shadow", "raised"): 1,
        ("needs-check", "high", "shadow", "withdrawn"): 1,
    }


def test_a_late_span_that_mends_the_trace_withdraws_the_violation() -> None:
    played = Played()
    played.arrive(0, span("charge", 1))
    played.mark(30)
    played.arrive(40, span("check", 2))
    played.mark(40)
    raised, withdrawn = played.records
    assert (withdrawn.id, withdrawn.revision, withdrawn.change, withdrawn.verdict) == (raised.id, 2, "withdrawn", "satisfied")
    assert withdrawn.offenders == ()
    assert played.tally.count(m.VERDICTS_MOVED, "needs-check", "violated", "satisfied") == 1


def test_a_late_span_that_changes_what_is_said_updates_the_violation() -> None:
    played = Played()
    played.arrive(0, span("charge", 1))
    played.mark(30)
    played.arrive(40, span("charge", 2))
    played.mark(40)
    raised, updated = played.records
    assert (updated.id, updated.revision, updated.change, updated.offender_count) == (raised.id, 2, "updated", 2)
    assert updated.input.last_offset == 1


def test_a_late_span_that_breaks_the_rule_raises_the_violation_then() -> None:
    played = Played(rules(NO_BYPASS))
    played.arrive(0, span("charge", 1))
    played.mark(30)
    assert played.words == ["satisfied"]
    played.arrive(40, span("bypass", 2))
    played.mark(41)
    (record,) = played.records
    assert (record.revision, record.change, record.decided_at) == (1, "raised", "2023-11-14T22:14:01.000000000Z")


def test_a_violation_withdrawn_can_be_raised_again_as_the_next_revision() -> None:
    text = """
rules:
  - id: even
    rule: |
      never { count(charge) == 1 or count(charge) == 3 }
"""
    played = Played(rules(text))
    for second, number in ((0, 1), (40, 2), (50, 3)):
        played.arrive(second, span("charge", number))
        played.mark(second + 30 if second == 0 else second)
    assert [(it.revision, it.change) for it in played.records] == [(1, "raised"), (2, "withdrawn"), (3, "raised")]


def test_redelivered_spans_revise_nothing() -> None:
    played = Played()
    played.arrive(0, span("charge", 1))
    played.mark(30)
    played.arrive(40, span("charge", 1))
    played.mark(40)
    assert len(played.said) == 1
    assert played.tally.count(m.SPANS_REDELIVERED) == 1


def test_a_redelivered_span_with_other_content_is_counted_and_the_first_stands(engine: str) -> None:
    played = Played()
    played.arrive(0, span("charge", 1))
    played.arrive(1, span("check", 1))
    played.drain(2)
    assert played.words == ["violated"]
    # Only who keeps whole spans can tell that they differ.
    assert played.tally.count(m.SPANS_DIFFERING if engine == "reference" else m.SPANS_REDELIVERED) == 1


def test_a_violation_is_said_early_by_default() -> None:
    played = Played(rules(NO_BYPASS))
    played.arrive(0, span("bypass", 1))
    played.mark(0)
    assert [record.early for record in played.records] == [True]


def test_open_traces_are_not_asked_about_where_no_rule_can_be_violated_early(monkeypatch: pytest.MonkeyPatch) -> None:
    played = Played(rules(NEEDS_CHECK))
    engine = played.partition.judging.engine

    def asked(*_: object) -> list[bytes]:
        raise AssertionError("asked")

    with monkeypatch.context() as patch:
        patch.setattr(engine, "judge", asked)
        played.arrive(0, span("charge", 1))
        played.mark(0)
    played.drain(1)
    assert played.words == ["violated"]


@pytest.mark.parametrize(("expires", "is_early"), [("", False), (", expires: 2020-01-01", True), (", expires: 2030-01-01", False)])
def test_an_exception_that_has_expired_delays_no_early_verdict(expires: str, *, is_early: bool) -> None:
    text = f"""
rules:
  - id: no-bypass
    rule: never {{ bypass }}
    exceptions: [{{name: known, when: count(drill) > 1, owner: sre, reason: known{expires}}}]
  - id: checked
    rule: when {{ charge }} always {{ check }}
"""
    played = Played(rules(text))
    played.arrive(0, span("bypass", 1))
    played.mark(0)
    assert [record.early for record in played.records] == [True] * is_early
    played.drain(1)
    assert {record.rule.id for record in played.records} == {"no-bypass"}


def test_no_early_verdict_is_said_where_that_is_turned_off() -> None:
    played = Played(rules(NO_BYPASS), replace(EARLY, early_verdicts=False))
    played.arrive(0, span("bypass", 1))
    played.mark(0)
    assert played.said == []


def test_a_violation_decided_while_the_trace_is_open_is_said_at_once_and_completed_at_close() -> None:
    played = Played(rules(NO_BYPASS), EARLY)
    played.arrive(0, span("bypass", 1))
    played.mark(0)
    played.mark(1)
    (early,) = played.records
    assert (early.revision, early.early, early.trace.close_reason, early.trace.complete) == (1, True, None, False)
    played.arrive(2, span("bypass", 2))
    played.mark(2)
    assert len(played.records) == 1
    played.mark(32)
    final = played.records[1]
    assert (final.revision, final.change, final.early, final.offender_count) == (2, "updated", False, 2)
    assert final.id == early.id


def test_what_is_not_decided_is_not_said_early() -> None:
    played = Played(policy=EARLY)
    played.arrive(0, span("charge", 1))
    played.mark(0)
    assert played.said == []


def test_the_record_tells_trace_offenders_evidence_and_input() -> None:
    played = Played()
    played.arrive(0, span("checkout", 9, parent=None))
    played.arrive(1, span("charge", 1, attributes={"amount": 5, "customer": "ann", "card": "4711"}))
    played.drain(2)
    (record,) = played.records
    assert record.id == violation_id("needs-check", played.rule_set["needs-check"].version, f"{1:032x}", 0, 0)
    assert (record.rule.severity, record.rule.mode, record.rule.fingerprint) == ("medium", "enforce", played.rule_set.fingerprint)
    assert (record.trace.root_name, record.trace.root_service, record.trace.span_count) == ("checkout", "shop", 2)
    assert (record.trace.orphan_count, record.trace.complete) == (1, True)
    (offender,) = record.offenders
    assert (offender.name, offender.start_offset_ns, offender.duration_ns) == ("charge", 0, 500_000)
    assert offender.attributes == {"amount": 5, "customer": "***", "region": "eu"}
    assert (record.input.topic, record.input.first_offset, record.input.last_offset) == ("otlp_spans", 0, 1)


def test_redaction_meets_an_attribute_however_the_evidence_names_it() -> None:
    text = NEEDS_CHECK.replace("[amount, customer, region]", "[span.customer, resource.region]").replace(
        "{customer: mask}", "{customer: hash}"
    )
    played = Played(rules(text))
    played.arrive(0, span("charge", 1, attributes={"customer": "ann"}))
    played.drain(1)
    assert played.records[0].offenders[0].attributes == {"resource.region": "eu"}


def test_text_that_is_no_utf8_is_shown_with_replacement_characters() -> None:
    played = Played()
    played.arrive(0, span("charge", 1, attributes={"amount": b"\xff\xfe".decode("utf-8", "surrogateescape")}))
    played.drain(1)
    assert played.records[0].offenders[0].attributes["amount"] == "\ufffd\ufffd"


def test_every_rule_of_the_set_says_its_own_verdict() -> None:
    played = Played(rules(NEEDS_CHECK, NO_BYPASS))
    played.arrive(0, span("charge", 1), span("bypass", 2))
    played.drain(1)
    assert played.words == ["violated", "violated", "violated"]
    assert [(record.rule.id, record.early) for record in played.records] == [
        ("no-bypass", True),
        ("needs-check", False),
        ("no-bypass", False),
    ]


def test_judging_a_trace_again_with_nothing_new_says_nothing_again() -> None:
    played = Played()
    played.arrive(0, span("charge", 1))
    played.mark(30)
    played.partition.judging.revise([played.said[0].trace], played.at(40))
    assert len(played.records) == 1


def test_a_late_span_counts_even_when_its_trace_is_displaced_before_the_next_mark() -> None:
    played = Played()
    played.arrive(0, span("charge", 1))
    played.mark(30)
    played.arrive(40, span("check", 2))
    played.arrive(400, span("other", 3))
    assert [record.change for record in played.records] == ["raised", "withdrawn"]
