"""Queries of TraceQL become rules that forbid what they pick; what has no equivalent is told with its place."""

from __future__ import annotations

from functools import partial

import pytest

from compiler import SourceFile
from compiler.foreign.drafts import Draft, Refusal, UnreadableError
from compiler.foreign.traceql_text import traceql_items
from tests.compiler.imported import Imported, imported

SATISFIED, VIOLATED, NOT_APPLICABLE = "satisfied", "violated", "not_applicable"


def read(content: str, polarity: str = "violation") -> Imported:
    return imported(partial(traceql_items, polarity=polarity), content)


@pytest.mark.parametrize(
    ("query", "condition"),
    [
        ("{ }", "span"),
        ("{ true }", "span"),
        ("{ .a }", "span.where(a)"),
        ("{ !.a }", "span.where((a missing or not a))"),
        ('{ span.a = "x" && resource.b.c != 2.5 && .d >= -1 }', 'span.where(span.a == "x" and resource.b.c != 2.5 and d >= -1)'),
        ("{ .a || .b && .c }", "span.where((a or b) and c)"),
        ("{ .a || (.b && .c) }", "span.where(a or b and c)"),
        ("{ !(.a = 1 || .b > 2) }", "span.where((a missing or not (a == 1)) and (b missing or not (b > 2)))"),
        ("{ !(.a = 1 && .b) }", "span.where((a missing or not (a == 1)) or (b missing or not b))"),
        ("{ .a\n= 1 }", "span.where(a == 1)"),
        ("{ 5 < .a && 5 >= .b }", "span.where(a > 5 and b <= 5)"),
        ("{ .a } | sum(.x) < 1", "span.where(a) and sum(span.where(a).x) < 1"),
        ("{ !(!(.a = 1)) }", "span.where(a == 1)"),
        ("{ status = error && kind != server }", "span.where(span:status == error and span:kind != server)"),
        ("{ !(status = error) }", "span.where(not (span:status == error))"),
        ('{ name =~ "a|b" && .c !~ `(?i)x` }', 'span.where(span:name matches "^(?:a|b)$" and c not matches "(?i)^(?:x)$")'),
        ("{ .a = nil && span.b != nil }", "span.where(a missing and span.b exists)"),
        ("{ !(.a = nil) }", "span.where(a exists)"),
        ("{ duration > 1h30m && duration < 1d }", "span.where(span:duration > 90m and span:duration < 24h)"),
        ("{ .a * 2 + 1 > .b / (.c - 1) }", "span.where(a * 2 + 1 > b / (c - 1))"),
        ("{ .a = .b && .c.d != .e.f && span.g > .h }", "span.where(a == (b) and c.d != e.f and span.g > (h))"),
        ("{ 200 <= .a }", "span.where(a >= 200)"),
        ('{ span."a b" = 1 && .x-y = 2 }', 'span.where(span."a b" == 1 and "x-y" == 2)'),
        ('{ instrumentation:name = "x" && instrumentation.y }', 'span.where(instrumentation:name == "x" and scope.y)'),
        ('{ event:name = "e" && event.a = 1 }', 'span.where(event(event:name == "e") and event(a == 1))'),
        ('{ link.a != "x" }', 'span.where((link(a exists) and not link(a == "x")))'),
        ('{ event.a !~ "x" || event.b = nil }', 'span.where((event(a exists) and not event(a matches "^(?:x)$")) or not event(b exists))'),
        ('{ traceDuration > 2s && .a && rootName = "r" }', 'trace:duration > 2s and trace:rootName == "r" and span.where(a)'),
        ('{ trace:rootService = "s" }', 'trace:rootService == "s"'),
        ("{ .a } && { .b } || { .c }", "span.where(a) and span.where(b) or span.where(c)"),
        ("{ .a } || { .b } && { .c }", "(span.where(a) or span.where(b)) and span.where(c)"),
        ("{ .a } > { .b }", "span.where(b) child of span.where(a)"),
        ("{ .a } >> { .b } > { .c }", "span.where(c) child of span.where(b) under span.where(a)"),
        ("{ .a } < { .b } << { .c }", "span.where(a) child of span.where(b) under span.where(c)"),
        ("{ .a } ~ { .b }", "span.where(b) sibling of span.where(a)"),
        ("{ .a } &>> { .b } && { .c }", "span.where(b) under span.where(a) and span.where(c)"),
        ("{ .a } | { .b } | count() > 3", "count(span.where(a).where(b)) > 3"),
        ("{ .a } >> { .b } | count() > 3", "count(span.where(b) under span.where(a)) > 3"),
        ("{ .a } | count() < 3", "span.where(a) and count(span.where(a)) < 3"),
        ("{ .a } | count() != 2", "span.where(a) and count(span.where(a)) != 2"),
        (
            "{ .a } | sum(.x) <= 3 | avg(duration) > 1s",
            "span.where(a) and sum(span.where(a).x) <= 3 and avg(span.where(a).span:duration) > 1s",
        ),
        ("{ .a } | min(resource.x) = 1 | { .b }", "min(span.where(a).resource.x) == 1 and span.where(a).where(b)"),
        ("max(duration) >= 1s", "max(span.span:duration) >= 1s"),
        ("{ .a } | by(name) | count() > 2", "some count(span.where(a) by span:name) > 2"),
        ("{ .a } | by(.b) | { .c } | max(duration) < 1s", "some max(span.where(a).where(c).span:duration by b) < 1s"),
        ("{ .a } | by(.b) | coalesce() | count() > 2", "count(span.where(a)) > 2"),
        ("({ .a } | count() > 1) && { trace:duration > 1s }", "count(span.where(a)) > 1 and trace:duration > 1s"),
        ("{ .a } | select(.b, name)", "span.where(a)"),
    ],
)
def test_a_query_becomes_a_rule_that_forbids_what_it_picks(query: str, condition: str) -> None:
    assert read(query).rules == [f"never  {{ {condition} }}"]
    assert read(query, "invariant").rules == [f"always {{ {condition} }}"]


