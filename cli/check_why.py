"""`betrace check --why`: of each trace, or of one, why a rule judges it as it does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click

from cli.check_text import stdout_console
from cli.rule_files import count_of, fail, no_such_rule
from cli.shown_text import brief, shown_json
from cli.why_text import why_json, why_text
from compiler import Rule, RuleSet, TraceView, Verdict
from compiler.why import Why, why
from processor.closing import completeness
from processor.finite import FiniteOutcome
from processor.open_trace import OpenTrace

# More than these are no reading: the rest is asked for one by one.
_TOLD_MAX = 10
_ORDER = (Verdict.VIOLATED, Verdict.EXCUSED, Verdict.INCONCLUSIVE, Verdict.SATISFIED, Verdict.NOT_APPLICABLE)


def enabled_or_exit(rule_set: RuleSet, rule_id: str) -> Rule:
    """Return an enabled rule; ends the program with status 2 where there is none of this id."""
    found = {rule.id: rule for rule in rule_set.rules}
    if rule_id not in found:
        no_such_rule(rule_id, found)
    if not found[rule_id].text.enabled:
        fail(f"the rule {rule_id} is not enabled: it judges nothing")
    return found[rule_id]


def print_why(outcome: FiniteOutcome, rule: Rule, trace_id: str | None, *, as_json: bool) -> None:
    """Print why a rule judges traces as it does; ends the program with status 2 where the trace cannot be seen."""
    answers = list(_answers(outcome, rule, _asked(outcome.traces, trace_id)))
    if as_json:
        click.echo(shown_json([why_json(answer, view) for answer, view in answers]))
        return
    console = stdout_console()
    answers.sort(key=lambda one: _ORDER.index(one[0].verdict))
    for answer, view in answers[:_TOLD_MAX]:
        console.print(why_text(answer, rule, view), soft_wrap=True)
        console.print()
    if len(answers) > _TOLD_MAX:
        console.print(f"{count_of(len(answers) - _TOLD_MAX, 'trace')} more: name one with --trace, or ask with -o json", style="dim")


def _asked(traces: Sequence[OpenTrace], trace_id: str | None) -> list[OpenTrace]:
    if trace_id is None:
        return list(traces)
    found = [trace for trace in traces if trace.trace_id.startswith(trace_id.lower())]
    if not found:
        fail(f"no trace has an id that begins with {brief(trace_id)}")
    if len(found) > 1:
        fail(f"{len(found)} traces have an id that begins with {brief(trace_id)}")
    return found


def _answers(outcome: FiniteOutcome, rule: Rule, traces: Sequence[OpenTrace]) -> Iterator[tuple[Why, TraceView]]:
    unseen = 0
    for trace in traces:
        view = outcome.view(trace.trace_id)
        if view is None:
            unseen += 1
            continue
        opened_ns = view.first_start_ns if trace.opened_ns is None else trace.opened_ns
        yield why(rule, view, completeness(trace), opened_ns=opened_ns, occurring=outcome.span_names), view
    if unseen:
        click.echo(f"betrace: {count_of(unseen, 'trace')} left out: the input is larger than what is kept of it", err=True)
        if unseen == len(traces):
            raise SystemExit(2)
