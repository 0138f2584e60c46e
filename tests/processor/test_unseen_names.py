"""Names that rules read and that never occur: what both engines see, what is said of it, and how much is kept for it."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from compiler import TraceView
from compiler.read_names import Read, names_read
from processor.finite import judge_finite
from processor.inputs import InputRecord
from processor.trace_engine import TakenRecord, TakePolicy, batch_of
from processor.unseen_names import RecordSample, UnseenName, all_reads, unseen_names
from tests.conformance.case import JudgeCase, load_cases
from tests.conformance.run_judge import compiled, view_of
from tests.processor.played import rules, span
from tests.trace_engines import engine_for
from topics.otlp import encode_protobuf
from topics.span import Event, Link, Scope, Span

CASES = [case for case in load_cases() if isinstance(case, JudgeCase)]
UNLIMITED = TakePolicy(10_000)
SEEN = replace(
    span("charge", 1, parent=None, attributes={"amount": 5}),
    scope=Scope(attributes={"team": "pay"}),
    events=(Event("exception", 1, {"kind": "io"}),),
    links=(Link("1" * 32, "2" * 16, {"why": "retry"}),),
)
UNDER = span("check", 2, parent=1, attributes={"order": "A"})


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.label)
def test_every_name_that_a_rule_reads_is_seen_where_a_kept_span_has_it(case: JudgeCase) -> None:
    rule_set = compiled(case.let, case.entries())
    assert not isinstance(rule_set, list)
    reads = all_reads(rule_set)
    engine = engine_for(rule_set)
    engine.watch(reads)
    spans: list[Span] = []
    for partition, expectation in enumerate(case.traces):
        view = view_of(expectation.trace)
        assert isinstance(view, TraceView)
        spans += view.by_id.values()  # type: ignore[arg-type]  # the notation makes them of this kind
        engine.take(partition, batch_of([TakenRecord(encode_protobuf(spans[-view.span_count :]), "protobuf", 0)]), UNLIMITED)
        assert dict(zip(reads, engine.occurred(), strict=True)) == {read: any(map(read.occurs_in, spans)) for read in reads}


def sentence(read: Read) -> tuple[str, str, str]:
    """Whose name it is, where it is read, and the name."""
    base = getattr(read.base, "name", type(read.base).__name__)
    return (base, read.element or (str(read.attribute.scope) if read.attribute else "name"), read.name)


@pytest.mark.parametrize(
    ("rule", "reads"),
    [
        ("never { charge }", [("charge", "name", "charge")]),
        ("never { root.where(a == 1) }", [("Root", "any", "a")]),
        ("never { span.where(resource.a == 1 and scope.b == 2) }", [("AnySpan", "resource", "a"), ("AnySpan", "scope", "b")]),
        ("never { charge.where(span:duration > 1s and span:name == x) }", [("charge", "name", "charge")]),
        ("always { charge before check on a }", [("charge", "name", "charge"), ("check", "name", "check"), ("*", "any", "a")]),
        ("always { charge.all(a == 1) }", [("charge", "name", "charge"), ("charge", "any", "a")]),
        ("always { sum(charge.a) > 1 }", [("charge", "name", "charge"), ("charge", "any", "a")]),
        ("always { every sum(charge.a by b) > 1 }", [("charge", "name", "charge"), ("charge", "any", "a"), ("charge", "any", "b")]),
        (
            "for each charge as c always { check.where(a == c.b) }",
            [("charge", "name", "charge"), ("check", "name", "check"), ("check", "any", "a"), ("charge", "any", "b")],
        ),
        ("for each charge as c always { c.total == sum(check.a) }", [("charge", "any", "total"), ("check", "any", "a")]),
        ("for each charge as c when { c.where(b == 1) } always { c under check }", [("charge", "any", "b"), ("check", "name", "check")]),
        (
            "never { charge.where(event(kind == io and span.a == 1) or link(why == retry)) }",
            [("charge", "event", "kind"), ("charge", "span", "a"), ("charge", "link", "why")],
        ),
    ],
)
def test_a_name_belongs_to_the_spans_that_it_is_read_of(rule: str, reads: list[tuple[str, str, str]]) -> None:
    (found,) = rules(f"rules: [{{id: r, rule: {rule!r}}}]").rules
    wanted = {
        one
        for base, where, name in reads
        for one in ([("charge", where, name), ("check", where, name)] if base == "*" else [(base, where, name)])
    }
    names = {base for base, where, _ in wanted if where != "name"} - {"Root", "AnySpan"}
    assert set(map(sentence, names_read(found))) == wanted | {(name, "name", name) for name in names}


def test_an_exception_reads_names_too() -> None:
    exceptions = "[{name: known, when: bypas, owner: sre, reason: known, expires: 2030-01-01}]"
    (found,) = rules(f"rules: [{{id: r, rule: 'never {{ charge }}', exceptions: {exceptions}}}]").rules
    assert [read.name for read in names_read(found)] == ["charge", "bypas"]


# ---- of an input ------------------------------------------------------------------------------------------------------------------------


def unseen(rule: str, *records: tuple[Span, ...]) -> tuple[UnseenName, ...]:
    items = [InputRecord("file", 0, at, None, None, (), encode_protobuf(spans), "protobuf", at) for at, spans in enumerate(records)]
    return judge_finite(items, engine_for(rules(f"rules: [{{id: r, rule: {rule!r}}}]"))).unseen


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize(
    ("rule", "missing", "near"),
    [
        ("never { chrage }", "chrage", "charge"),
        ("never { charge.where(amout > 1) }", "amout", "amount"),
        ("never { charge.where(resource.regoin == eu) }", "regoin", "region"),
        ("never { charge.where(span.region == eu) }", "region", None),
        ("never { charge.where(scope.teams == pay) }", "teams", "team"),
        ("never { charge.where(event(knid == io)) }", "knid", None),
        ("never { charge.where(event(kinds == io)) }", "kinds", "kind"),
        ("never { charge.where(link(whys == retry)) }", "whys", "why"),
        ("never { root.where(order == A) }", "order", None),
        ("never { root.where(order == A) and span.where(order == A) }", "order", None),
        ("never { check.where(amount > 1) }", "amount", None),
        ("never { span.where(amounts > 1) }", "amounts", "amount"),
        ("for each charge as c never { check.where(order == c.orders) }", "orders", None),
        ("never { charges before charge }", "charges", None),
        ("never { refund }", "refund", None),
        ("never { refund.where(amout > 1) }", "refund", None),
    ],
)
def test_what_never_occurs_is_said_with_what_may_have_been_meant(rule: str, missing: str, near: str | None) -> None:
    assert [(one.read.name, one.near, one.rules) for one in unseen(rule, (SEEN,), (UNDER,))] == [(missing, near, ("r",))]


@pytest.mark.usefixtures("engine")
def test_what_occurs_once_and_late_is_not_said() -> None:
    others = [(span("check", number, of=number),) for number in range(2, 3000)]
    assert not unseen("never { charge.where(amount > 1 and region == eu and event(kind == io)) }", *others, (SEEN,))


@pytest.mark.usefixtures("engine")
def test_of_no_span_at_all_nothing_is_said() -> None:
    assert not unseen("never { charge }", ())


def test_where_very_many_names_would_be_compared_the_first_are() -> None:
    texts = "".join(f"  - {{id: r{number}, rule: 'never {{ operation{number:03} }}'}}\n" for number in range(60))
    rule_set = rules(f"rules:\n{texts}")
    spans = [span(f"operatoin{number:04}", number + 1) for number in range(2_000)]
    found = unseen_names(rule_set, dict.fromkeys(all_reads(rule_set), False), spans)
    suggested = [one.near is not None for one in found]
    assert suggested == [True] * 20 + [False] * 40


# ---- the sample -------------------------------------------------------------------------------------------------------------------------


def numbered(count: int, size: int) -> list[InputRecord]:
    """Return records of a span each, named by their numbers, a little larger than `size` bytes."""
    values = [encode_protobuf([span(f"{at:06}", 1, attributes={"fill": "x" * size})]) for at in range(count)]
    return [InputRecord("file", 0, at, None, None, (), value, "protobuf", at) for at, value in enumerate(values)]


def test_a_sample_stays_within_its_size_and_is_spread_over_the_input() -> None:
    sample = RecordSample(size_max=20_000)
    records = numbered(5_000, 100)
    for first in range(0, len(records), 700):
        sample.keep(records[first : first + 700])
    numbers = [int(one.name) for one in sample.spans()]
    steps = {b - a for a, b in pairwise(numbers)}
    assert len(steps) == 1
    assert numbers[0] == 0
    assert numbers[-1] >= 5_000 - 2 * steps.pop()
    assert 20_000 / 2 / 400 < len(numbers) <= 20_000 / 100


def test_of_records_that_are_too_large_one_is_kept_unless_it_is_much_too_large() -> None:
    sample = RecordSample(size_max=1_000)
    sample.keep(numbered(3, 5_000))
    assert len(sample.spans()) == 1
    much = RecordSample()
    much.keep(numbered(1, 5 * 2**20))
    assert much.spans() == []
