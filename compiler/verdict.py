"""What a rule says of a trace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from compiler.trace import Span


class Verdict(StrEnum):
    """The five verdicts of rule-language.md section 8, and `unknown` while a trace may still grow."""

    SATISFIED = "satisfied"
    VIOLATED = "violated"
    EXCUSED = "excused"
    INCONCLUSIVE = "inconclusive"
    NOT_APPLICABLE = "not_applicable"
    UNKNOWN = "unknown"


class Closing(StrEnum):
    """How much of a trace is there: which column of the table in rule-language.md section 6 judges it."""

    OPEN = "open"
    INCOMPLETE = "incomplete"
    COMPLETE = "complete"


# A duration or time is shown in nanoseconds; None is missing or undefined.
Shown: TypeAlias = "bool | int | float | str | None"


@dataclass(frozen=True, slots=True)
class Comparison:
    """A blamed scalar comparison: its text, both values, and left - right (None where that is no number)."""

    text: str
    left: Shown
    right: Shown
    margin: int | float | None


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict of one rule on one trace, with its evidence.

    `offenders` are in order of (start, id), at most `offender_count_max`; `offender_count` is the full number. `clauses` holds
    `always` and / or `never`, those that failed. `exception` names the exception that excused, else it is empty. The evidence fields
    are empty unless the verdict is violated or excused.
    """

    rule_id: str
    verdict: Verdict
    clauses: tuple[str, ...] = ()
    offenders: tuple[Span, ...] = ()
    offender_count: int = 0
    comparisons: tuple[Comparison, ...] = ()
    exception: str = ""

    def naming(self, offenders: Sequence[Span], offender_count: int) -> Judgement:
        """Return the same with these offenders named, of so many."""
        return Judgement(self.rule_id, self.verdict, self.clauses, tuple(offenders), offender_count, self.comparisons, self.exception)
