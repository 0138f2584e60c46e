"""Where the core gets its rules: programs by their ids, and which of them is in force now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from compiler.rule_set import RuleSet
    from processor.trace_engine import TraceEngine


@dataclass(frozen=True, slots=True)
class Program:
    """A rule set with all that its verdicts hang on besides; the same id says the same of the same traces, in every process.

    `make_engine` makes an engine for it, quickly: what takes long was done before.
    """

    id: str
    rule_set: RuleSet
    make_engine: Callable[[], TraceEngine]


class RuleSource(Protocol):
    """Called by the core's thread; never blocks for long."""

    @property
    def current(self) -> Program:
        """The program that new traces are to be judged by."""

    def find(self, program_id: str) -> Program | None:
        """Return a program that was in force once, for a replay; None where it is gone."""


@dataclass(frozen=True, slots=True)
class FixedRules:
    """One program for ever."""

    current: Program

    def find(self, program_id: str) -> Program | None:
        """Return the program if it is the one."""
        return self.current if program_id == self.current.id else None
