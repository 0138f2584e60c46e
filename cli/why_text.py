"""Why a rule judges a trace as it does, as a tree that a person reads, and as JSON."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from rich.text import Text

from cli.amounts import duration_text
from cli.rule_files import count_of
from cli.shown_text import brief, one_line
from cli.violation_text import value_text
from compiler import Rule, Span, TraceView, Verdict
from compiler.reason import Found, Reason
from compiler.trace import has_times
from compiler.values import Duration, Time, Value
from compiler.why import InstanceReason, Why

_STYLES = {
    Verdict.VIOLATED: "bold red",
    Verdict.EXCUSED: "yellow",
    Verdict.INCONCLUSIVE: "yellow",
    Verdict.SATISFIED: "bold green",
    Verdict.NOT_APPLICABLE: "dim",
}
_WORDS = {True: "true", False: "false", None: "unknown"}
# What each part of a rule is when it does its share for the rule to be satisfied.
_WELL = {"when": True, "always": True, "never": False}
_STEP = "    "


def why_text(answer: Why, rule: Rule, view: TraceView) -> Text:
    """Return the tree of one trace: its verdict, then each clause with what decides it."""
    return Text("\n").join([*_heading(answer, rule, view), *_Writer(view).body(answer, rule)])


def _heading(answer: Why, rule: Rule, view: TraceView) -> Iterator[Text]:
    heading = (
        Text(rule.id, style="bold").append(": ", style="").append(answer.verdict.replace("_", " "), style=_STYLES.get(answer.verdict, ""))
    )
    heading.append(f"  trace {view.trace_id}", style="dim")
    if view.root_name:
        heading.append(f"  {brief(view.root_name)}", style="dim")
    yield heading
    for note in answer.notes:
        yield Text(f"  {note}", style="yellow")


@dataclass(frozen=True, slots=True)
class _Writer:
    """Writes reasons about the spans of one trace."""

    view: TraceView

    def body(self, answer: Why, rule: Rule) -> Iterator[Text]:
        if rule.program.for_each is not None:
            yield Text(f"  for each {rule.program.for_each.name}: {self._instances(answer)}")
        if answer.none_bound is not None:
            yield from self._reason(answer.none_bound, "  " + _STEP)
        for instance in answer.instances:
            yield from self._instance(instance)
        for name, reason in answer.exceptions.items():
            yield Text(f"  exception {brief(name)}: {_WORDS[reason.truth]}", style="yellow" if reason.truth else "")
            yield from self._reason(reason, "  " + _STEP)

    @staticmethod
    def _instances(answer: Why) -> str:
        counts = [f"{count} {verdict.replace('_', ' ')}" for verdict, count in answer.counts.items()]
        return ", ".join(counts) if counts else "no span is selected"

    def _instance(self, instance: InstanceReason) -> Iterator[Text]:
        indent = "  "
        if instance.span is not None:
            yield Text(
                f"{indent}{self._span(instance.span)}: {instance.verdict.replace('_', ' ')}", style=_STYLES.get(instance.verdict, "")
            )
            indent += _STEP
        for word, reason in instance.parts.items():
            is_well = reason.truth is _WELL[word]
            mark, style = ("?", "yellow") if reason.truth is None else ("✓", "green") if is_well else ("✗", "red")
            yield Text(f"{indent}{mark} ", style=style).append(f"{word} ", style="bold").append(one_line(reason.text), style="")
            yield from self._detail(reason, indent + _STEP)

    def _reason(self, reason: Reason, indent: str) -> Iterator[Text]:
        found = f", {_found(reason)}" if reason.found else ""
        yield Text(f"{indent}{one_line(reason.text)}: ").append(_WORDS[reason.truth], style="bold").append(found, style="")
        yield from self._detail(reason, indent + _STEP, with_found=False)

    def _detail(self, reason: Reason, indent: str, *, with_found: bool = True) -> Iterator[Text]:
        if reason.found and with_found:
            yield Text(f"{indent}{_found(reason)}")
        if reason.note:
            yield Text(f"{indent}{one_line(reason.note)}")
        if reason.spans:
            yield Text(f"{indent}{self._spans(reason)}")
        for part in reason.parts:
            yield from self._reason(part, indent)

    def _spans(self, reason: Reason) -> str:
        named = ", ".join(map(self._span, reason.spans))
        if reason.is_near:
            return f"nearest of {reason.span_count}: {named}" if reason.span_count > len(reason.spans) else f"nearest: {named}"
        more = reason.span_count - len(reason.spans)
        return f"{count_of(reason.span_count, 'span')}: {named}{f' and {more} more' if more else ''}"

    def _span(self, span: Span) -> str:
        service = span.resource.attributes.get("service.name")
        of_service = f" of {brief(service)}" if isinstance(service, str) else ""
        return f"{brief(span.name)}{of_service} {self._times(span)}"

    def _times(self, span: Span) -> str:
        if not has_times(span):
            return "without times"
        start_ns = self.view.first_start_ns or 0
        return f"{duration_text(span.start_ns - start_ns)}..{duration_text(span.end_ns - start_ns)}"


def _found(reason: Reason) -> str:
    return ", ".join(map(_value_text, reason.found))


def _value_text(found: Found) -> str:
    if found.value is None:
        return f"{one_line(found.text)} has no value"
    return f"{one_line(found.text)} = {_shown(found.value)}"


def _shown(value: Value) -> str:
    if isinstance(value, Duration):
        return duration_text(value.ns)
    if isinstance(value, Time):
        return f"{value.ns} ns"
    if isinstance(value, bool | int | float | str):
        return value_text(value)
    return brief(str(value))


# ---- JSON ---------------------------------------------------------------------------------------------------------------------------


def why_json(answer: Why, view: TraceView) -> dict[str, object]:
    """Return `{rule, trace, verdict, closing, notes, counts, instances, none_bound, exceptions}`; durations and times in nanoseconds."""
    return {
        "rule": answer.rule_id,
        "trace": view.trace_id,
        "verdict": answer.verdict,
        "closing": answer.closing,
        "notes": list(answer.notes),
        "counts": dict(answer.counts),
        "instances": [
            {
                "span": None if one.span is None else _span_json(one.span),
                "verdict": one.verdict,
                "parts": {word: _reason_json(reason) for word, reason in one.parts.items()},
            }
            for one in answer.instances
        ],
        "none_bound": None if answer.none_bound is None else _reason_json(answer.none_bound),
        "exceptions": {name: _reason_json(reason) for name, reason in answer.exceptions.items()},
    }


def _reason_json(reason: Reason) -> dict[str, object]:
    return {
        "text": reason.text,
        "truth": reason.truth,
        "found": [{"text": found.text, "value": _plain(found.value)} for found in reason.found],
        "spans": [_span_json(span) for span in reason.spans],
        "span_count": reason.span_count,
        "is_near": reason.is_near,
        "note": reason.note,
        "parts": [_reason_json(part) for part in reason.parts],
    }


def _span_json(span: Span) -> dict[str, object]:
    return {"name": one_line(span.name), "span_id": span.span_id, "start_ns": span.start_ns, "end_ns": span.end_ns}


def _plain(value: Value) -> object:
    if isinstance(value, Duration | Time):
        return value.ns
    if isinstance(value, float) and not math.isfinite(value):
        # As OTLP's JSON has them: JSON has no numbers for them.
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
