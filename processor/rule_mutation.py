"""Whether the tests of a rule tell it from rules that are wrong in one place (compiler/mutants.py)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from compiler.mutants import Mutant, mutants
from processor.rule_tests import run_rule_test

if TYPE_CHECKING:
    from compiler.rule_set import Rule


@dataclass(frozen=True, slots=True)
class RuleMutation:
    """How many mutants of a rule there are, and those for which every test of it passes."""

    rule: Rule
    total: int
    survivors: tuple[Mutant, ...]

    @property
    def percent(self) -> float:
        """The share that some test kills; all of none."""
        return 100.0 * (self.total - len(self.survivors)) / self.total if self.total else 100.0


def rule_mutation(rule: Rule) -> RuleMutation:
    """Run the tests of a rule, all of which pass, on each of its mutants."""
    found = list(mutants(rule.program))
    survivors = tuple(one for one in found if _survives(replace(rule, program=one.program)))
    return RuleMutation(rule, len(found), survivors)


def _survives(rule: Rule) -> bool:
    return all(run_rule_test(rule, test).passed for test in rule.tests)
