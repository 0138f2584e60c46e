"""What is counted between two journal records: how many traces moved to or from each verdict of each rule."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from compiler.verdict import Verdict
from topics.journal import RuleCounts

if TYPE_CHECKING:
    from compiler.rule_set import Rule


class Ledger:
    """Signed changes since it was last cleared; an open trace is not counted."""

    def __init__(self) -> None:
        self.traces_evicted = 0
        self.traces_state_lost = 0
        self.traces_shed = 0
        self.records_shed = 0
        self._changes: Counter[tuple[str, str, Verdict]] = Counter()

    def __bool__(self) -> bool:
        """Whether there is anything to write down."""
        return bool(self._changes or self.traces_evicted or self.traces_state_lost or self.records_shed)

    def add(self, rule: Rule, verdict: Verdict, amount: int) -> None:
        """Note that so many traces more (or less) have this verdict of a rule."""
        self._changes[rule.id, rule.version, verdict] += amount

    def counts(self) -> tuple[RuleCounts, ...]:
        """Return the changes by rule, sorted; rules without a change are left out."""
        by_rule: dict[tuple[str, str], dict[str, int]] = {}
        for (rule, version, verdict), amount in self._changes.items():
            if amount:
                by_rule.setdefault((rule, version), {})[str(verdict)] = amount
        return tuple(RuleCounts(rule=rule, version=version, **changes) for (rule, version), changes in sorted(by_rule.items()))

    def clear(self) -> None:
        """Begin anew: what was there is written down, or was before."""
        self.traces_evicted = self.traces_state_lost = self.traces_shed = self.records_shed = 0
        self._changes.clear()
