"""A violation as a person reads it: which clause failed, by which spans, by how much, and where in the trace."""

from __future__ import annotations

import json
from collections import Counter

from rich.text import Text

from cli.amounts import duration_text, without_noise
from cli.rule_files import count_of
from cli.shown_text import brief, one_line, some_lines
from cli.waterfall import waterfall
from compiler import Rule, TraceView
from topics.violation import ComparedValues, Offender, Violation

# What became of a clause that failed.
OUTCOMES = {"always": "did not hold", "never": "came true"}
_EVIDENCE_COUNT_MAX = 4
_SEVERITY_STYLES = {"critical": "bold white on red", "high": "bold red", "medium": "yellow", "low": "cyan", "info": "dim"}


def violation_text(record: Violation, rule: Rule, view: TraceView | None) -> Text:
    """Return a violation in some lines: heading, clause, comparisons with their margin, offenders, and the trace where it is at hand."""
    lines = [_heading(record, rule), *_clauses(record, rule), *(_comparison(compared, rule) for compared in record.comparisons)]
    if view is not None:
        blamed = [view.by_id[offender.span_id] for offender in record.offenders if offender.span_id in view.by_id]
        lines += [_offenders(record, view.span_count), *waterfall(view, blamed), *_evidence(record)]
    else:
        lines += [_offenders(record, 0), *map(_offender, record.offenders)]
    return Text("\n").join(lines)


def _heading(record: Violation, rule: Rule) -> Text:
    severity = record.rule.severity.value
    heading = Text("✗ ", style="bold red")
    heading.append(record.rule.id, style="bold")
    heading.append(f"  {severity}", style=_SEVERITY_STYLES[severity])
    if record.rule.mode.value == "shadow":
        heading.append("  shadow", style="dim")
    heading.append(f"  trace {record.trace.id}", style="dim")
    if record.trace.root_name:
        heading.append(f"  {brief(record.trace.root_name)}", style="dim")
    if rule.text.name:
        heading.append(f"\n  {one_line(rule.text.name)}", style="italic")
    return heading


def _clauses(record: Violation, rule: Rule) -> list[Text]:
    return [Text(f"  {OUTCOMES[word]}: {some_lines(rule.clauses.get(word, word))}") for word in record.clauses]


def _comparison(compared: ComparedValues, rule: Rule) -> Text:
    is_duration = rule.compares_durations(compared.text)
    line = Text(f"  {one_line(compared.text)}: ")
    line.append(f"{_value(compared.left, is_duration)} against {_value(compared.right, is_duration)}", style="bold")
    if compared.margin is not None:
        sign = "+" if compared.margin > 0 else ""
        line.append(f"  (margin {sign}{_value(margin_of(compared), is_duration)})")
    return line


def margin_of(compared: ComparedValues) -> float | None:
    """Return the margin as a person reads it, without the noise of its subtraction."""
    if compared.margin is None:
        return None
    return without_noise(compared.margin, *(one for one in (compared.left, compared.right) if isinstance(one, int | float)))


def _value(value: bool | float | str | None, is_duration: bool) -> str:  # noqa: FBT001  # a value of a trace, and what it is
    if is_duration and isinstance(value, int):
        return duration_text(value)
    return "no value" if value is None else value_text(value)


def value_text(value: bool | float | str) -> str:  # noqa: FBT001  # a value of a trace
    """Return a value that was compared."""
    return brief(json.dumps(without_noise(value) if isinstance(value, float) else value, ensure_ascii=False))


def _offenders(record: Violation, drawn: int) -> Text:
    """Return how many spans are to blame, of those there were; of a trace that went on after it was decided, `drawn` are shown."""
    shown, count = len(record.offenders), record.offender_count
    spans = count_of(record.trace.span_count, "span")
    if drawn > record.trace.span_count:
        spans = f"the {spans} that had come when it was decided; drawn are all {drawn}"
    if not count:
        return Text(f"  no span to blame: what was required never came  ({spans})", style="dim")
    some = f", the first {shown} named" if shown < count else ""
    return Text(f"  {count_of(count, 'offender')} of {spans}{some}", style="dim")


def _offender(offender: Offender) -> Text:
    return Text(f"  » {brief(offender.service)}  {brief(offender.name)}  {offender.span_id}  {_attributes(offender)}", style="red")


def _evidence(record: Violation) -> list[Text]:
    """Return the attributes that the rule declares, of the offenders that have any; equal lines once, with how often."""
    counts = Counter(f"  {brief(offender.name)}: {_attributes(offender)}" for offender in record.offenders if offender.attributes)
    lines = [Text(line if count == 1 else f"{line}  ({count} times)") for line, count in list(counts.items())[:_EVIDENCE_COUNT_MAX]]
    return [*lines, Text(f"  … {len(counts) - len(lines)} more", style="dim")] if len(lines) < len(counts) else lines


def _attributes(offender: Offender) -> str:
    return " ".join(f"{brief(key)}={brief(json.dumps(value, ensure_ascii=False))}" for key, value in offender.attributes.items())
