"""The end of a demo: what was said and counted, beside what `betrace check` says of the same records."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table
from rich.text import Text

from cli.check_text import stdout_console
from cli.demo_books import JournalBook, SaidBook, differing_rules
from cli.demo_kill import Kill
from cli.rule_files import count_of
from compiler import RuleSet
from processor.finite import FiniteOutcome, RuleCounts
from topics.violation import Change, Violation

SAME = "the same as betrace check says of these records"


@dataclass(frozen=True, slots=True)
class Comparison:
    """All that is compared: `found` are the violations that the API serves, the books are of what stands on the topics."""

    rule_set: RuleSet
    expected: FiniteOutcome
    found: Sequence[Violation]
    said: SaidBook
    journal: JournalBook

    @property
    def is_same(self) -> bool:
        """Whether violations and counts are those of `betrace check`, and nothing was said in two ways under one id."""
        return not self.said.differing and not self.differing_rules and _gist(self.found) == _gist(self.expected.records)

    @property
    def differing_rules(self) -> list[str]:
        """The rules of which the journal counts other numbers."""
        return differing_rules(self.journal.counts, self.expected.counts)


@dataclass(frozen=True, slots=True)
class Ending:
    """How a demo ended; `comparison` None: before all was played and judged."""

    record_count: int
    comparison: Comparison | None
    kills: Sequence[Kill]
    store_writes: Mapping[str, int]
    log_bytes: int
    elapsed_s: float

    @property
    def status(self) -> int:
        """The exit status."""
        return 0 if self.comparison is None or self.comparison.is_same else 1


def show_ending(ending: Ending) -> None:
    """Print it for a person."""
    console, comparison = stdout_console(), ending.comparison
    if comparison is None:
        console.print(f"ended before all records were played and judged; nothing to compare ({ending.record_count} played)")
        return
    console.print(_table(comparison))
    traces, violations = comparison.expected.trace_count, len(comparison.found)
    console.print(f"\n{ending.record_count} records, {traces} traces, {violations} violations")
    for line in [*_kills(ending, comparison), *_journal(ending, comparison)]:
        console.print(line, soft_wrap=True)
    console.print(SAME if comparison.is_same else Text(f"NOT {SAME}", style="bold red"), soft_wrap=True)


def ending_json(ending: Ending) -> str:
    """Return it as one JSON object."""
    comparison = ending.comparison
    body: dict[str, Any] = {
        "outcome": "incomplete" if comparison is None else "same" if comparison.is_same else "differs",
        "records": ending.record_count,
        "seconds": round(ending.elapsed_s, 3),
        "kills": [asdict(kill) for kill in ending.kills],
        "store_writes": dict(ending.store_writes),
        "log_bytes": ending.log_bytes,
    }
    if comparison is not None:
        said, journal = comparison.said, comparison.journal
        found, wanted = _by_rule(comparison.found), _by_rule(comparison.expected.records)
        body |= {
            "traces": comparison.expected.trace_count,
            "violations": len(comparison.found),
            "said": {"records": said.record_count, "again": said.again_count, "differing": sorted(said.differing)},
            "journal": {
                "fences": len(journal.fences),
                "records": journal.record_count,
                "void": journal.void_count,
                "verdicts": journal.verdict_count,
                "traces_shed": journal.shed_count,
            },
            "rules": [
                {
                    "id": rule.id,
                    "violations": found[rule.id],
                    "counts": asdict(journal.counts.get(rule.id, RuleCounts())),
                    "check": {"violations": wanted[rule.id], "counts": asdict(comparison.expected.counts[rule.id])},
                }
                for rule in comparison.rule_set.enabled
            ],
        }
    return json.dumps(body, indent=2)


def _table(comparison: Comparison) -> Table:
    found, wanted = _by_rule(comparison.found), _by_rule(comparison.expected.records)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("rule", overflow="fold")
    for column in ("violations", "betrace check", "applicable", "betrace check"):
        table.add_column(column, justify="right")
    for rule in comparison.rule_set.enabled:
        counted, want = comparison.journal.counts.get(rule.id, RuleCounts()), comparison.expected.counts[rule.id]
        table.add_row(
            rule.id,
            Text(str(found[rule.id]), style="bold red" if found[rule.id] != wanted[rule.id] else ""),
            str(wanted[rule.id]),
            Text(str(counted.applicable), style="bold red" if counted != want else ""),
            str(want.applicable),
        )
    return table


def _kills(ending: Ending, comparison: Comparison) -> list[str]:
    if not ending.kills:
        return []
    said = comparison.said
    lines = [_kill(kill) for kill in ending.kills]
    if comparison.is_same:
        lines.append(
            f"nothing was lost: {count_of(said.record_count, 'violation record')} said, {said.again_count} of them once more, "
            "each with the same id and the same bytes"
        )
    elif said.differing:
        lines.append(f"said in two ways under one id: {', '.join(sorted(said.differing))}")
    return lines


def _kill(kill: Kill) -> str:
    after = "" if kill.judged_after_s is None else f"; all partitions judged again after {kill.judged_after_s:.1f} s"
    return f"killed: worker {kill.worker} (pid {kill.pid}) at record {kill.played_count}, {kill.moment}{after}"


def _journal(ending: Ending, comparison: Comparison) -> list[str]:
    journal, wanted = comparison.journal, sum(counts.applicable for counts in comparison.expected.counts.values())
    records = f"{count_of(len(journal.fences), 'fence')}, {count_of(journal.record_count, 'record')}, {journal.void_count} void"
    lines = [f"journal: {journal.verdict_count} verdicts counted, betrace check counts {wanted}; {records}"]
    if journal.shed_count:
        lines.append(f"shed, so not judged: {count_of(journal.shed_count, 'trace')} of {journal.shed_count + journal.trace_count}")
    if comparison.differing_rules:
        lines.append(f"counted otherwise: {', '.join(comparison.differing_rules)}")
    writes = ", ".join(f"{count} {outcome}" for outcome, count in sorted(ending.store_writes.items())) or "none"
    return [*lines, f"store: writes {writes}"]


def _by_rule(records: Sequence[Violation]) -> Counter[str]:
    return Counter(record.rule.id for record in records)


def _gist(records: Sequence[Violation]) -> dict[str, Any]:
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
        if record.change is not Change.WITHDRAWN
    }
