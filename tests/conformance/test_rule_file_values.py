"""What the keys of a rule file mean once they are accepted: values, defaults, older names (rule-language.md section 1)."""

from __future__ import annotations

import pytest

from compiler import Rule, SourceFile, compile_sources
from processor.rule_tests import run_rule_test

WHOLE = """
rules:
  - id: payment-needs-fraud-check
    name: High-value payments are checked
    description: Found in an incident
    severity: critical
    enabled: false
    mode: shadow
    owner: payments-team
    runbook: https://example.com/fraud
    tags: [payments, NO]
    controls: ["SOC2:CC7.2", "PCI-DSS:10.2"]
    replaces: [old-rule]
    requires: complete
    evidence: [amount, currency]
    redact: {customer.email: hash, customer.name: drop}
    rule: always { a }
"""


def rules_of(text: str) -> tuple[Rule, ...]:
    compilation = compile_sources([SourceFile("rules.yaml", text.encode())])
    assert compilation.rule_set is not None, compilation.errors
    return compilation.rule_set.rules


def test_every_key_is_kept_as_it_was_written() -> None:
    text = rules_of(WHOLE)[0].text
    assert (text.id, text.name, text.description) == (
        "payment-needs-fraud-check",
        "High-value payments are checked",
        "Found in an incident",
    )
    assert (text.severity, text.enabled, text.mode, text.requires) == ("critical", False, "shadow", "complete")
    assert (text.owner, text.runbook, text.tags) == ("payments-team", "https://example.com/fraud", ("payments", "NO"))
    assert (text.controls, text.replaces, text.evidence) == (("SOC2:CC7.2", "PCI-DSS:10.2"), ("old-rule",), ("amount", "currency"))
    assert dict(text.redact) == {"customer.email": "hash", "customer.name": "drop"}


def test_keys_left_out_have_their_defaults() -> None:
    text = rules_of("rules: [{id: one, rule: 'never { a }'}]")[0].text
    assert (text.severity, text.enabled, text.mode, text.requires) == ("medium", True, "enforce", "any")
    assert (text.tags, text.controls, text.replaces, text.evidence, tuple(text.redact)) == ((), (), (), (), ())


def test_disabled_rules_do_not_judge() -> None:
    compilation = compile_sources([SourceFile("a", b"rules: [{id: a, rule: 'never { x }', enabled: false}, {id: b, rule: 'never { x }'}]")])
    assert compilation.rule_set is not None
    assert [rule.id for rule in compilation.rule_set.enabled] == ["b"]


@pytest.mark.parametrize("key", ["rule", "condition", "expression"])
def test_older_names_of_the_rule_mean_the_same(key: str) -> None:
    older, newer = rules_of(f"rules: [{{id: one, {key}: 'never {{ a }}'}}]")[0], rules_of("rules: [{id: one, rule: 'never { a }'}]")[0]
    assert (older.text, older.version) == (newer.text, newer.version)


def test_compliance_frameworks_are_controls() -> None:
    text = rules_of("rules: [{id: one, rule: 'never { a }', compliance_frameworks: ['SOC2:CC7.2']}]")[0].text
    assert text.controls == ("SOC2:CC7.2",)


EXAMPLE = """
rules:
  - id: in-order
    rule: |
      when   { charge }
      never  { EVERYTHING }
    example_violation:
      description: A charge before its check
      trace:
        - {span: charge, attributes: {amount: 6, currency: USD}}
        - {span: fraud_check}
        - {span: ship}
"""


@pytest.mark.parametrize(
    "condition",
    [
        "charge.where(amount == 6 and currency == USD)",
        "charge before fraud_check within 0ms",
        "fraud_check before ship within 0ms",
        "charge before ship within 1ms and not charge before ship within 999us",
        "not charge overlaps fraud_check",
        "trace:duration == 3ms",
        "span.all(span:duration == 1ms and span:parentID missing)",
        "count(root) == 3",
    ],
)
def test_spans_of_an_example_are_roots_of_a_millisecond_one_after_another(condition: str) -> None:
    rule = rules_of(EXAMPLE.replace("EVERYTHING", condition))[0]
    outcome = run_rule_test(rule, rule.tests[0])
    assert outcome.test.expect == "violated"
    assert outcome.passed


def test_an_example_that_does_not_violate_its_rule_fails() -> None:
    rule = rules_of(EXAMPLE.replace("EVERYTHING", "refund"))[0]
    assert not run_rule_test(rule, rule.tests[0]).passed
