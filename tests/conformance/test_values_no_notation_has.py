"""Values that OTLP can carry and the notation of traces cannot write: every engine treats them as rule-language.md section 4 says."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from compiler import INSTANT_NS, TRACE_ID, Closing, TraceView, Verdict
from tests.conformance.run import ENGINES
from tests.conformance.run_judge import compiled
from topics.span import Span

if TYPE_CHECKING:
    from tests.conformance.run_judge import EngineMaker
    from topics.span import AttributeValue

VIOLATED, SATISFIED = Verdict.VIOLATED, Verdict.SATISFIED
MAP = {"a": 1}


def span(span_id: str = "f1", *, kind: int = 0, status: int = 0, start_ns: int = INSTANT_NS, **attributes: AttributeValue) -> Span:
    padded = span_id.rjust(16, "0")
    return Span(TRACE_ID, padded, "a", start_ns, start_ns + 1, kind=kind, status=status, attributes=attributes)


def verdict_of(make_engine: EngineMaker, rule: str, *spans: Span) -> Verdict:
    rule_set = compiled(None, [{"id": "rule", "rule": rule}])
    assert not isinstance(rule_set, list), rule_set
    engine = make_engine(rule_set, skew_tolerance_ns=0, offender_count_max=16)
    return engine.judge(TraceView(spans), Closing.COMPLETE, None)[0].verdict


every_engine = pytest.mark.parametrize("make_engine", ENGINES.values(), ids=ENGINES.keys())


@every_engine
@pytest.mark.parametrize("value", [b"x", b"", MAP, {}])
def test_bytes_and_maps_exist_and_nothing_else(make_engine: EngineMaker, value: AttributeValue) -> None:
    assert verdict_of(make_engine, "never { a.where(x exists) }", span(x=value)) is VIOLATED
    assert verdict_of(make_engine, "never { a.where(x missing) }", span(x=value)) is SATISFIED
    unknown = "x == x1 or x != x1 or x or not x or x < 1 or x contains a or x not contains a or length(x) >= 0 or x in [y] or x not in [y]"
    assert verdict_of(make_engine, f"never {{ a.where({unknown}) }}", span(x=value)) is SATISFIED


@every_engine
def test_bytes_are_not_equal_even_to_themselves(make_engine: EngineMaker) -> None:
    rule = "never { a before a on x or a.where(x == span.x) or some count(a by x) > 0 or distinct(a.x) > 0 }"
    assert verdict_of(make_engine, rule, span("f1", x=b"x"), span("f2", start_ns=INSTANT_NS + 5, x=b"x")) is SATISFIED


@every_engine
@pytest.mark.parametrize("kind", [-1, 6, 99, 2**31 - 1])
def test_an_unknown_kind_is_unspecified(make_engine: EngineMaker, kind: int) -> None:
    assert verdict_of(make_engine, "never { a.where(span:kind == unspecified) }", span(kind=kind)) is VIOLATED


@every_engine
def test_the_known_kinds_have_their_numbers(make_engine: EngineMaker) -> None:
    for number, word in enumerate(["unspecified", "internal", "server", "client", "producer", "consumer"]):
        assert verdict_of(make_engine, f"never {{ a.where(span:kind == {word}) }}", span(kind=number)) is VIOLATED


@every_engine
@pytest.mark.parametrize("status", [-1, 3, 99])
def test_an_unknown_status_is_unset(make_engine: EngineMaker, status: int) -> None:
    assert verdict_of(make_engine, "never { a.where(span:status == unset) }", span(status=status)) is VIOLATED


@every_engine
def test_the_known_statuses_have_their_numbers(make_engine: EngineMaker) -> None:
    for number, word in enumerate(["unset", "ok", "error"]):
        assert verdict_of(make_engine, f"never {{ a.where(span:status == {word}) }}", span(status=number)) is VIOLATED


@every_engine
@pytest.mark.parametrize(
    "test", ["x > 0", "x <= 0", "x == 0", "x != 0", "x == span.x", "x != span.x", "x in [1]", "x not in [1]", "abs(x) > 0"]
)
def test_not_a_number_compares_with_nothing(make_engine: EngineMaker, test: str) -> None:
    assert verdict_of(make_engine, f"never {{ a.where({test}) }}", span(x=math.nan)) is SATISFIED


@every_engine
def test_not_a_number_exists(make_engine: EngineMaker) -> None:
    assert verdict_of(make_engine, "never { a.where(x exists) }", span(x=math.nan)) is VIOLATED


@every_engine
def test_not_a_number_is_left_out_of_aggregates_and_groups(make_engine: EngineMaker) -> None:
    spans = span("f1", x=math.nan), span("f2", x=2), span("f3", x=math.nan)
    rule = "always { sum(a.x) == 2 and avg(a.x) == 2 and min(a.x) == 2 and max(a.x) == 2 and distinct(a.x) == 1 and count(a) == 3 }"
    assert verdict_of(make_engine, rule, *spans) is SATISFIED
    assert verdict_of(make_engine, "always { every count(a by x) == 1 }", *spans) is SATISFIED


@every_engine
def test_infinity_is_a_number_and_arithmetic_with_it_is_unknown(make_engine: EngineMaker) -> None:
    assert verdict_of(make_engine, "never { a.where(x > 1e300) }", span(x=math.inf)) is VIOLATED
    assert verdict_of(make_engine, "never { a.where(x + 1 > 0 or x - x == 0 or x * 2 > 0) }", span(x=math.inf)) is SATISFIED


@every_engine
def test_numbers_beyond_a_double_compare_exactly(make_engine: EngineMaker) -> None:
    assert verdict_of(make_engine, "never { a.where(x == y) }", span(x=2**53 + 1)) is SATISFIED
    assert verdict_of(make_engine, "never { a.where(x == span.y) }", span(x=2**53 + 1, y=float(2**53))) is SATISFIED
    assert verdict_of(make_engine, "never { a.where(x > span.y) }", span(x=2**53 + 1, y=float(2**53))) is VIOLATED
    assert verdict_of(make_engine, "never { a.where(x == -9223372036854775808) }", span(x=-(2**63))) is VIOLATED


@every_engine
def test_an_element_without_type_leaves_a_test_of_its_array_unknown(make_engine: EngineMaker) -> None:
    assert verdict_of(make_engine, "never { a.where(x == admin) }", span(x=(None, "admin"))) is VIOLATED
    assert verdict_of(make_engine, "never { a.where(x == admin or x != admin) }", span(x=(None, "user"))) is SATISFIED


@every_engine
def test_elements_that_only_exist_leave_a_test_of_their_array_unknown(make_engine: EngineMaker) -> None:
    for element in (b"x", MAP, math.nan, 5):
        assert verdict_of(make_engine, "never { a.where(x == admin or x != admin) }", span(x=(element, "user"))) is SATISFIED


@every_engine
def test_ill_formed_text_is_ordered_by_its_bytes(make_engine: EngineMaker) -> None:
    text = b"\xff".decode("utf-8", "surrogateescape")
    assert verdict_of(make_engine, 'never { a.where(x > "\U0001f600") }', span(x=text)) is VIOLATED
    assert verdict_of(make_engine, 'never { a.where(x < "\U0001f600") }', span(x=text)) is SATISFIED


@every_engine
def test_text_beyond_the_first_plane_is_above_text_below_it(make_engine: EngineMaker) -> None:
    assert verdict_of(make_engine, 'never { a.where(x > "\uffee") }', span(x="\U0001f600")) is VIOLATED


@every_engine
def test_ill_formed_text_equals_itself_and_is_searched_and_matched(make_engine: EngineMaker) -> None:
    text = b"user-\xff-1".decode("utf-8", "surrogateescape")
    rule = "never { a.where(x == span.y and x startswith `user` and x endswith `1` and x contains `-` and x matches `^user-`) }"
    assert verdict_of(make_engine, rule, span(x=text, y=text)) is VIOLATED


@every_engine
@pytest.mark.parametrize("start_ns", [0, 2**63, 2**64 - 2])
def test_times_that_are_none_or_beyond_int64_are_missing(make_engine: EngineMaker, start_ns: int) -> None:
    spans = span("f1", start_ns=start_ns), span("f2")
    assert (
        verdict_of(make_engine, "never { trace:duration > 1h or a before a within 1ns or max(a.span:duration) > 1s }", *spans) is SATISFIED
    )
    assert verdict_of(make_engine, "never { span.where(span:startTime missing and span:duration missing) }", *spans) is VIOLATED
