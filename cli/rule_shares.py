"""How much of each rule its tests reach, and how many wrong rules they tell from it, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cli.rule_files import count_of
from cli.shown_text import one_line
from compiler import Rule
from processor.rule_coverage import RuleCoverage
from processor.rule_mutation import RuleMutation


def coverage_text(covered: Sequence[RuleCoverage]) -> str:
    """Return a line for each rule, and below it what is not reached; then all of them together."""
    lines = [line for one in covered for line in _share(one.rule, one.percent, one.total - len(one.missing), one.total, one.missing)]
    total, missing = sum(one.total for one in covered), sum(len(one.missing) for one in covered)
    return "\n".join([*lines, f"coverage: {_percent(total - missing, total)} of {count_of(len(covered), 'rule')}"])


def coverage_json(covered: Sequence[RuleCoverage]) -> list[dict[str, object]]:
    """Return `{rule, percent, reached, total, missing}` for each rule."""
    return [
        {
            "rule": one.rule.id,
            "percent": round(one.percent, 1),
            "reached": one.total - len(one.missing),
            "total": one.total,
            "missing": list(one.missing),
        }
        for one in covered
    ]


def mutation_text(mutated: Sequence[RuleMutation]) -> str:
    """Return a line for each rule, and below it the mutants that its tests do not tell from it; then all of them together."""
    lines = [line for one in mutated for line in _share(one.rule, one.percent, one.total - len(one.survivors), one.total, _survivors(one))]
    total, alive = sum(one.total for one in mutated), sum(len(one.survivors) for one in mutated)
    return "\n".join([*lines, f"killed: {total - alive} of {count_of(total, 'mutant')}, {_percent(total - alive, total)}"])


def _survivors(one: RuleMutation) -> Iterator[str]:
    return (f"survives: {mutant.before}  →  {mutant.after}" for mutant in one.survivors)


def mutation_json(mutated: Sequence[RuleMutation]) -> list[dict[str, object]]:
    """Return `{rule, percent, killed, total, survivors: [{before, after}]}` for each rule."""
    return [
        {
            "rule": one.rule.id,
            "percent": round(one.percent, 1),
            "killed": one.total - len(one.survivors),
            "total": one.total,
            "survivors": [{"before": mutant.before, "after": mutant.after} for mutant in one.survivors],
        }
        for one in mutated
    ]


def _share(rule: Rule, percent: float, part: int, total: int, details: Sequence[str] | Iterator[str]) -> Iterator[str]:
    yield f"{percent:5.1f} %  {part}/{total}  {rule.id}"
    yield from (f"           {one_line(detail)}" for detail in details)


def _percent(part: int, total: int) -> str:
    return f"{100 * part / total:.1f} %" if total else "nothing to reach"
