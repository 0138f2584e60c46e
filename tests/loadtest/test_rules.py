"""Generated rules load, fire, and ask the C parser for what they read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

import pytest

from compiler import SourceFile
from loadtest.corpora.corpus import Corpus, Form, enough, written
from loadtest.corpora.order_traces import order_traces
from loadtest.corpora.shop_traces import shop_traces
from loadtest.corpora.wire import Layout
from loadtest.demand import Demand, demand_of
from loadtest.rule_sample import RulesDoNotFireError, firing, sampled
from loadtest.rule_writing import compiled, named_rules, order_rules, rule_file, unnamed_rules


def shop() -> Corpus:
    return written("shop", enough(shop_traces(7), 600), Form.TRACES, Layout.ASCENDING)


@pytest.mark.parametrize("rules", [named_rules, unnamed_rules])
def test_drawn_rules_are_the_same_for_the_same_seed_and_all_of_them_load(rules: Callable[[int], Iterator[str]]) -> None:
    drawn = list(islice(rules(5), 150))
    assert drawn == list(islice(rules(5), 150))
    assert drawn != list(islice(rules(6), 150))
    assert len(compiled([rule_file(drawn, "drawn")]).enabled) == 150


def test_every_rule_that_is_kept_is_violated_by_a_trace() -> None:
    found = firing("named 20", named_rules(7), 20, shop())
    assert len(found.violated) == found.fired == 20
    assert all(0 < share <= 1 for share in found.violated.values())
    assert found.rule_set.enabled[0].id == "named-20-0001"


def test_rules_that_nothing_violates_are_no_measurement() -> None:
    silent = "always { not no.such.span }"
    with pytest.raises(RulesDoNotFireError, match="only 0 are violated by a trace, 3 are needed"):
        firing("silent", iter([silent] * 5), 3, shop())
    with pytest.raises(RulesDoNotFireError, match="none of its 1 rules"):
        sampled("silent", compiled([rule_file([silent], "silent")]), shop())


def test_a_rule_that_does_not_load_stops_the_measurement() -> None:
    with pytest.raises(ValueError, match="the rules do not load"):
        compiled([rule_file(["always { "], "broken")])


def test_all_rules_about_orders_fire_and_keep_captured_rows_or_groups() -> None:
    orders = written("orders", enough(order_traces(7, 20), 4000), Form.TRACES, Layout.ASCENDING)
    found = sampled("orders", compiled([rule_file(list(order_rules()), "orders")]), orders)
    assert found.fired == 10
    assert all(rule.report.state.captured_rows for rule in found.rule_set.enabled)


def test_the_demand_is_what_rules_exceptions_and_evidence_read() -> None:
    text = """
rules:
  - id: one
    evidence: [order.id]
    rule: when { pay.where(amount > 1 and resource.zone == a) } always { span.where(event(event:name == x and code exists)) }
    exceptions:
      - {name: test, when: root.where(load.test), owner: sre, reason: synthetic}
"""
    found = demand_of(compiled([SourceFile("one.yaml", text.encode())]))
    assert found == Demand(("amount", "code", "load.test", "order.id", "zone"), ("pay",), elements=True)


def test_what_the_c_parser_does_not_decode_is_no_demand() -> None:
    rules = compiled([rule_file(["always { span.where(scope.version exists) }"], "scope")])
    with pytest.raises(ValueError, match="rule scope-0001 reads an instrumentation scope"):
        demand_of(rules)
