"""What the compiler tells of a rule beside its verdicts: demand set, class, state (rule-language.md section 9)."""

from __future__ import annotations

import json

import pytest

from compiler import RuleClass, RuleReport, SourceFile, compile_sources


def report_of(rule: str, **entry: object) -> RuleReport:
    content = json.dumps({"rules": [{"id": "rule", "rule": rule, **entry}]})
    compilation = compile_sources([SourceFile("rules.yaml", content.encode())])
    assert compilation.rule_set is not None, compilation.errors
    return compilation.rule_set["rule"].report


EARLY, AT_ONCE, CLOSE = RuleClass.EARLY_VIOLATION, RuleClass.EARLY_SATISFACTION, RuleClass.AT_CLOSE


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("never { a }", EARLY),
        ("never { a before b }", EARLY),
        ("never { count(a) > 5 }", EARLY),
        ("never { 5 < count(a) }", EARLY),
        ("never { distinct(a.x) >= 5 or max(a.x) > 5 or min(a.x) < 5 }", EARLY),
        ("never { trace:duration > 5s }", EARLY),
        ("never { trace:spanCount > 100 or trace:serviceCount > 3 }", EARLY),
        ("always { count(a) < 5 }", EARLY),
        ("always { count(a) == 5 }", EARLY),
        ("always { a.all(x) }", EARLY),
        ("when { a } never { b }", EARLY),
        ("when { not c.all(x) } never { b }", EARLY),
        ("for each a as p never { b.where(x == p.x) }", EARLY),
        ("never { some count(a by k) > 5 }", EARLY),
        ("always { every count(a by k) < 5 }", EARLY),
        ("when { a } always { b } never { c }", EARLY),
        ("always { a }", AT_ONCE),
        ("always { count(a) > 5 }", AT_ONCE),
        ("always { a before b or c }", AT_ONCE),
        ("when { a } always { b }", AT_ONCE),
        ("never { a.all(x) }", AT_ONCE),
        ("when { count(a) < 5 } always { b.all(x) }", AT_ONCE),
        ("always { sum(a.x) > 5 }", CLOSE),
        ("never { avg(a.x) > 5 }", CLOSE),
        ("always { count(a) == count(b) }", CLOSE),
        ("always { trace:rootName == checkout }", CLOSE),
        ("when { not a } never { b }", AT_ONCE),
        ("for each a as p always { b.where(x == p.x) }", CLOSE),
    ],
)
def test_the_class_of_a_rule_is_when_it_can_be_decided_first(rule: str, expected: RuleClass) -> None:
    assert report_of(rule).rule_class is expected


def test_the_demand_set_names_every_field_a_rule_reads_and_no_other() -> None:
    report = report_of(
        "when { payment.where(amount > 1000 and resource.env == prod) }"
        " always { fraud_check before payment }"
        " never { root.where(span:status == error and event(event:name == retry and n > 3)) or trace:duration > 5s }"
    )
    assert {demanded.split()[-1] for demanded in report.demand} == {
        "amount",
        "env",
        "span:name",
        "span:parentID",
        "span:startTime",
        "span:endTime",
        "span:status",
        "event:name",
        "n",
        "trace:duration",
    }


def test_the_demand_set_tells_scopes_apart() -> None:
    report = report_of("never { span.where(env == a) or span.where(resource.env == a) or span.where(scope.env == a) }")
    assert len(report.demand) == 3


def test_keys_of_joins_and_groups_are_demanded() -> None:
    report = report_of("never { a before b on order or some count(c by tenant) > 5 or sum(d.price) > 5 }")
    assert {"order", "tenant", "price"} <= {demanded.split()[-1] for demanded in report.demand}


def test_the_demand_set_holds_what_exceptions_read_and_evidence_shows() -> None:
    exception = {"name": "load test", "when": "root.where(env == loadtest)", "owner": "sre", "reason": "synthetic"}
    report = report_of("never { a }", exceptions=[exception], evidence=["currency"])
    words = {word for demanded in report.demand for word in demanded.split()}
    assert {"env", "currency"} <= words


def test_a_selection_is_a_bit_an_aggregate_a_counter_and_a_join_captures_rows() -> None:
    state = report_of("when { a } always { b } never { count(c) > 5 or d before e }").state
    assert (state.bits, state.counters, state.captured_rows) == (2, 1, 2)


def test_the_same_selection_is_one_bit() -> None:
    assert report_of("when { a or b } never { a and c }").state.bits == 3


def test_a_rule_for_each_captures_the_spans_it_binds() -> None:
    assert report_of("for each a as p never { p.x > 5 }").state.captured_rows == 1
