"""Laws of the reference engine: what is decided on less stands on more, indexes change nothing, nothing is raised."""

from __future__ import annotations

from collections.abc import Sequence
from unittest.mock import patch

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from compiler import Closing, Judgement, Rule, SourceFile, TraceView, Verdict, interpreter, judge, relations
from compiler.evaluate import formula
from compiler.interpreter import Trace
from compiler.notation import parse_trace
from compiler.relations import select_related
from compiler.yaml_nodes import Scalar
from compiler.yaml_reader import read_yaml
from tests.properties.made_rules import compiled, rule_files, rules
from tests.properties.made_spans import arrivals, spans, traces
from topics.span import Span

PIECES_OF_THE_NOTATION = (
    *("a", "b", '"GET /x"', "  ", "    ", "\n", "\n", "\n  ", "0ms..5ms", "5ms..1ms", "1s..none", "0ms..", ".."),
    *("error", "orphan", "k=1", "k=", "id=1", "parent=1", "id=zz", "kind=client", "status=ok", "service=x"),
    *("resource.k=1", "v=[a,1]", "v=[", 'v="', 'v="x"', "arrives=2s", "scope=x", "v=1e999", "v=-", "99999999h..none"),
    *("event(exception, at=5ms, k=v)", "event(", "link(trace=1, id=2)", ")", "\t", "\u00e9"),
)
THOROUGH = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much], deadline=None)


def _judged(rule: Rule, arrived: Sequence[Span], closing: Closing, skew_ns: int = 0) -> Judgement:
    return judge(rule, TraceView(arrived), closing, opened_ns=None, skew_tolerance_ns=skew_ns)


@THOROUGH
@given(rules, arrivals, st.data())
def test_what_the_open_evaluation_decided_on_a_prefix_is_so_in_the_end(rule: Rule, arrived: list[Span], data: st.DataObject) -> None:
    """Of every formula and every instance of `for each`; spans that share an id and differ may come at any time."""
    seen, whole = TraceView(arrived[: data.draw(st.integers(0, len(arrived)))]), TraceView(arrived)
    program = rule.program
    bodies = [body for body in (program.when, program.always, program.never) if body is not None]
    pairs = [(Trace(seen, is_open=True), Trace(whole, is_open=False))]
    if program.for_each is not None:
        name, related = program.for_each.name, program.for_each.related
        pairs = [(early.binding(name, span), late.binding(name, span)) for early, late in pairs for span in select_related(related, early)]
    for early, late in pairs:
        for body in bodies:
            decided = formula(body, early)
            assert decided is None or formula(body, late) is decided


@THOROUGH
@given(rules, arrivals, st.data())
def test_a_verdict_of_an_incomplete_trace_is_that_of_the_whole_unless_it_is_inconclusive(
    rule: Rule, arrived: list[Span], data: st.DataObject
) -> None:
    """An exception that could not be decided then may still excuse a violation."""
    then = _judged(rule, arrived[: data.draw(st.integers(1, len(arrived)))], Closing.INCOMPLETE).verdict
    for closing in (Closing.INCOMPLETE, Closing.COMPLETE):
        in_the_end = _judged(rule, arrived, closing).verdict
        may_be_excused = then is Verdict.VIOLATED and in_the_end is Verdict.EXCUSED and bool(rule.exceptions)
        assert then is Verdict.INCONCLUSIVE or in_the_end is then or may_be_excused


@THOROUGH
@given(rules, arrivals, st.data())
def test_the_evidence_of_a_violation_only_grows(rule: Rule, arrived: list[Span], data: st.DataObject) -> None:
    """Clauses and bound spans said early are among those said of the whole trace, where all of them are named."""
    early = _judged(rule, arrived[: data.draw(st.integers(1, len(arrived)))], Closing.OPEN)
    in_the_end = _judged(rule, arrived, Closing.COMPLETE)
    if early.verdict is Verdict.VIOLATED:
        assert set(early.clauses) <= set(in_the_end.clauses) or rule.program.requires_complete
        if rule.program.for_each is not None:
            assert {span.span_id for span in early.offenders} <= {span.span_id for span in in_the_end.offenders}


@THOROUGH
@given(rules, traces, st.sampled_from(Closing), st.sampled_from((0, 1, 1_000_000, 2_000_000)))
def test_indexes_leave_nothing_out(rule: Rule, trace: list[Span], closing: Closing, skew_ns: int) -> None:
    """Judged with every pair of spans asked, a trace has the verdict and the evidence that it has with indexes."""
    judged = _judged(rule, trace, closing, skew_ns)
    with (
        patch.object(relations, "_index", lambda _link, partners, _trace: lambda _span: partners),
        patch.object(interpreter, "join_of", lambda _where: None),
    ):
        assert repr(_judged(rule, trace, closing, skew_ns)) == repr(judged)


@THOROUGH
@given(rules, traces, st.sampled_from(Closing))
def test_every_offender_is_a_span_of_the_trace_and_stands_in_order(rule: Rule, trace: list[Span], closing: Closing) -> None:
    view = TraceView(trace)
    named = judge(rule, view, closing, opened_ns=None).offenders
    places = [view.spans.index(span) for span in named]
    assert places == sorted(set(places))


@THOROUGH
@given(rule_files, st.lists(spans(), max_size=4), st.sampled_from(Closing))
def test_nothing_is_raised_by_any_rule_on_any_spans(content: bytes, arrived: list[Span], closing: Closing) -> None:
    rule = compiled(content)
    assume(rule is not None)
    assert rule is not None
    assert _judged(rule, arrived, closing).rule_id == rule.id


@THOROUGH
@given(st.lists(st.sampled_from(PIECES_OF_THE_NOTATION), max_size=30), st.sampled_from(("", " ", "  ")))
def test_the_test_notation_is_read_or_refused_and_never_raises(pieces: list[str], between: str) -> None:
    _read_or_refused(between.join(pieces))


@THOROUGH
@given(st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n"), max_size=100))
def test_any_text_is_a_trace_or_refused_and_never_raises(text: str) -> None:
    _read_or_refused(text)


def _read_or_refused(text: str) -> None:
    quoted = "".join(f"\\U{ord(mark):08x}" for mark in text)
    node, _ = read_yaml(SourceFile("any", f'"{quoted}"'.encode()))
    assert isinstance(node, Scalar)
    trace, diagnostics = parse_trace(node)
    assert (trace is None) == bool(diagnostics)
