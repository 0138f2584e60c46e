"""Run the corpus `judge/` against an engine: rules and traces to verdicts and evidence."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Protocol

from compiler import Closing, Judgement, RuleSet, TraceView, Verdict, compile_sources
from compiler.literals import Malformed, read_duration
from compiler.notation import parse_trace
from compiler.source import SourceFile
from compiler.yaml_nodes import Scalar
from compiler.yaml_reader import read_yaml
from processor.notation_spans import spans_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.conformance.case import Expectation, ExpectedComparison, JudgeCase, ShownValue

_COMPLETE = frozenset({"root_ended", "idle", "drained"})
_NS_PER_S = 10**9


class Engine(Protocol):
    """Judges traces by the rule set it was made for."""

    def judge(self, view: TraceView, closing: Closing, opened_ns: int | None) -> Sequence[Judgement]:
        """Return one judgement per enabled rule, in order; `opened_ns` None: every exception is in force."""
        ...


class EngineMaker(Protocol):
    """Makes an engine: what joins the suite."""

    def __call__(self, rule_set: RuleSet, *, skew_tolerance_ns: int, offender_count_max: int) -> Engine:
        """Return an engine for a rule set."""
        ...


def run_judge(case: JudgeCase, make_engine: EngineMaker) -> list[str]:
    """Return what is wrong, trace by trace."""
    rule_set = compiled(case.let, case.entries())
    if isinstance(rule_set, list):
        return rule_set
    engine = make_engine(rule_set, skew_tolerance_ns=_duration_ns(case.skew_tolerance), offender_count_max=case.offender_count_max)
    opened_ns = None if case.opened is None else _midnight_ns(case.opened)
    return [
        problem if len(case.traces) == 1 else f"trace {number}: {problem}"
        for number, expectation in enumerate(case.traces, 1)
        for problem in _judge_one(expectation, engine, [rule.id for rule in rule_set.enabled], opened_ns)
    ]


def compiled(let: Mapping[str, object] | None, entries: Sequence[Mapping[str, object]]) -> RuleSet | list[str]:
    """Return the rule set of a case, or why it does not compile."""
    content = {**({"let": let} if let else {}), "rules": entries}
    compilation = compile_sources([SourceFile("case", json.dumps(content, ensure_ascii=False).encode())])
    return compilation.rule_set or [f"{found.code}: {found.message}" for found in compilation.errors]


def _judge_one(expectation: Expectation, engine: Engine, rule_ids: Sequence[str], opened_ns: int | None) -> list[str]:
    view = view_of(expectation.trace)
    if isinstance(view, list):
        return view
    judgements = engine.judge(view, closing_of(expectation, view), opened_ns)
    wanted = expectation.expect
    expected = dict.fromkeys(rule_ids, wanted) if isinstance(wanted, str) else dict(wanted)
    found = {judgement.rule_id: str(judgement.verdict) for judgement in judgements}
    if found != expected:
        return [f"expected {expected}, got {found}"]
    return _evidence(expectation, judgements)


def view_of(text: str) -> TraceView | list[str]:
    """Return the trace of a notation, or what is wrong with it."""
    node, _ = read_yaml(SourceFile("trace", json.dumps(text, ensure_ascii=False).encode()))
    assert isinstance(node, Scalar)
    trace, diagnostics = parse_trace(node)
    if trace is None or diagnostics:
        return [f"{found.code}: {found.message}" for found in diagnostics]
    return TraceView(spans_of(sorted(trace.lines, key=lambda line: line.arrives_ns)))


def closing_of(expectation: Expectation, view: TraceView) -> Closing:
    """Return how much of the trace is there."""
    if expectation.open:
        return Closing.OPEN
    close = expectation.close or "drained"
    return Closing.COMPLETE if close in _COMPLETE or (close == "max_age" and view.roots) else Closing.INCOMPLETE


def _evidence(expectation: Expectation, judgements: Sequence[Judgement]) -> list[str]:
    asked = (expectation.offenders, expectation.offender_count, expectation.clauses, expectation.comparisons, expectation.exception)
    if all(one is None for one in asked):
        return []
    spoken_of = [one for one in judgements if one.verdict in {Verdict.VIOLATED, Verdict.EXCUSED}] or list(judgements)
    if len(spoken_of) != 1:
        return ["evidence is asked for, and more than one rule could be meant"]
    judgement = spoken_of[0]
    return [
        *_offender_problems(expectation, judgement),
        *_problem("offender_count", expectation.offender_count, judgement.offender_count),
        *_problem("clauses", expectation.clauses, judgement.clauses),
        *_problem("exception", expectation.exception, judgement.exception),
        *_comparison_problems(expectation.comparisons, judgement),
    ]


def _problem(what: str, wanted: object, found: object) -> list[str]:
    return [] if wanted is None or wanted == found else [f"{what}: expected {wanted!r}, got {found!r}"]


def _offender_problems(expectation: Expectation, judgement: Judgement) -> list[str]:
    wanted = expectation.offenders
    if wanted is None:
        return []
    found = judgement.offenders
    same = len(wanted) == len(found) and all(name in {span.name, span.span_id} for name, span in zip(wanted, found, strict=True))
    return [] if same else [f"offenders: expected {list(wanted)}, got {[f'{span.name} ({span.span_id})' for span in found]}"]


def _comparison_problems(wanted: Sequence[ExpectedComparison] | None, judgement: Judgement) -> list[str]:
    if wanted is None:
        return []
    found = judgement.comparisons
    same = len(wanted) == len(found) and all(
        (want.text is None or want.text == have.text)
        and _same(want.left, have.left)
        and _same(want.right, have.right)
        and _same(want.margin, have.margin)
        for want, have in zip(wanted, found, strict=True)
    )
    return [] if same else [f"comparisons: expected {list(wanted)}, got {list(found)}"]


def _same(wanted: ShownValue, found: object) -> bool:
    if isinstance(wanted, str) and isinstance(found, int):
        read = read_duration(wanted)
        return not isinstance(read, Malformed) and read.ns == found
    return isinstance(wanted, bool) == isinstance(found, bool) and wanted == found


def _duration_ns(text: str) -> int:
    read = read_duration(text)
    assert not isinstance(read, Malformed), text
    return read.ns


def _midnight_ns(day: dt.date) -> int:
    return int(dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC).timestamp()) * _NS_PER_S
