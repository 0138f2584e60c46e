"""Why a rule says what it says: of every verdict, and never anything but what the reference engine found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from compiler import INSTANT_NS, Closing, TraceView, Verdict
from compiler.judge import judge
from compiler.why import why
from tests.conformance.case import JudgeCase, load_cases
from tests.conformance.run_judge import closing_of, compiled, view_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from compiler import Rule
    from compiler.reason import Reason
    from compiler.why import Why

CASES = [case for case in load_cases() if isinstance(case, JudgeCase)]
SHOP = """
shop  0ms..90ms  service=shop
  charge  10ms..30ms  amount=5000 currency=USD order=A
  charge  40ms..50ms  amount=50 order=B
  check  20ms..60ms  order=C
"""


def reasons(answer: Why) -> Iterator[Reason]:
    pending = [reason for instance in answer.instances for reason in instance.parts.values()]
    pending += [*answer.exceptions.values(), *([answer.none_bound] if answer.none_bound else [])]
    while pending:
        reason = pending.pop()
        yield reason
        pending += reason.parts


def rule_of(text: str, **others: object) -> Rule:
    rule_set = compiled(None, [{"id": "r", "rule": text, **others}])
    assert not isinstance(rule_set, list), rule_set
    return rule_set.rules[0]


def asked(text: str, trace: str = SHOP, closing: Closing = Closing.COMPLETE, **others: object) -> Why:
    view = view_of(trace)
    assert isinstance(view, TraceView)
    return why(rule_of(text, **others), view, closing)


def parts(answer: Why) -> Mapping[str, Reason]:
    assert len(answer.instances) == 1
    return answer.instances[0].parts


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.label)
def test_of_every_case_the_reasons_are_those_of_the_verdict(case: JudgeCase) -> None:
    rule_set = compiled(case.let, case.entries())
    assert not isinstance(rule_set, list)
    for expectation in case.traces:
        view = view_of(expectation.trace)
        assert isinstance(view, TraceView)
        closing = closing_of(expectation, view)
        for rule in rule_set.enabled:
            answer = why(rule, view, closing)
            assert answer.verdict is judge(rule, view, closing, opened_ns=None).verdict
            assert answer.instances or answer.none_bound or rule.program.for_each, "no word of why"
            assert sum(answer.counts.values()) == 1 or rule.program.for_each
            for reason in reasons(answer):
                assert reason.text
                assert reason.found or reason.note or reason.span_count or reason.parts, f"{reason.text} is {reason.truth}: and why?"
                assert reason.truth is True or not reason.span_count or reason.is_near or reason.found or reason.note or reason.parts


def test_where_the_head_is_not_true_it_alone_is_told() -> None:
    answer = asked("when { charge.where(amount > 9000) } always { check }")
    assert answer.verdict is Verdict.NOT_APPLICABLE
    assert list(parts(answer)) == ["when"]
    (test,) = parts(answer)["when"].parts
    assert (test.text, test.truth) == ("amount > 9000", False)
    assert [(found.text, found.value) for found in test.found] == [("amount", 5000)]


def test_the_nearest_span_is_the_one_of_which_most_is_true() -> None:
    answer = asked("never { charge.where(amount < 100 and order == A and currency == EUR) }")
    nearest = parts(answer)["never"]
    assert nearest.is_near
    assert nearest.span_count == 2
    assert [span.attributes["order"] for span in nearest.spans] == ["A"]
    assert [(part.text, part.truth) for part in nearest.parts] == [("amount < 100", False), ('currency == "EUR"', False)]


def test_a_missing_attribute_is_told_from_one_with_another_value() -> None:
    answer = asked("never { charge.where(order == B and currency == USD) }", SHOP.replace("order=A", ""))
    (missed,) = parts(answer)["never"].parts
    assert (missed.truth, missed.found[0].value) == (None, None)


def test_a_name_that_no_span_has_suggests_the_one_that_is_near() -> None:
    assert parts(asked("always { chrage }"))["always"].note == "no span is named `chrage`: did you mean `charge`?"


def test_a_name_that_occurs_in_another_trace_is_not_misspelt() -> None:
    answer = why(rule_of("always { chrage }"), view_of(SHOP), Closing.COMPLETE, occurring={"chrage"})  # type: ignore[arg-type]  # a view
    assert parts(answer)["always"].note == "there is no `chrage` in this trace"


def test_a_name_of_another_trace_is_suggested_too() -> None:
    answer = why(rule_of("always { refnud }"), view_of(SHOP), Closing.COMPLETE, occurring={"refund"})  # type: ignore[arg-type]  # a view
    assert parts(answer)["always"].note == "no span is named `refnud`: did you mean `refund`?"


@pytest.mark.parametrize(
    "rule", ["always { chrage and charge }", "when { charge } always { chrage }", "for each charge as c always { chrage }"]
)
def test_a_name_that_the_rule_uses_itself_is_never_suggested(rule: str) -> None:
    notes = {reason.note for reason in reasons(asked(rule)) if reason.missing_span}
    assert notes == {"there is no `chrage` in this trace"}


def test_names_that_are_only_alike_are_not_taken_for_each_other() -> None:
    answer = asked("always { fraud.check }", SHOP.replace("check", "auth.check"))
    assert parts(answer)["always"].note == "there is no `fraud.check` in this trace"


def test_of_a_violation_only_the_clauses_that_failed_are_told() -> None:
    answer = asked("always { check } never { charge.where(amount > 1000) }")
    assert answer.verdict is Verdict.VIOLATED
    assert list(parts(answer)) == ["never"]
    assert [span.name for span in parts(answer)["never"].spans] == ["charge"]


REFUNDED = """
shop  0ms..90ms  service=shop
  charge  1ms..3ms  key=P0 currency=USD
  charge  4ms..8ms  key=P1 currency=USD
  refund  10ms..20ms  key=P1 currency=EUR
