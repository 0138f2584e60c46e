"""The port between the load test and what it measures: an engine as a judge of records, with what it can be asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from compiler import RuleSet, Verdict

# Of each trace, by its id in lower-case hex: one verdict per enabled rule, in the order of the rule set.
Verdicts: TypeAlias = Mapping[str, tuple[Verdict, ...]]


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes held per open trace: what verdicts need, and what is kept beside it for their evidence."""

    state: float
    evidence: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """How many violations there were, and the processor time in which the evidence of all of them was made."""

    violation_count: int
    taken_ns: int


class Judge(Protocol):
    """A rule set ready to run."""

    def judge(self, records: Sequence[bytes]) -> None:
        """Judge every trace of the records as complete, afresh, by every rule, and forget them all: this is what is timed."""

    def verdicts(self) -> Verdicts:
        """Return what the last call found; not timed."""

    def memory(self, records: Sequence[bytes]) -> Memory:
        """Return what is held once all records are read and none of their traces is closed."""

    def evidence(self, records: Sequence[bytes]) -> Evidence:
        """Judge as `judge` does, and make the evidence of every violation."""

    def phases(self) -> Mapping[str, int]:
        """Return the nanoseconds that `judge` has spent in each of its phases since the start, if it was started to be timed."""


class Candidate(Protocol):
    """An engine as the load test sees it.

    `span_count` and `quick_span_count` are how many spans one timed run is worth: enough to be warm, few enough to end.
    """

    @property
    def name(self) -> str:
        """The word that asks for it."""

    @property
    def span_count(self) -> int:
        """The spans of a full run."""

    @property
    def quick_span_count(self) -> int:
        """The spans of a quick run."""

    def start(self, rule_set: RuleSet, *, timed: bool = False) -> Judge:
        """Make a running program of a rule set; `timed`: one that times its phases, which costs time itself."""