@pytest.mark.parametrize(
    ("query", "rule"),
    [
        ("{ .a } !>> { .b }", "for each span.where(b) as x\nalways { x under span.where(a) }"),
        ("{ .x } !> { .one }", "for each span.where(one) as it\nalways { it child of span.where(x) }"),
        ("{ .a } !~ { .b }", "for each span.where(b) as x\nalways { x sibling of span.where(a) }"),
        ("{ .a } !< { .b }", "for each span.where(b) as x\nalways { span.where(a) child of x }"),
        ("{ .a } >> { .b } !<< { .c }", None),
        ("{ .a } << { .b } !<< { .c }", "for each span.where(c) as x\nalways { span.where(a) under span.where(b) under x }"),
    ],
)
def test_a_negated_relation_becomes_a_rule_for_each(query: str, rule: str | None) -> None:
    assert read(query).rules == ([] if rule is None else [rule])
    assert read(query, "invariant").rules == []


@pytest.mark.parametrize(
    ("query", "column", "said"),
    [
        ("{ .a } | rate()", 10, "a number over time"),
        ("{ .a } | quantile_over_time(duration, .9) by (name)", 10, "a number over time"),
        ("{ .a } | compare({ .b })", 10, "a number over time"),
        ("{ .a } | count() = 0", 18, "picks nothing"),
        ("{ .a } | count() < 1", 18, "picks nothing"),
        ("{ .a } | count()", 17, "expected a comparison"),
        ('{ .a } | count() > "x"', 20, "compared with a constant"),
        ("{ .a } &> { .b } | count() > 1", 20, "only whether there are such spans"),
        ("{ .a } < { .b } | count() > 1", 19, "only whether there are such spans"),
        ("{ .a } >> { .b } | avg(.c) > 1", 20, "of spans that are related"),
        ("({ .a } && { .b }) | count() > 1", 22, "joined or negated"),
        ("{ .a } > { .b } < { .c }", 17, "in the middle of two relations"),
        ("{ .a } > ({ .b } > { .c })", 8, "single spansets"),
        ("{ .a } !> { .b } && { .c }", 8, "stands alone"),
        ("{ .a } | by(name) | count() > 2 | count() > 3", 35, "of the groups that were kept"),
        ("{ .a } | by(name) | count() > 2 | { .b }", 35, "of the groups that were kept"),
        ("{ .a } | by(.b + 1)", 13, "single attribute"),
        ("{ .a } | by(rootName)", 13, "single attribute"),
        ("{ parent.a = 1 }", 3, "write `{ } > { }`"),
        ("{ childCount > 1 }", 3, "no equivalent"),
        ("{ nestedSetLeft = 1 }", 3, "no equivalent"),
        ("{ span:childCount > 1 }", 3, "no equivalent"),
        ("{ trace:duration > 1s || .a }", 1, "stands with `&&` alone"),
        ("{ !(trace:duration > 1s) }", 3, "stands with `&&` alone"),
        ("{ !.a = 1 }", 3, "binds tighter"),
        ("{ false }", 3, "picks no span"),
        ("{ !true }", 3, "picks no span"),
        ("{ .a || true }", 1, "are idle"),
        ("{ 1 = 2 }", 3, "two constants"),
        ("{ .a = .x-y }", 8, "cannot stand right"),
        ("{ .a % 2 = 0 }", 6, "there is no `%`"),
        ("{ .a =~ .b }", 9, "a pattern is a string"),
        ("{ duration }", 3, "alone asks nothing"),
        ("{ .a = event.b }", 8, "with constants only"),
        ("{ event.a + 1 = 2 }", 3, "arithmetic is of numbers"),
        ("{ attribute = 4 }", 3, "attributes begin with a dot"),
        ("{ .a == 4 }", 7, "unexpected `=`"),
        ("{ .a = 'x' }", 8, "unexpected `'`"),
        ("{ .a < 3", 9, "unexpected the end"),
        ("{ .a } with(sample=0.1)", 8, "expected the end"),
        ("{ .a } + { .b }", 8, "expected the end"),
        ('{ .a =~ "(" }', 1, "as a rule it is refused"),
        ('{ .a < "x" && duration > 5 }', 1, "as a rule it is refused"),
        ("{ " + "(" * 4000, 53, "nested deeper"),
        ("{ " + "!" * 4000 + ".a }", 53, "nested deeper"),
        ("(" * 4000 + "{ }", 51, "nested deeper"),
        ("{ " + "-" * 4000 + "1 = .a }", 52, "nested deeper"),
    ],
)
def test_what_cannot_be_said_is_refused_with_its_place(query: str, column: int, said: str) -> None:
    found = read(query)
    assert found.rules == []
    assert found.places == [(1, column)]
    assert said in found.notes[0]