"""


def test_of_a_span_that_must_not_be_the_values_of_both_sides_are_told() -> None:
    answer = asked("for each refund as r never { charge.where(key == r.key and currency != r.currency) }", REFUNDED)
    never = answer.instances[0].parts["never"]
    assert [span.start_ns for span in never.spans] == [INSTANT_NS + 4_000_000]
    assert [(part.text, [found.value for found in part.found]) for part in never.parts] == [
        ("key == r.key", ["P1", "P1"]),
        ("currency != r.currency", ["USD", "EUR"]),
    ]


def test_of_several_such_spans_the_tests_of_the_first_are_told_and_of_or_the_true_sides() -> None:
    reason = parts(asked("never { charge.where(key == P0 or currency == EUR or currency == USD) }", REFUNDED))["never"]
    assert (reason.span_count, reason.note) == (2, "the tests are those of the first span")
    (either,) = reason.parts
    assert [(part.text, part.found[0].value) for part in either.parts] == [('key == "P0"', "P0"), ('currency == "USD"', "USD")]


def test_of_a_relation_that_holds_the_partner_is_told_with_what_joins_them() -> None:
    rule = "never { refund.where(currency == EUR) after charge.where(currency == USD) on key during shop }"
    test, after, during = parts(asked(rule, REFUNDED))["never"].parts
    assert (test.text, test.found[0].value) == ('currency == "EUR"', "EUR")
    assert ([span.start_ns for span in after.spans], after.found[0].value) == ([INSTANT_NS + 4_000_000], "P1")
    assert [part.text for part in after.parts] == ['currency == "USD"']
    assert ([span.name for span in during.spans], during.parts) == (["shop"], ())


@pytest.mark.parametrize(
    ("relation", "missed", "note"),
    [
        ("check before charge", "before", "check ends 20ms after charge starts"),
        ("charge after check", "after", "charge starts 20ms before check ends"),
        ("check during charge", "during", "check starts 20ms outside of charge"),
        ("charge.where(amount > 100) during check", "during", "charge starts 10ms outside of check"),
        ("charge under check", "under", "charge is a child of shop"),
        ("shop child of check", "child of", "shop has no parent"),
        ("charge.where(order == A) overlaps charge.where(order == B)", "overlaps", "they are 10ms apart"),
    ],
)
def test_of_a_relation_the_nearest_pair_says_what_it_misses(relation: str, missed: str, note: str) -> None:
    (link,) = parts(asked(f"always {{ {relation} }}"))["always"].parts
    assert link.is_near
    assert [(part.text, part.note) for part in link.parts] == [(missed, note)]


def test_on_and_within_are_told_with_their_values() -> None:
    answer = asked("always { charge before charge on order within 5ms }")
    (link,) = parts(answer)["always"].parts
    within, on = link.parts
    assert (within.text, within.found[0].value.ns) == ("within 5ms", 10_000_000)  # type: ignore[union-attr]  # a duration
    assert [found.value for found in on.found] == ["A", "B"]


def test_a_chain_breaks_where_its_first_neighbour_from_behind_is_missing() -> None:
    answer = asked("always { charge before check under refund }")
    (missing,) = parts(answer)["always"].parts
    assert (missing.text, missing.note) == ("refund", "there is no `refund` in this trace")


def test_a_span_is_in_no_relation_to_itself() -> None:
    (link,) = parts(asked("always { check before check }"))["always"].parts
    assert link.note == "the only span would have to stand in this relation to itself"


def test_all_names_the_spans_it_is_not_true_of() -> None:
    reason = parts(asked("always { charge.all(amount > 1000) }"))["always"]
    assert reason.note == "not true of 1 of 2"
    assert [span.attributes["amount"] for span in reason.spans] == [50]
    assert [found.value for found in reason.parts[0].found] == [50]


def test_groups_that_decide_are_told_with_their_values() -> None:
    reason = parts(asked("always { every sum(charge.amount by order) > 1000 }"))["always"]
    assert reason.note == "true of 1 of 2 groups"
    assert [(part.text, part.found[0].value) for part in reason.parts] == [("order = B", 50)]


def test_without_a_group_it_says_so() -> None:
    reason = parts(asked("always { every sum(charge.amount by customer) > 1000 }"))["always"]
    assert reason.note == "there is no group: no span has a value at customer"


def test_each_instance_of_for_each_is_told_and_counted() -> None:
    answer = asked("for each charge as c always { check.where(order == c.order) }")
    assert answer.counts == {Verdict.VIOLATED: 2}
    assert [one.span.attributes["order"] for one in answer.instances if one.span] == ["A", "B"]


def test_where_for_each_selects_nothing_it_says_why() -> None:
    answer = asked("for each charge.where(amount > 9000) as c always { check }")
    assert answer.verdict is Verdict.NOT_APPLICABLE
    assert answer.none_bound is not None
    assert answer.none_bound.parts[0].text == "amount > 9000"


def test_an_incomplete_trace_says_that_spans_may_be_missing() -> None:
    answer = asked("always { refund }", closing=Closing.INCOMPLETE)
    assert answer.verdict is Verdict.INCONCLUSIVE
    assert parts(answer)["always"].truth is None
    assert answer.notes == ("spans may be missing: what has not been seen may yet have been there",)


def test_a_rule_that_requires_a_complete_trace_says_what_is_missing() -> None:
    answer = asked("always { refund }", "a 0ms..5ms orphan", requires="complete")
    assert answer.notes[0] == (
        "the rule requires a complete trace, and this one is not: it has no root and 1 of its spans have a parent that is not there"
    )


def test_an_exception_that_excuses_is_told() -> None:
    exceptions = [{"name": "test traffic", "when": "charge.where(order == A)", "owner": "sre", "reason": "a test", "expires": "2030-01-01"}]
    answer = asked("never { charge }", exceptions=exceptions)
    assert answer.verdict is Verdict.EXCUSED
    assert {name: reason.truth for name, reason in answer.exceptions.items()} == {"test traffic": True}


def test_an_event_that_comes_nearest_is_told() -> None:
    trace = "a 0ms..5ms event(exception, at=1ms, kind=io) event(retry, at=2ms)"
    reason = parts(asked("never { a.where(event(event:name == exception and kind == db)) }", trace))["never"]
    (event,) = reason.parts
    assert event.note == "the nearest of 2 events"
    assert [part.text for part in event.parts[0].parts] == ['kind == "db"']
