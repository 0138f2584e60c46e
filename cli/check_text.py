"""What `betrace check` found, for a person: each violation explained, the rules with their denominators, names unseen, what was refused."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.check_names import print_unseen
from cli.rule_files import count_of
from cli.violation_text import violation_text
from compiler import RuleSet
from processor.finite import FiniteOutcome
from topics.refusal import RefusalReason

PIPE_WIDTH = 140


def stdout_console() -> Console:
    """Return a console for standard output: as wide as the terminal, or PIPE_WIDTH where there is none."""
    console = Console(highlight=False, soft_wrap=True)
    return console if console.is_terminal else Console(highlight=False, width=PIPE_WIDTH)


def print_outcome(outcome: FiniteOutcome, rule_set: RuleSet) -> None:
    """Print what was found."""
    console = stdout_console()
    for said in outcome.violations:
        if said.record is not None:
            console.print(violation_text(said.record.violation, said.rule, outcome.view(said.trace.trace_id)), soft_wrap=True)
            console.print()
    console.print(rule_table(outcome, rule_set))
    console.print(_summary(outcome))
    print_unseen(console, outcome.unseen)
    for reason, count in sorted(outcome.refused.items()):
        console.print(Text(f"refused: {count} {reason}: {_meaning(reason)}", style="yellow"))


def rule_table(outcome: FiniteOutcome, rule_set: RuleSet) -> Table:
    """Return the verdicts per rule, with the number of traces it applied to."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("rule", overflow="fold")
    for column in ("applicable", "satisfied", "violated", "excused", "inconclusive"):
        table.add_column(column, justify="right")
    for rule in rule_set.enabled:
        counts = outcome.counts[rule.id]
        violated = Text(str(counts.violated), style="bold red" if counts.violated else "")
        name = rule.id if rule.text.mode == "enforce" else f"{rule.id} ({rule.text.mode})"
        table.add_row(name, str(counts.applicable), str(counts.satisfied), violated, str(counts.excused), str(counts.inconclusive))
    return table


def _summary(outcome: FiniteOutcome) -> Text:
    found = len(outcome.violations)
    read = (count_of(outcome.record_count, "record"), count_of(outcome.span_count, "span"), count_of(outcome.trace_count, "trace"))
    return Text(f"\n{', '.join(read)}: ").append(count_of(found, "violation"), style="bold red" if found else "bold green")


def _meaning(reason: str) -> str:
    if reason in set(RefusalReason):
        return RefusalReason(reason).meaning
    return "Spans beyond the limit of their trace: they are not judged, the trace is incomplete."
