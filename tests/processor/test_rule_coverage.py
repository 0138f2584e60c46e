"""What the tests of a rule reach of it."""

from __future__ import annotations

import json
import textwrap

import pytest

from compiler import Rule, SourceFile, compile_sources
from processor.rule_coverage import RuleCoverage, rule_coverage
from processor.rule_tests import run_rule_tests

VIOLATING = "charge 10ms..20ms amount=5000 order=A"
COMPLIANT = "check 1ms..2ms order=A\ncharge 10ms..20ms amount=5000 order=A"


def rule_of(text: str, *traces: tuple[str, str], **others: object) -> Rule:
    tests = [{"name": f"test {number}", "trace": textwrap.dedent(trace), "expect": expect} for number, (trace, expect) in enumerate(traces)]
    content = {"rules": [{"id": "r", "rule": text, "tests": tests, **others}]}
    rule_set = compile_sources([SourceFile("case", json.dumps(content).encode())]).rule_set
    assert rule_set is not None
    return rule_set.rules[0]


def coverage_of(rule: Rule) -> RuleCoverage:
    return rule_coverage(rule, list(run_rule_tests([rule])))


def missing(text: str, *traces: tuple[str, str], **others: object) -> list[str]:
    return list(coverage_of(rule_of(text, *traces, **others)).missing)


def test_without_a_test_nothing_is_reached() -> None:
    covered = coverage_of(rule_of("when { charge } always { check before charge on order }"))
    assert covered.percent == 0
    assert covered.missing == (
        "no test expects `violated`",
        "no test expects `satisfied`",
        "no test expects `not_applicable`",
        "when: `charge` is never true",
        "when: `charge` is never false",
        "always: `check before charge on order` is never true",
        "always: `check before charge on order` is never false",
        "always: `before charge` is never true",
        "always: `before charge` is never false",
        "always: `before charge on order` is never true",
        "always: `before charge on order` is never false",
    )


def test_tests_that_go_both_ways_reach_all() -> None:
    traces = [
        (VIOLATING, "violated"),
        (COMPLIANT, "satisfied"),
        ("check 1ms..2ms", "not_applicable"),
        ("charge 1ms..2ms order=A\ncheck 3ms..4ms order=A", "violated"),
        ("check 1ms..2ms order=B\ncharge 3ms..4ms order=A", "violated"),
    ]
    assert missing("when { charge } always { check before charge on order }", *traces) == []


def test_a_condition_counts_only_where_the_head_is_true() -> None:
    traces = [("check 1ms..2ms", "not_applicable"), (COMPLIANT, "satisfied")]
    assert "always: `check` is never false" in missing("when { charge } always { check }", *traces)
    assert "always: `check` is never false" in missing("when { charge } always { check }", ("ship 1ms..2ms", "not_applicable"))


def test_both_sides_of_a_connective_are_reached_each_by_itself() -> None:
    found = missing(
        "never { charge.where(amount > 100 and order == A) }", (VIOLATING, "violated"), ("charge 1ms..2ms amount=5", "satisfied")
    )
    assert found == []
    found = missing("never { charge.where(amount > 100 or order == A) }", (VIOLATING, "violated"), ("check 1ms..2ms", "satisfied"))
    assert found == [
        'never: `amount > 100 or order == "A"` is never false',
        "never: `amount > 100` is never false",
        'never: `order == "A"` is never false',
    ]


def test_each_clause_fails_in_some_test() -> None:
    traces = [(VIOLATING, "violated"), (COMPLIANT, "satisfied")]
    assert missing("always { check } never { bypass }", *traces) == [
        "no violation by `never` alone or with others",
        "never: `bypass` is never true",
    ]


def test_groups_and_aggregates_are_reached_by_their_groups() -> None:
    one, two = "charge 1ms..2ms order=A", "charge 1ms..2ms order=A\ncharge 1ms..2ms order=A\ncharge 1ms..2ms order=B"
    text = "always { every count(charge.where(order exists) by order) <= 1 }"
    assert missing(text, (one, "satisfied"), (two, "violated"), ("charge 1ms..2ms", "satisfied")) == []
    assert missing(text, (one, "satisfied"), ("charge 1ms..2ms", "satisfied")) == [
        "no test expects `violated`",
        "always: `every count(charge.where(order exists) by order) <= 1` is never false",
    ]


def test_an_exception_is_reached_both_ways_and_excuses() -> None:
    exceptions = [{"name": "load test", "when": "root.where(load)", "owner": "sre", "reason": "made", "expires": "2030-01-01"}]
    found = missing("never { charge }", (VIOLATING, "violated"), ("check 1ms..2ms", "satisfied"), exceptions=exceptions)
    assert found == [
        "no test expects `excused`",
        "exception load test: `root.where(load)` is never true",
        "exception load test: `load` is never true",
    ]


def test_what_a_let_is_used_for_twice_is_reached_once() -> None:
    text = "let big = charge.where(amount > 100)\nwhen { big } never { big.where(order == A) }"
    traces = [(VIOLATING, "violated"), ("charge 1ms..2ms amount=500", "satisfied"), ("charge 1ms..2ms amount=5", "not_applicable")]
    assert missing(text, *traces) == []


def test_an_undecided_clause_of_an_incomplete_trace_is_neither_true_nor_false() -> None:
    rule = rule_of("always { check }", (VIOLATING, "violated"), requires="complete")
    open_rule = rule_of("always { check }")
    assert "always: `check` is never true" in coverage_of(rule).missing
    assert "always: `check` is never false" in coverage_of(open_rule).missing


@pytest.mark.parametrize("expect", ["violated", "satisfied"])
def test_timed_tests_reach_every_verdict_they_name(expect: str) -> None:
    moments = {"0s": "unknown", "40s": expect}
    trace = VIOLATING if expect == "violated" else COMPLIANT
    content = {"id": "r", "rule": "always { check }", "tests": [{"name": "timed", "trace": trace, "expect": moments}]}
    rule_set = compile_sources([SourceFile("case", json.dumps({"rules": [content]}).encode())]).rule_set
    assert rule_set is not None
    assert f"no test expects `{expect}`" not in coverage_of(rule_set.rules[0]).missing
