"""A disagreement as a case of the conformance suite (tests/conformance/judge), where the test notation can say its trace."""

from __future__ import annotations

import datetime as dt
import json
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from compiler import INSTANT_NS, Closing, ReferenceEngine, TraceView, Verdict
from compiler.notation import parse_trace
from compiler.notation_line import KINDS, STATUSES
from compiler.source import SourceFile
from compiler.yaml_nodes import Scalar
from compiler.yaml_reader import read_yaml
from processor.notation_spans import spans_of

if TYPE_CHECKING:
    from compiler import Judgement
    from tests.differential.example import Example
    from topics.span import AttributeValue, Event, Link, Span

_NS_PER_S = 10**9
_CLOSE_WORDS = {Closing.COMPLETE: "close: drained", Closing.INCOMPLETE: "close: evicted", Closing.OPEN: "open: true"}


def case_text(example: Example, spans: Sequence[Span], closing: Closing, opened_ns: int | None) -> str:
    """Return the case of one trace: all rules of the example, what the reference engine says, evidence where it is of one rule only."""
    notation = notation_of(spans)
    if notation is None:
        return "# The test notation cannot say this trace: keep the example itself in tests/differential/found."
    engine = ReferenceEngine(example.rule_set, example.skew_tolerance_ns, example.offender_count_max)
    judgements = engine.judge(TraceView(spans), closing, opened_ns)
    lines = [
        "  - name: say what it shows in one sentence",
        "    proves: language.md 0, sentence 0",
        "    rules:",
        *(f"      - {_json(entry)}" for entry in json.loads(example.rule_file)["rules"]),
        *([f"    skew_tolerance: {example.skew_tolerance_ns}ns"] if example.skew_tolerance_ns else []),
        *([f"    offender_count_max: {example.offender_count_max}"] if example.offender_count_max != 16 else []),
        *_opened(opened_ns),
        "    traces:",
        "      - trace: |",
        textwrap.indent(notation, " " * 10),
        f"        {_CLOSE_WORDS[closing]}",
        f"        expect: {_json({judgement.rule_id: judgement.verdict for judgement in judgements})}",
        *_evidence([judgement for judgement in judgements if judgement.verdict in {Verdict.VIOLATED, Verdict.EXCUSED}]),
    ]
    return "\n".join(lines)


def _opened(opened_ns: int | None) -> list[str]:
    if opened_ns is None:
        return []
    moment = dt.datetime.fromtimestamp(opened_ns // _NS_PER_S, dt.UTC)
    return [f"    opened: {moment.date()}" + ("" if opened_ns == int(moment.timestamp()) * _NS_PER_S else f"  # {opened_ns} ns in truth")]


def _evidence(evident: Sequence[Judgement]) -> list[str]:
    if len(evident) != 1:
        return []
    judgement = evident[0]
    shown = {
        "clauses": list(judgement.clauses),
        "offenders": [span.span_id for span in judgement.offenders],
        "offender_count": judgement.offender_count,
        "comparisons": [{"text": one.text, "left": one.left, "right": one.right, "margin": one.margin} for one in judgement.comparisons],
        **({"exception": judgement.exception} if judgement.exception else {}),
    }
    return [f"        {word}: {_json(value)}" for word, value in shown.items()]


def _json(value: object) -> str:
    # JSON is YAML, but for text that is no UTF-8 and for numbers that are not finite: those want a hand.
    return json.dumps(value, ensure_ascii=True)


# ---- notation -----------------------------------------------------------------------------------------------------------------------


def notation_of(spans: Sequence[Span]) -> str | None:
    """Return the spans as a test trace, in their order; None where they would not be read as they are."""
    text = "\n".join([_line(span) for span in spans])
    try:
        quoted = json.dumps(text, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return None
    node, _ = read_yaml(SourceFile("trace", quoted))
    if not isinstance(node, Scalar):
        return None
    trace, _ = parse_trace(node)
    if trace is None or repr(spans_of(trace.lines, spans[0].trace_id)) != repr(list(spans)):
        return None
    return text


def _line(span: Span) -> str:
    end = "none" if span.end_ns == 0 else f"{span.end_ns - INSTANT_NS}ns"
    items = [
        f"id={span.span_id}",
        *([f"parent={span.parent_id}"] if span.parent_id else []),
        *([] if span.kind == KINDS["internal"] else [f"kind={_word(KINDS, span.kind)}"]),
        *([f"status={_word(STATUSES, span.status)}"] if span.status else []),
        *([f"span:statusMessage={_quoted(span.status_message)}"] if span.status_message else []),
        *([f"scope={_quoted(span.scope.name)}"] if span.scope.name else []),
        *([f"instrumentation:version={_quoted(span.scope.version)}"] if span.scope.version else []),
        *(f"resource.{key}={_value(value)}" for key, value in span.resource.attributes.items()),
        *(f"scope.{key}={_value(value)}" for key, value in span.scope.attributes.items()),
        *(f"{_quoted(key)}={_value(value)}" for key, value in span.attributes.items()),
        *(_event(event, span.start_ns) for event in span.events),
        *(_link(link) for link in span.links),
    ]
    return " ".join([_quoted(span.name), f"{span.start_ns - INSTANT_NS}ns..{end}", *items])


def _event(event: Event, start_ns: int) -> str:
    return f"event({', '.join([_quoted(event.name), f'at={event.time_ns - start_ns}ns', *_inner(event.attributes)])})"


def _link(link: Link) -> str:
    return f"link({', '.join([f'trace={link.trace_id}', f'id={link.span_id}', *_inner(link.attributes)])})"


def _inner(attributes: Mapping[str, AttributeValue]) -> list[str]:
    return [f"{_quoted(key)}={_value(value)}" for key, value in attributes.items()]


def _word(words: Mapping[str, int], number: int) -> str:
    return next((word for word, known in words.items() if known == number), "beyond")


def _value(value: AttributeValue | None) -> str:
    if isinstance(value, tuple):
        return f"[{','.join(_value(item) for item in value)}]"
    if isinstance(value, str):
        return _quoted(value)
    return json.dumps(value) if isinstance(value, bool | int | float) else "beyond"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
