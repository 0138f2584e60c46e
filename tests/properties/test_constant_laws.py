"""What the compiler calls certain is so of every trace: the reference engine never finds the contrary."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import cache

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compiler import Closing, Judgement, Rule, SourceFile, TraceView, Verdict, compile_sources, ir, judge
from compiler.diagnostics import Code
from compiler.evaluate import formula
from compiler.interpreter import Look, Trace, predicate
from compiler.tableau import Tableau
from compiler.value_tests import ANY, KNOWN, NOT_TRUE, bit
from tests.properties.made_rules import formulas, rule_texts
from tests.properties.made_spans import traces
from topics.span import Span

SLOW_TO_MAKE = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much], deadline=None)
CONSTANT = frozenset({Code.NEVER_TRUE, Code.ALWAYS_TRUE, Code.NEVER_VIOLATED, Code.ALWAYS_VIOLATED, Code.CLAUSE_REPEATS_WHEN})

# Few values that meet: so that much of what is made contradicts itself.
_SUBJECTS = ("k", "k", "v", "span:status", "span:kind", "span:name", "length(k)", "span:duration", "span:parentID", "number(k)")
_TESTS = {
    "span:duration": ("< 0s", ">= 0s", "> 1ms", "<= 1ms", "== -1ms", "exists", "missing"),
    "span:parentID": ("exists", "missing", '== "0000000000000001"'),
    "span:status": ("== ok", "!= ok", "in [ok, error]", "not in [ok, unset]", "in [unset, ok, error]", "startswith e", "missing"),
    "span:kind": ("== server", "not in [unspecified, internal, client]", "in [producer, consumer]", "> m"),
    "span:name": ("== a", "!= a", '== "GET /x"', "in [a, b]", "startswith GET", "not matches `^[ab]$`"),
}
_PLAIN = (
    *("== 1", "!= 1", "== x", "!= x", "== true", "in [1, 2]", "not in [x, y]", "in [x]", "> 1", "<= 1", "< 1", ">= 2.5", "> x", "<= y"),
    *(
        "exists",
        "missing",
        "startswith x",
        "not startswith x",
        "endswith y",
        "contains x",
        "not contains x",
        "matches `^x`",
        "not matches `^x`",
    ),
    *("> v", "<= v", "== v2", "< span.v", "> span.v", "in []"),
)


@cache
def _tests(bound: str) -> st.SearchStrategy[str]:
    subjects = (*_SUBJECTS, *((f"{bound}.k", f"{bound}.span:status") if bound else ()))
    of_numbers = tuple(test for test in _PLAIN if test[-1].isdigit() and "x" not in test)
    made = [
        f"{subject} {test}"
        for subject in subjects
        for test in _TESTS.get(subject.removeprefix(f"{bound}."), of_numbers if "(" in subject else _PLAIN)
    ]
    return st.sampled_from([*made, *("k", "not k", "not v") * 3, "event(k == 1)", "event(k == 1 and v > 2)", "event(event:name == x)"])


@st.composite
def _connected(draw: st.DrawFn, atoms: st.SearchStrategy[str], depth: int) -> str:
    """Atoms joined and negated to a depth, always in parentheses."""
    word = draw(st.sampled_from((" and ", " or ", "not ", ""))) if depth else ""
    if not word:
        return f"({draw(atoms)})"
    count = 1 if word == "not " else draw(st.integers(2, 3))
    sides = [draw(_connected(atoms, depth - 1)) for _ in range(count)]
    return f"({word}{sides[0]})" if count == 1 else f"({word.join(sides)})"


@cache
def _joined(depth: int, bound: str) -> st.SearchStrategy[str]:
    return _connected(_tests(bound), depth)


@cache
def _atoms(bound: str) -> st.SearchStrategy[str]:
    base = st.sampled_from(("a", "a", "b", "span", "root", *((bound, bound) if bound else ())))
    where = st.one_of(st.just(""), _joined(0, bound).map(".where({})".format), _joined(1, bound).map(".where({})".format))
    selector = st.builds("{}{}".format, base, where)
    relation = st.sampled_from((" before ", " after ", " under ", " child of "))
    related = st.builds("{}{}{}{}".format, selector, relation, selector, st.sampled_from(("", " on k", " on k, v")))
    count = st.builds(
        "count({}) {} {}".format,
        st.one_of(selector, related),
        st.sampled_from(("==", "<", ">", ">=", "!=", "<=")),
        st.sampled_from("01225"),
    )
    trace = st.sampled_from(("trace:spanCount < 1", "trace:spanCount == 1", "max(a.k) > 1", "max(a.k) <= 1", "trace:serviceCount >= 0"))
    groups = st.sampled_from(("some count(a by k) < 0", "every count(a by k) >= 0", "every count(a by k) > 1", "some count(a by k) == 1.5"))
    of_all = st.builds("{}.{}({})".format, selector, st.sampled_from(("all", "none")), _joined(1, bound))
    return st.one_of(selector, selector, related, count, count, of_all, trace, groups)


@cache
def _formulas(depth: int, bound: str) -> st.SearchStrategy[str]:
    return _connected(_atoms(bound), depth)


@cache
def _rules(bound: str) -> st.SearchStrategy[str]:
    head = (
        st.builds("for each {} as {} ".format, _atoms("").filter(lambda text: "(" not in text[:6]), st.just(bound))
        if bound
        else st.just("")
    )
    when = st.one_of(st.just(""), _formulas(1, bound).map("when {{ {} }} ".format))
    clauses = [_formulas(1, bound).map(f"{word} {{{{ {{}} }}}} ".format) for word in ("always", "never")]
    return st.builds("{}{}{}".format, head, when, st.one_of(*clauses, st.builds("{}{}".format, *clauses)))


def _compiled(text: str) -> tuple[Rule, frozenset[Code]] | None:
    entry = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
    compilation = compile_sources([SourceFile("made.yaml", f'rules: [{{id: made, rule: "{entry}"}}]'.encode())])
    found = frozenset(diagnostic.code for diagnostic in compilation.diagnostics)
    return None if compilation.rule_set is None else (compilation.rule_set.rules[0], found)


@SLOW_TO_MAKE
@given(_joined(2, ""), traces, st.integers(1, ANY))
def test_facts_of_a_span_that_contradict_are_met_together_by_no_span(text: str, trace: list[Span], mask: int) -> None:
    compiled = _compiled(f"never {{ span.all({text}) }}")
    if compiled is None:
        return
    test = compiled[0].program.never.predicate  # type: ignore[union-attr]  # `span.all( )`
    if Tableau().contradict([(test, mask)]):
        assert not any(bit(predicate(test, Look(span, {}))) & mask for span in trace)


@SLOW_TO_MAKE
@given(st.one_of(_formulas(2, ""), _formulas(1, ""), formulas(2, "")), traces, st.integers(1, ANY))
def test_facts_of_a_trace_that_contradict_are_met_together_by_no_trace(text: str, trace: list[Span], mask: int) -> None:
    compiled = _compiled(f"never {{ {text} }}")
    if compiled is None:
        return
    found = compiled[0].program.never
    assert found is not None
    if Tableau().contradict([(found, mask)]):
        assert not bit(formula(found, Trace(TraceView(trace), is_open=False))) & mask


def test_facts_that_leave_both_truths_open_contradict_nothing() -> None:
    some = ir.Selected(ir.Related(ir.Selector(ir.AnySpan())))
    assert not Tableau().contradict([(some, KNOWN)])
    assert Tableau().contradict([(some, NOT_TRUE)])


def _judged(rule: Rule, spans: Sequence[Span], closing: Closing) -> Judgement:
    return judge(rule, TraceView(spans), closing, opened_ns=None)


@SLOW_TO_MAKE
@given(st.one_of(_rules(""), _rules("p"), rule_texts), traces)
def test_a_rule_that_is_said_to_be_always_or_never_violated_is(text: str, trace: list[Span]) -> None:
    compiled = _compiled(text)
    if compiled is None or compiled[1] & {Code.NEVER_TRUE, Code.ALWAYS_TRUE}:
        return
    rule, codes = compiled
    verdict = _judged(rule, trace, Closing.COMPLETE).verdict
    if Code.ALWAYS_VIOLATED in codes:
        assert verdict in {Verdict.VIOLATED, Verdict.NOT_APPLICABLE}
    if Code.NEVER_VIOLATED in codes and (rule.program.always is None or rule.program.never is None):
        assert all(_judged(rule, trace, closing).verdict is not Verdict.VIOLATED for closing in Closing)


@SLOW_TO_MAKE
@given(st.one_of(_rules(""), _rules("p"), rule_texts), traces, st.data())
def test_a_rule_that_another_one_is_said_to_imply_is_violated_only_with_it(text: str, trace: list[Span], data: st.DataObject) -> None:
    """The other one differs in its numbers, or demands more."""
    other = re.sub(r"(?<=[<>=] )[0-9]\b", lambda _: data.draw(st.sampled_from("012359")), text)
    if data.draw(st.booleans()):
        other = re.sub(r"always \{", "always { root and", other, count=1)
    entries = [{"id": name, "rule": rule} for name, rule in (("one", text), ("two", other))]
    compilation = compile_sources([SourceFile("made.yaml", json.dumps({"rules": entries}).encode())])
    said = [found for found in compilation.diagnostics if found.code in {Code.DUPLICATE_RULE, Code.IMPLIED_RULE}]
    if compilation.rule_set is None or not said:
        return
    assert len(said) == 1
    one, two = compilation.rule_set.rules
    implied, by = (two, one) if said[0].region == two.region else (one, two)
    for closing in Closing:
        verdict, verdict_by = _judged(implied, trace, closing).verdict, _judged(by, trace, closing).verdict
        assert verdict is not Verdict.VIOLATED or verdict_by is Verdict.VIOLATED
        assert said[0].code is not Code.DUPLICATE_RULE or verdict is verdict_by