def test_a_file_holds_queries_that_begin_on_lines_of_their_own() -> None:
    found = read("# Slow ones\n{ duration > 1s }\n  && { .b }\n\n{ .c } |\ncount() > 2\n// more\n({ .d })\n")
    assert found.rules == [
        "never  { span.where(span:duration > 1s) and span.where(b) }",
        "never  { count(span.where(c)) > 2 }",
        "never  { span.where(d) }",
    ]
    assert [(item.rule_id, item.name, item.region.line) for item in found.items if isinstance(item, Draft)] == [
        ("slow-ones", "Slow ones", 2),
        ("query-5", "query 5", 5),
        ("more", "more", 8),
    ]
    assert found.text.count("    mode: shadow\n") == 3


@pytest.mark.parametrize("unclosed", ["{ span.a = ", "{ .a", '{ .a = "x', "({ .a }", "{ .a && (.x", "{ .a &&\n  (.x"])
def test_an_unclosed_query_costs_no_other(unclosed: str) -> None:
    found = read(f'{{ .p }}\n{unclosed}\n# of q\n{{ .q = "y" }}\n{{ .r\n  && .s }}\n{{ .t }} | rate()\n(\n{{ .u }}\n  && {{ .v }})\n')
    assert found.rules == [
        "never  { span.where(p) }",
        'never  { span.where(q == "y") }',
        "never  { span.where(r and s) }",
        "never  { span.where(u) and span.where(v) }",
    ]
    refused = [item for item in found.items if isinstance(item, Refusal)]
    assert [item.original for item in refused] == [unclosed.rstrip(), "{ .t } | rate()"]
    assert refused[0].notes[0].region.line in {2, 3} - ({3} if "\n" not in unclosed else set())
    assert [item.name for item in found.items if isinstance(item, Draft)][1] == "of q"


