"""The rules of the shop find what was done wrong on purpose in its recorded traces, and nothing else, in whatever form they come.

`shop-scenarios.ndjson` was written by the load driver that asked the services to do wrong; no rule engine was involved.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from functools import cache

import pytest

from cli.shop_rules import SHOP_RULES
from compiler import Compilation, RuleSet, compile_sources
from processor.finite import FiniteOutcome, judge_finite
from processor.inputs import read_inputs
from processor.rule_directory import read_sources
from processor.rule_tests import run_rule_tests
from tests.trace_engines import ENGINES, EngineInUse
from topics.recordings import HOTROD_PROTO_KEYED, SHOP_ALL, SHOP_SCENARIOS, recording

pytestmark = pytest.mark.usefixtures("engine")

DEFECT_BY_RULE = {
    "tool-with-effects-is-approved": "agent_tool_without_approval",
    "no-personal-data-to-the-model": "pii_to_model",
    "agent-does-not-loop": "agent_loop",
    "answer-stays-in-token-budget": "token_budget_exceeded",
    "charge-needs-fraud-check": "charge_without_fraud_check",
    "charge-equals-order-total": "amount_mismatch",
    "order-is-charged-once": "double_charge",
    "provider-attempts-are-bounded": "retry_storm",
    "error-500-has-an-exception": "http_500_no_exception",
    "nobody-works-after-the-caller-left": "timeout_overrun",
    "personal-data-read-is-audited": "pii_without_audit",
    "authorised-before-profile-query": "auth_after_db",
    "catalogue-page-has-few-queries": "n_plus_one",
    "gateway-has-no-database": "frontend_db_call",
    "checkout-answers-in-time": "slow_trace",
}
# How many traces each rule that nobody broke had something to say of: counted in the labels and spans, not taken from a verdict.
SATISFIED_BY_RULE = {
    "declined-order-is-not-charged": 28,  # scenario checkout_declined
    "server-error-is-marked": 23,  # the checkouts answered 500, 502 and 504
    "services-say-who-they-are": 628,  # all
    "stock-is-reserved-before-the-order": 238,  # spans `insert checkout`
    "one-mail-per-message": 148,  # scenario notification_job
}
LOOK_ALIKES = ("checkout_declined", "retry_once", "http_500_with_exception", "assistant_refund_approved")


@cache
def compilation() -> Compilation:
    return compile_sources(read_sources(SHOP_RULES))


def rule_set() -> RuleSet:
    compiled = compilation().rule_set
    assert compiled is not None
    return compiled


def outcome(name: str) -> FiniteOutcome:
    """Return what the rules say of a recording by the engine in use; each is read once."""
    return judged(name, EngineInUse.name)


@cache
def judged(name: str, engine_name: str) -> FiniteOutcome:
    return judge_finite(read_inputs([str(recording(name))]), ENGINES[engine_name](rule_set(), 0, 16))


@cache
def labels() -> tuple[dict[str, str | None], ...]:
    """Return trace id, scenario and defect of every trace of the shop."""
    lines = recording(SHOP_SCENARIOS).read_text("utf-8").splitlines()
    return tuple({key: label[key] for key in ("trace_id", "scenario", "defect")} for label in map(json.loads, lines))


def labelled(key: str, value: str) -> set[str | None]:
    return {label["trace_id"] for label in labels() if label[key] == value}


def violated(name: str) -> Mapping[str, set[str]]:
    """Return the ids of the traces that violate each rule."""
    found: dict[str, set[str]] = defaultdict(set)
    for record in outcome(name).records:
        found[record.rule.id].add(record.trace.id)
    return found


def test_every_seeded_defect_has_a_rule() -> None:
    assert set(DEFECT_BY_RULE.values()) == {label["defect"] for label in labels()} - {None}


def test_every_rule_of_the_shop_is_either_for_a_defect_or_holds() -> None:
    assert {rule.id for rule in rule_set().enabled} == DEFECT_BY_RULE.keys() | SATISFIED_BY_RULE.keys()


def test_nothing_is_to_be_said_against_the_rules() -> None:
    assert compilation().diagnostics == ()


def test_every_test_in_the_rule_files_passes() -> None:
    assert [(ran.rule.id, ran.test.name) for ran in run_rule_tests(rule_set().rules) if not ran.passed] == []


@pytest.mark.parametrize("rule_id", [*DEFECT_BY_RULE, *SATISFIED_BY_RULE])
def test_each_rule_has_a_test_that_breaks_it_one_that_keeps_it_and_one_it_does_not_concern(rule_id: str) -> None:
    (rule,) = (rule for rule in rule_set().rules if rule.id == rule_id)
    assert {"violated", "satisfied", "not_applicable"} <= {test.expect for test in rule.tests if isinstance(test.expect, str)}


@pytest.mark.parametrize("name", SHOP_ALL)
def test_every_trace_of_the_shop_is_judged(name: str) -> None:
    found = outcome(name)
    assert (found.trace_count, found.refused) == (len(labels()), {})


@pytest.mark.parametrize("name", SHOP_ALL)
@pytest.mark.parametrize(("rule_id", "defect"), DEFECT_BY_RULE.items())
def test_a_rule_finds_exactly_the_traces_with_its_defect(rule_id: str, defect: str, name: str) -> None:
    assert violated(name)[rule_id] == labelled("defect", defect)


@pytest.mark.parametrize("name", SHOP_ALL)
@pytest.mark.parametrize(("rule_id", "satisfied"), SATISFIED_BY_RULE.items())
def test_a_rule_that_nobody_broke_holds_wherever_it_applies(rule_id: str, satisfied: int, name: str) -> None:
    counts = outcome(name).counts[rule_id]
    assert (counts.satisfied, counts.applicable) == (satisfied, satisfied)


@pytest.mark.parametrize("name", SHOP_ALL)
@pytest.mark.parametrize("scenario", LOOK_ALIKES)
def test_a_trace_that_only_looks_wrong_violates_nothing(scenario: str, name: str) -> None:
    assert labelled("scenario", scenario)
    assert labelled("scenario", scenario).isdisjoint(record.trace.id for record in outcome(name).records)


@pytest.mark.parametrize("name", SHOP_ALL)
def test_a_trace_with_a_defect_violates_one_rule_once(name: str) -> None:
    assert set(Counter(record.trace.id for record in outcome(name).records).values()) == {1}


@pytest.mark.parametrize("name", SHOP_ALL[1:])
def test_the_counts_do_not_depend_on_the_form_of_the_recording(name: str) -> None:
    assert outcome(name).counts == outcome(SHOP_ALL[0]).counts


def test_the_rules_of_the_shop_have_nothing_against_another_shop() -> None:
    found = outcome(HOTROD_PROTO_KEYED)
    assert (found.trace_count, found.refused, found.records) == (122, {}, [])
    assert {rule_id for rule_id, counts in found.counts.items() if counts.applicable} == {"nobody-works-after-the-caller-left"}
