"""Rule files: metadata, let, exceptions, and everything that can be wrong with them."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.diagnostics import Code
from compiler.rule_file import LetEntry, RuleFile, read_rule_file
from compiler.rule_set import RuleText
from compiler.yaml_reader import Scalar
from tests.compiler.written import at, places, source
from tests.timing import within

FULL = """\
let:
  high_value: payment.charge.where(amount > 1000)
  countries: [US, NO, "5", -1.5, 5ms]
rules:
  - id: payment-needs-fraud-check
    name: High-value payments are checked
    description: >
      Found in
      an incident
    severity: critical
    enabled: false
    mode: shadow
    owner: payments-team
    runbook: https://example.com/fraud
    tags: [payments, 2024]
    controls: ["SOC2:CC7.2"]
    replaces: [old-check]
    requires: complete
    evidence: [amount, currency]
    redact: {customer.email: hash, iban: drop}
    rule: |
      when   { high_value }
      always { payment.fraud_check }
    exceptions:
      - {name: load test, when: root.where(env == loadtest), owner: sre, reason: synthetic, expires: 2027-01-31}
      - {name: for ever, when: root}
    tests:
      - {name: fine, trace: a 0ms..1ms, expect: not_applicable}
"""


def read(text: str) -> RuleFile:
    return read_rule_file(source(text))


def rule(lines: str) -> str:
    """Return a file of one rule that is right but for these lines."""
    indented = "".join(f"    {line}\n" for line in lines.strip("\n").split("\n"))
    return f"rules:\n  - id: one\n    rule: never {{ a }}\n    tests: [{{trace: a 0ms..1ms, expect: violated}}]\n{indented}"


def test_every_key_of_a_rule_is_read() -> None:
    file = read(FULL)
    assert file.diagnostics == ()
    assert file.rules[0].text == RuleText(
        id="payment-needs-fraud-check",
        rule="when   { high_value }\nalways { payment.fraud_check }\n",
        name="High-value payments are checked",
        description="Found in an incident\n",
        severity="critical",
        enabled=False,
        mode="shadow",
        owner="payments-team",
        runbook="https://example.com/fraud",
        tags=("payments", "2024"),
        controls=("SOC2:CC7.2",),
        replaces=("old-check",),
        requires="complete",
        evidence=("amount", "currency"),
        redact=(("customer.email", "hash"), ("iban", "drop")),
    )


def test_a_rule_says_nothing_of_what_it_leaves_out() -> None:
    file = read("rules: [{id: a, rule: never { x }}]".replace("never { x }", "'never { x }'"))
    assert file.rules[0].text == RuleText(id="a", rule="never { x }")
    assert (file.rules[0].exceptions, file.rules[0].tests) == ((), ())
    assert places(file.diagnostics) == ["no-tests 1:14+1"]


def test_let_entries_are_selectors_or_lists_in_the_order_written() -> None:
    entries = read(FULL).lets
    assert [entry.name.text for entry in entries] == ["high_value", "countries"]
    selector, items = entries[0].text, entries[1].text
    assert isinstance(selector, Scalar)
    assert at(FULL, selector.locate(21, 6)) == "amount"
    assert not isinstance(items, Scalar)
    assert [(item.text, item.plain) for item in items] == [("US", True), ("NO", True), ("5", False), ("-1.5", True), ("5ms", True)]


def test_the_text_of_a_rule_knows_its_place_in_the_file() -> None:
    entry = read(FULL).rules[0]
    offset = entry.rule.text.index("fraud_check")
    assert at(FULL, entry.rule.locate(offset, 11)) == "fraud_check"
    assert at(FULL, entry.region) == "payment-needs-fraud-check"


def test_an_exception_ends_with_its_last_day_or_never() -> None:
    first, second = read(FULL).rules[0].exceptions
    assert (first.name, first.owner, first.reason, first.expires) == ("load test", "sre", "synthetic", dt.date(2027, 1, 31))
    assert at(FULL, first.when.locate(5, 5)) == "where"
    assert (second.name, second.when.text, second.owner, second.expires) == ("for ever", "root", "", None)


@pytest.mark.parametrize("key", ["condition", "expression"])
def test_the_old_keys_of_a_rule_text_are_accepted(key: str) -> None:
    file = read(f"rules:\n  - id: a\n    {key}: never {{ x }}\n")
    assert file.rules[0].text.rule == "never { x }"
    assert places(file.diagnostics) == ["no-tests 2:9+1"]


def test_the_old_key_of_controls_is_accepted() -> None:
    assert read(rule("compliance_frameworks: [SOC2]")).rules[0].text.controls == ("SOC2",)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("severity: HIGH", "bad-value 5:15+4"),
        ("severity: 1", "bad-value 5:15+1"),
        ("mode: [shadow]", "bad-value 5:11+8"),
        ("requires: all", "bad-value 5:15+3"),
        ("enabled: yes", "bad-value 5:14+3"),
        ("enabled: 'true'", "bad-value 5:14+6"),
        ("name:", "bad-value 5:10+1"),
        ("owner: [sre]", "bad-value 5:12+5"),
        ("tags: payments", "bad-value 5:11+8"),
        ("tags: [a, '']", "bad-value 5:15+2"),
        ("tags: [a, ~]", "bad-value 5:15+1"),
        ("evidence: {a: b}", "bad-value 5:16+1"),
        ("redact: [a]", "bad-value 5:13+3"),
        ("redact: {a: encrypt}", "bad-value 5:17+7"),
        ("redact: {'': drop}", "bad-value 5:14+2"),
        ("colour: red", "unknown-key 5:5+6"),
        ("controls: [a]\ncompliance_frameworks: [b]", "duplicate-key 6:5+21"),
        ("condition: never { b }", "duplicate-key 5:5+9"),
        ("mode: shadow\nmode: shadow", "duplicate-key 6:5+4"),
        ("exceptions: {}", "bad-value 5:17+2"),
        ("exceptions: [x]", "bad-value 5:18+1"),
        ("exceptions: [{name: a}]", "missing-key 5:19+4"),
        ("exceptions: [{when: a}]", "missing-key 5:19+4"),
        ("exceptions: [{name: a, when: b, until: c}]", "unknown-key 5:37+5"),
        ("exceptions: [{name: a, when: b, expires: 2027-02-29}]", "bad-value 5:46+10"),
        ("exceptions: [{name: a, when: b, expires: 2027-2-9}]", "bad-value 5:46+8"),
        ("exceptions: [{name: a, when: b, expires: 20270131}]", "bad-value 5:46+8"),
        ("exceptions: [{name: a, when: b, expires: ~}]", "bad-value 5:46+1"),
        ("exceptions: [{name: a, when: b}, {name: a, when: c}]", "duplicate-name 5:45+1"),
    ],
)
def test_a_key_with_a_wrong_value_is_shown_where_it_stands(lines: str, expected: str) -> None:
    assert places(read(rule(lines)).diagnostics) == [expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["missing-key 1:1+1"]),
        ("[]", ["bad-value 1:1+2"]),
        ("let: {a: b}", ["missing-key 1:1+3"]),
        ("rules:", ["bad-value 1:7+1"]),
        ("rules: {}", ["bad-value 1:8+2"]),
        ("rules: []\nrule: x", ["unknown-key 2:1+4"]),
        ("rules: [a]", ["bad-value 1:9+1"]),
        ("rules: []\nlet: [a]", ["bad-value 2:6+3"]),
        ("rules: []\nlet: {1a: b}", ["bad-value 2:7+2"]),
        ("rules: []\nlet: {a.b: b}", ["bad-value 2:7+3"]),
        ("rules: []\nlet: {a: ~}", ["bad-value 2:10+1"]),
        ("rules: []\nlet: {a: {b: c}}", ["bad-value 2:11+1"]),
        (
            "rules: []\nlet: {a: [~, [b], 0x1F, True, .5, b]}",
            [f"bad-value 2:{place}" for place in ("11+1", "14+3", "19+4", "25+4", "31+2")],
        ),
        ("rules: [{rule: x, tests: [{trace: a 0ms..1ms, expect: violated}]}]", ["missing-key 1:10+4"]),
        ("rules: [{id: A, rule: x, tests: [{trace: a 0ms..1ms, expect: violated}]}]", ["bad-value 1:14+1"]),
        ("rules: [{id: a, tests: [{trace: a 0ms..1ms, expect: violated}]}]", ["missing-key 1:10+2"]),
        ("rules: [{id: a, rule: [x], tests: [{trace: a 0ms..1ms, expect: violated}]}]", ["bad-value 1:23+3"]),
    ],
)
def test_a_file_of_a_wrong_shape_is_shown_where_it_is_wrong(text: str, expected: list[str]) -> None:
    assert places(read(text).diagnostics) == expected


def test_all_mistakes_of_a_file_are_shown_and_the_rest_is_read() -> None:
    file = read("rules:\n  - {id: A, rule: x, mode: of}\n  - {id: b, rule: y, colour: z}\n")
    assert places(file.diagnostics) == [
        *("bad-value 2:10+1", "bad-value 2:28+2", "no-tests 2:10+1"),
        *("unknown-key 3:22+6", "no-tests 3:10+1"),
    ]
    assert [(entry.text.id, entry.rule.text) for entry in file.rules] == [("", "x"), ("b", "y")]


@pytest.mark.parametrize(
    ("lines", "hint"),
    [("severty: low", "`severity`"), ("severity: HIGH", "`high`"), ("requires: complet", "`complete`"), ("redact: {a: hsh}", "`hash`")],
)
def test_a_word_that_is_nearly_right_is_hinted_at(lines: str, hint: str) -> None:
    (found,) = read(rule(lines)).diagnostics
    assert hint in found.hint


def test_a_rule_text_goes_to_64_kib_of_utf8() -> None:
    fits = "é" * (32 * 1024)
    assert [found.code for found in read(f"rules: [{{id: a, rule: {fits}}}]").diagnostics] == [Code.NO_TESTS]
    file = read(f"rules: [{{id: a, rule: {fits}x}}]")
    assert [found.code for found in file.diagnostics] == [Code.TOO_LARGE, Code.NO_TESTS]
    assert file.rules == ()


def test_a_list_goes_to_ten_thousand_items() -> None:
    items = ", ".join(["a"] * 10_000)
    entry = read(f"rules: []\nlet: {{a: [{items}]}}").lets[0]
    assert isinstance(entry, LetEntry)
    assert len(entry.text) == 10_000 if isinstance(entry.text, tuple) else False
    assert [found.code for found in read(f"rules: []\nlet: {{a: [{items}, b]}}").diagnostics] == [Code.TOO_LARGE]


def test_an_id_has_up_to_128_characters() -> None:
    assert read(f"rules: [{{id: {'a' * 128}, rule: x}}]").rules[0].text.id == "a" * 128
    assert Code.BAD_VALUE in {found.code for found in read(f"rules: [{{id: {'a' * 129}, rule: x}}]").diagnostics}


@pytest.mark.timed
def test_five_thousand_rules_are_read_in_seconds() -> None:
    entry = FULL[FULL.index("  - id") :]
    text = "rules:\n" + "".join(entry.replace("fraud-check", f"check-{number}", 1) for number in range(5000))
    with within(4):
        file = read(text)
    assert (len(file.rules), file.diagnostics) == (5000, ())


@pytest.mark.timed
def test_fifty_thousand_unknown_keys_of_a_rule_are_shown_in_seconds() -> None:
    with within(5):
        file = read("rules:\n  - id: a\n    rule: b\n" + "".join(f"    exception_{number}: 1\n" for number in range(50_000)))
    assert len(file.diagnostics) == 50_001


KEYS = [
    "id",
    "rule",
    "name",
    "severity",
    "tags",
    "redact",
    "exceptions",
    "tests",
    "trace",
    "expect",
    "when",
    "expires",
    "let",
    "rules",
    "span",
]
WORDS = [
    *KEYS,
    "",
    "a",
    "high",
    "12s",
    "-1",
    "0ms..1ms",
    "a 0ms..1ms",
    "violated",
    "true",
    "2027-01-31",
    ".nan",
    "9" * 30,
    "example_violation",
]
VALUES = st.recursive(
    st.sampled_from(WORDS).map(lambda word: f"'{word}'") | st.sampled_from(["~", "12", ".inf", "true", "x"]),
    lambda inner: (
        st.lists(inner, max_size=4).map(lambda items: f"[{', '.join(items)}]")
        | st.lists(st.tuples(st.sampled_from(KEYS), inner), max_size=5).map(
            lambda some: f"{{{', '.join(f'{key}: {value}' for key, value in some)}}}"
        )
    ),
    max_leaves=25,
)


@given(VALUES)
def test_any_yaml_is_read_or_refused(written: str) -> None:
    for text in (
        written,
        f"rules: {written}",
        f"rules: [{written}]",
        f"rules: [{{id: a, rule: b, tests: {written}, example_violation: {written}}}]",
    ):
        file = read(text)
        assert all(found.region.line >= 1 and found.region.column >= 1 for found in file.diagnostics)
        assert file.diagnostics or file.rules or "rules: []" in text


@given(st.binary(max_size=80))
def test_any_bytes_are_a_file_or_refused(content: bytes) -> None:
    assert read_rule_file(source(content)).diagnostics