def test_a_spanset_that_begins_a_line_inside_of_parentheses_begins_no_query() -> None:
    assert read("(\n{ .a } &&\n{ .b }\n) || (\n{ .c }\n)\n").rules == ["never  { span.where(a) and span.where(b) or span.where(c) }"]


@pytest.mark.parametrize(("content", "said"), [(b"{ .a = \xff }", "no UTF-8"), (b"{ }" * 400_000, "the most is")])
def test_a_file_that_cannot_be_read_ends_with_a_sentence(content: bytes, said: str) -> None:
    with pytest.raises(UnreadableError, match=said):
        list(traceql_items(SourceFile("theirs", content), "violation"))


TREE = "a  0ms..90ms  service=shop\n  b  10ms..31ms  x=1\n    c  11ms..12ms  y=2 error"


@pytest.mark.parametrize(
    ("query", "traces"),
    [
        ('{ name = "a" } >> { name = "c" }', {TREE: VIOLATED, "c  0ms..9ms\n  a  1ms..2ms": SATISFIED}),
        ('{ name = "a" } > { name = "c" }', {TREE: SATISFIED}),
        ('{ name = "c" } < { name = "b" }', {TREE: VIOLATED, "c  0ms..9ms\n  b  1ms..2ms": SATISFIED}),
        # Nothing above it: picked, also where the trace has no such span at all.
        ('{ name = "b" } !> { name = "c" }', {TREE: SATISFIED, "c  0ms..9ms": VIOLATED, "b  0ms..9ms": NOT_APPLICABLE}),
        # An absent attribute is no match, of `!=` neither, but of a negation it is.
        ("{ .x != 2 }", {TREE: VIOLATED, "a  0ms..9ms  x=2\n  b  1ms..2ms": SATISFIED}),
        ("{ !(.x = 2) }", {"a  0ms..9ms  x=2": SATISFIED, "a  0ms..9ms": VIOLATED}),
        # From the left: a or b, and then c.
        ("{ .p || .q && .r }", {"a  0ms..9ms  p=true": SATISFIED, "a  0ms..9ms  p=true r=true": VIOLATED}),
        ('{ .v =~ "ab" }', {"a  0ms..9ms  v=ab": VIOLATED, "a  0ms..9ms  v=xab": SATISFIED}),
        ("{ .v = .w }", {"a  0ms..9ms  v=1 w=1": VIOLATED, "a  0ms..9ms  v=w w=1": SATISFIED}),
        ("{ .x } | count() < 2", {"a  0ms..9ms  x=true": VIOLATED, "a  0ms..9ms": SATISFIED}),
        ("{ } | by(name) | count() > 1", {TREE: SATISFIED, "a  0ms..9ms\n  a  1ms..2ms": VIOLATED}),
        ("{ } | avg(duration) > 40ms", {TREE: SATISFIED, "a  0ms..90ms\n  b  0ms..1ms": VIOLATED}),
        ("{ event.k != 1 }", {"a  0ms..9ms  event(e, k=1) event(e, k=2)": SATISFIED, "a  0ms..9ms  event(e, k=2)": VIOLATED}),
        ("{ trace:duration > 50ms && status = error }", {TREE: VIOLATED, "a  0ms..50ms  error": SATISFIED}),
    ],
)
def test_traces_are_picked_as_the_query_says(query: str, traces: dict[str, str]) -> None:
    assert read(query).verdicts(*traces) == list(traces.values())
