"""What rules mean, in plain English."""

from __future__ import annotations

import json

import pytest

from compiler import Explanation, SourceFile, compile_sources, explain
from compiler.explain_words import duration_words
from compiler.ir_walk import NODE_KINDS, walk
from tests.conformance.case import CheckCase, ParseCase, load_cases

ENTRY = {"id": "rule"}


def _explained(rule: str, **keys: object) -> Explanation:
    content = json.dumps({"rules": [{**ENTRY, "rule": rule, **keys}]})
    compilation = compile_sources([SourceFile("a.yaml", content.encode())])
    assert compilation.rule_set is not None, compilation.errors
    return explain(compilation.rule_set.rules[0])


GOLDEN = {
    "when { payment.charge.where(amount > 1000) } always { payment.fraud_check } never { payment.bypass_validation }": (
        "Applies to a trace in which there is a `payment.charge` span where `amount` is more than 1000.",
        "Then there must be a `payment.fraud_check` span.",
        "And there must be no `payment.bypass_validation` span.",
    ),
    "never { a }": ("Applies to every trace.", "There must be no `a` span."),
    "for each a.where(k exists) as p when { p.n > 1 } always { b before p on k within 5s } never { c under p }": (
        "Looks at every `a` span where `k` is there, one by one; the one looked at is called `p`.",
        "It applies to those for which the `n` of `p` is more than 1.",
        "For each of them, there must be a `b` span that ends at most 5 s before the start of `p` with the same `k`.",
        "And there must be no `c` span that is anywhere below `p`.",
    ),
    "always { a and b or c }": (
        "Applies to every trace.",
        "It must be so that (there is an `a` span, and there is a `b` span), or there is a `c` span.",
    ),
    "always { a and not b.where(x != 1 or not (y in [1, 2])) }": (
        "Applies to every trace.",
        "All of this holds:",
        "- there must be an `a` span, and",
        "- there must be no `b` span where `x` is not 1 or `y` is not one of 1 or 2.",
    ),
    "never { a or b }": (
        "Applies to every trace.",
        "All of this holds:",
        "- there must be no `a` span, and",
        "- there must be no `b` span.",
    ),
    "always { a implies b }": ("Applies to every trace.", "It must be so that if there is an `a` span then there is a `b` span."),
    "always { count(a under b) <= 5 }": (
        "Applies to every trace.",
        "The number of `a` spans that are anywhere below some `b` span must be at most 5.",
    ),
    "never { some count(a by k, v) > 5 }": (
        "Applies to every trace.",
        "For no combination of `k` and `v` may the number of `a` spans be more than 5.",
    ),
    "always { every sum(a.n by k) == count(b by k) + 1 }": (
        "Applies to every trace.",
        "For every `k`, the sum of `n` over all `a` spans must be the number of `b` spans + 1.",
    ),
    "never { span.all(span:status == error) }": (
        "Applies to every trace.",
        'Not every span may be one whose status is "error".',
    ),
    "for each a as p always { p.where(x) }": (
        "Looks at every `a` span, one by one; the one looked at is called `p`.",
        "For each of them, `p` must be one where `x` is true.",
    ),
    "never { a.where(event(event:name == exception and event:timeSinceStart > 1.5s)) }": (
        "Applies to every trace.",
        (
            "There must be no `a` span that has an event where (the event's name is \"exception\" and the event's time since the "
            "span's start is more than 1.5 s)."
        ),
    ),
    "always { trace:duration < 90m or not (trace:rootService == shop) }": (
        "Applies to every trace.",
        "It must be so that the trace's duration is less than 1.5 h, or the service of the trace's root span is not \"shop\".",
    ),
    "never { a.where(not (x and y matches `^z` and number(z) * 2 > abs(-n))) }": (
        "Applies to every trace.",
        (
            "There must be no `a` span where not (`x` is true, `y` matches /^z/ and `z` read as a number * 2 is more than minus `n` "
            "without its sign)."
        ),
    ),
}


@pytest.mark.parametrize(("rule", "meaning"), GOLDEN.items(), ids=list(GOLDEN))
def test_a_rule_is_said_in_sentences(rule: str, meaning: tuple[str, ...]) -> None:
    assert _explained(rule).meaning == meaning


def test_relations_in_time_are_drawn() -> None:
    explained = _explained("for each a as p always { check after p within 1s and x during y and x overlaps y and x under y }")
    assert explained.pictures == (
        "p      [=======]\ncheck           <- at most 1 s ->[=======]",
        "x        [=======]\ny  [===================]",
        "x  [=======]\ny       [=======]",
    )


