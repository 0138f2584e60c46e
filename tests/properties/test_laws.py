"""Laws of the language, for every rule and every trace: order, redelivery, what is decided early, and that nothing is ever raised."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compiler import Closing, Judgement, Rule, SourceFile, TraceView, Verdict, compile_sources, judge
from compiler.evaluate import formula
from compiler.interpreter import Trace
from tests.properties.made_rules import rule_files, rule_texts, rules
from tests.properties.made_spans import arrivals, redelivered, traces
from topics.span import Span

WORDS_OF_THE_LANGUAGE = (
    *("always", "never", "when", "for", "each", "as", "let", "(", ")", "{", "}", "[", "]", ",", ".", "a", "b", "==", ">", "1", "5s"),
    *('"x"', "and", "or", "not", "in", "count", "sum", "by", "on", "within", "before", "span:duration", ".where(", "event("),
)
SLOW_TO_MAKE = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much], deadline=None)


def _judged(rule: Rule, spans: Sequence[Span], closing: Closing = Closing.COMPLETE) -> Judgement:
    return judge(rule, TraceView(spans), closing, opened_ns=None)


@SLOW_TO_MAKE
@given(rules, traces, st.data(), st.sampled_from(Closing))
def test_order_of_arrival_and_redelivery_change_nothing(rule: Rule, trace: list[Span], data: st.DataObject, closing: Closing) -> None:
    again = data.draw(redelivered(trace))
    assert repr(_judged(rule, trace, closing)) == repr(_judged(rule, again, closing))


@SLOW_TO_MAKE
@given(rules, arrivals, st.data())
def test_of_one_span_id_the_first_to_arrive_stands(rule: Rule, spans: list[Span], data: st.DataObject) -> None:
    first: dict[str, Span] = {}
    for span in spans:
        first.setdefault(span.span_id, span)
    standing = data.draw(st.permutations(list(first.values())))
    assert repr(_judged(rule, spans)) == repr(_judged(rule, standing))


@SLOW_TO_MAKE
@given(rules, traces, st.data())
def test_what_the_open_evaluation_of_a_formula_decided_the_closed_one_never_changes(
    rule: Rule, trace: list[Span], data: st.DataObject
) -> None:
    """A formula judged open on some of the spans, where it is decided, has the value it has when closed on all."""
    seen = data.draw(st.lists(st.sampled_from(trace), unique_by=lambda span: span.span_id))
    program = rule.program
    bodies = [] if program.for_each else [body for body in (program.when, program.always, program.never) if body is not None]
    for body in bodies:
        early = formula(body, Trace(TraceView(seen), is_open=True))
        if early is not None:
            assert formula(body, Trace(TraceView(trace), is_open=False)) is early
            assert formula(body, Trace(TraceView(trace), is_open=True)) is early


@SLOW_TO_MAKE
@given(rules, traces, st.data())
def test_a_violation_said_early_is_not_taken_back_by_spans_that_follow(rule: Rule, trace: list[Span], data: st.DataObject) -> None:
    """Unless the trace is excused at its close, or turns out incomplete for the rule, for which a decided violation stands too."""
    seen = data.draw(st.lists(st.sampled_from(trace), unique_by=lambda span: span.span_id))
    if _judged(rule, seen, Closing.OPEN).verdict is Verdict.VIOLATED:
        for closing in Closing:
            assert _judged(rule, trace, closing).verdict is Verdict.VIOLATED


@SLOW_TO_MAKE
@given(rules, traces)
def test_a_verdict_has_evidence_where_it_accuses_and_none_elsewhere(rule: Rule, trace: list[Span]) -> None:
    for closing in Closing:
        judgement = _judged(rule, trace, closing)
        accuses = judgement.verdict in {Verdict.VIOLATED, Verdict.EXCUSED}
        assert bool(judgement.clauses) == accuses
        assert len(judgement.offenders) == min(judgement.offender_count, 16)
        assert accuses or not (judgement.offender_count or judgement.comparisons)
        assert (judgement.verdict is Verdict.UNKNOWN) <= (closing is Closing.OPEN)
        assert (judgement.verdict is Verdict.INCONCLUSIVE) <= (closing is Closing.INCOMPLETE or rule.program.requires_complete)


@SLOW_TO_MAKE
@given(rule_files)
def test_the_generated_rules_are_mostly_legal_and_never_raise(content: bytes) -> None:
    compile_sources([SourceFile("made.yaml", content)])


@SLOW_TO_MAKE
@given(rule_texts, st.data())
def test_the_checker_never_raises_on_a_rule_that_was_damaged(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 8)))
    damaged = text[:start] + data.draw(st.text(max_size=4)) + text[end:]
    _compiles_or_says_why(damaged)


@SLOW_TO_MAKE
@given(st.text(max_size=200))
def test_the_checker_never_raises_on_any_text(text: str) -> None:
    _compiles_or_says_why(text)


@SLOW_TO_MAKE
@given(
    st.lists(
        st.sampled_from(WORDS_OF_THE_LANGUAGE),
        max_size=40,
    )
)
def test_the_checker_never_raises_on_any_words_of_the_language(words: list[str]) -> None:
    _compiles_or_says_why(" ".join(words))


@SLOW_TO_MAKE
@given(st.binary(max_size=400))
def test_the_compiler_never_raises_on_any_bytes(content: bytes) -> None:
    compilation = compile_sources([SourceFile("any", content)])
    assert (compilation.rule_set is None) == bool(compilation.errors)


def _compiles_or_says_why(rule: str) -> None:
    escaped = rule.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    quoted = "".join(f"\\U{ord(mark):08x}" for mark in escaped)
    compilation = compile_sources([SourceFile("any", f'rules: [{{id: r, rule: "{quoted}"}}]'.encode())])
    assert (compilation.rule_set is None) == bool(compilation.errors)
    for found in compilation.diagnostics:
        assert found.message
        assert found.region.line >= 1
        assert found.region.column >= 1
