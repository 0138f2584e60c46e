"""Watches the API of a demo: shows each violation as it appears, and compares the end with `betrace check`."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from cli.check_text import stdout_console
from cli.demo_processes import get_violations
from cli.violation_text import violation_text
from compiler import RuleSet
from processor.finite import FiniteOutcome
from topics.violation import Violation

_POLL_S = 0.5
_CATCH_UP_S = 15.0


class Watch:
    """What has been seen of the violations so far."""

    def __init__(self, address: str, rule_set: RuleSet, expected: FiniteOutcome) -> None:
        self.played_count = 0
        self.found: dict[str, Violation] = {}
        self._address = address
        self._rule_set = rule_set
        self._wanted = {record.id for record in expected.records}
        # The records were kept when they were judged for the comparison; a violation is shown in its trace.
        self._view = expected.view
        self._console = stdout_console()

    def played(self, count: int) -> None:
        """Take note of how many records were played."""
        self.played_count = count

    def follow(self, ended: threading.Event) -> None:
        """Show violations as they appear until `ended`."""
        while not ended.wait(_POLL_S):
            self._look()

    def catch_up(self) -> None:
        """Show what is still to come: until all that is expected is there, or nothing more comes."""
        until = time.monotonic() + _CATCH_UP_S
        while self._look() or (self.found.keys() != self._wanted and time.monotonic() < until):
            time.sleep(_POLL_S)

    def _look(self) -> bool:
        """Show what is new and say whether anything was."""
        records = [Violation.model_validate(body) for body in get_violations(self._address)]
        new = [
            record
            for record in reversed(records)
            if self.found.get(record.id, record).revision < record.revision or record.id not in self.found
        ]
        for record in new:
            self._show(record)
        self.found = {record.id: record for record in records}
        return bool(new)

    def _show(self, record: Violation) -> None:
        rule = self._rule_set[record.rule.id]
        text = violation_text(record, rule, self._view(record.trace.id))
        if record.revision > 1:
            text.append(f"\n  revision {record.revision}: {record.change.value}", style="dim")
        self._console.print(text, soft_wrap=True)
        self._console.print()


def show_summary(expected: FiniteOutcome, rule_set: RuleSet, watch: Watch) -> int:
    """Print records, traces and violations per rule; return 0 where they are those of `betrace check`, else 1."""
    found = Counter(record.rule.id for record in watch.found.values())
    wanted = Counter(record.rule.id for record in expected.records)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("rule", overflow="fold")
    table.add_column("violations", justify="right")
    table.add_column("betrace check", justify="right")
    for rule in rule_set.enabled:
        style = "bold red" if found[rule.id] != wanted[rule.id] else ""
        table.add_row(rule.id, Text(str(found[rule.id]), style=style), str(wanted[rule.id]))
    stdout_console().print(table)
    is_same = _gist(list(watch.found.values())) == _gist(expected.records)
    click.echo(f"\n{watch.played_count} records, {expected.trace_count} traces, {len(watch.found)} violations")
    click.echo("the same as betrace check says of these records" if is_same else "NOT the same as betrace check says of these records")
    return 0 if is_same else 1


def _gist(records: list[Violation]) -> dict[str, Any]:
    """Return what two runs must agree on, by violation id: when a trace closed may differ."""
    return {
        record.id: (
            record.rule.id,
            record.trace.id,
            record.clauses,
            record.offender_count,
            [offender.span_id for offender in record.offenders],
            [(one.text, one.left, one.right) for one in record.comparisons],
        )
        for record in records
    }