def test_what_is_easily_overlooked_is_said() -> None:
    fine = " ".join(
        _explained("when { a.where(x > 1) } always { b before a and max(a.y) > 2 and b.all(z) }", requires="complete").fine_print
    )
    for said in (
        "A span without `x` or `z` is not selected",
        "absent is known only when the trace has closed",
        "Of no values there is no average",
        "a span of which it is unknown breaks it",
        "`skew_tolerance`",
        "with a span whose parent is missing, or without a root span",
        "inconclusive, and nobody is alerted",
    ):
        assert said in fine


@pytest.mark.parametrize(
    ("test", "written", "attribute"),
    [
        ("currency != USD", 'currency != "USD"', "currency"),
        ("not (currency == USD)", 'not currency == "USD"', "currency"),
        ("currency not in [USD]", 'currency not in ["USD"]', "currency"),
        ("span.roles not contains admin", 'span.roles not contains "admin"', "span.roles"),
        ('city not matches "^B"', 'city not matches "^B"', "city"),
        ("not verified", "not verified", "verified"),
    ],
)
def test_a_test_that_denies_says_that_a_missing_attribute_is_not_meant(test: str, written: str, attribute: str) -> None:
    (said,) = [line for line in _explained(f"never {{ a.where({test}) }}").fine_print if "is not true of" in line]
    assert said == f"`{written}` is not true of a span without `{attribute}`; where it is meant to be, add `or {attribute} missing`."


def test_of_many_tests_that_deny_only_the_shortest_is_shown() -> None:
    fine = _explained("never { a.where(currency != USD and not c and event(x != 1)) } always { b.where(d not in [e]) }").fine_print
    assert [line.split(" is ")[0] for line in fine if "is not true of" in line] == ["`not c`"]


def test_a_missing_attribute_that_is_asked_for_needs_no_fine_print() -> None:
    assert not any("`x`" in line for line in _explained("never { a.where(x == 1 or x != 2 or x missing) }").fine_print)


def test_an_exception_is_said_with_its_reason_and_its_last_day() -> None:
    exception = {"name": "load test", "when": "root.where(k == v)", "owner": "sre", "reason": "made traffic", "expires": "2028-02-29"}
    assert _explained("never { a }", exceptions=[exception]).exceptions == (
        (
            "load test (made traffic; granted by sre): a violation is excused until the end of 2028-02-29 (UTC) if there is a root span "
            'where `k` is "v".'
        ),
    )


def test_the_facts_are_a_privacy_statement_too() -> None:
    keys = {"evidence": ["amount"], "redact": {"email": "hash"}, "controls": ["SOC2:CC7.2"], "owner": "pay", "mode": "shadow"}
    facts = dict(_explained("never { count(a.where(resource.region == eu)) > 2 }", **keys).facts)
    assert facts == {
        "Severity": "medium, never alerts: it runs in the shadow, judged and counted",
        "Decided": "A violation can be known while the trace is still open, and is then said at once.",
        "Keeps of an open trace": "1 counter (a number that grows)",
        "Reads": "resource `region`, `span:name`",
        "May leave in a violation": "names, ids and times of the offenders; their `amount`; "
        "the two sides of `count(a.where(resource.region == eu)) > 2`",
        "Redacted": "`email` (as a keyed hash)",
        "Controls": "SOC2:CC7.2",
        "Owner": "pay",
    }


def test_durations_are_said_exactly() -> None:
    said = [duration_words(ns) for ns in (0, 1, 1_500, 200 * 10**6, 1_000_000_001, -90 * 10**9, 3600 * 10**9)]
    assert said == ["0 s", "1 ns", "1.5 us", "200 ms", "1000000.001 us", "-1.5 min", "1 h"]


def test_every_node_of_the_language_has_its_words() -> None:
    """All rules of the conformance suite are explained, and among them is every node there is."""
    met: set[type] = set()
    for case in load_cases():
        entries = [{**ENTRY, "rule": case.rule}] if isinstance(case, ParseCase | CheckCase) else case.entries()
        let = {} if isinstance(case, ParseCase | CheckCase) or not case.let else {"let": case.let}
        compilation = compile_sources([SourceFile("a.yaml", json.dumps({**let, "rules": entries}).encode())])
        for rule in () if compilation.rule_set is None else compilation.rule_set.rules:
            met.update(type(node) for node in walk(rule.program))
            explained = explain(rule)
            assert explained.meaning
            assert all(line.rstrip().endswith((".", ":", ", and")) for line in explained.meaning), explained.meaning
    assert NODE_KINDS - met == set()
