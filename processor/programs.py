"""The programs a worker judges by: one in force, older ones for the traces that began under them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from processor.partition_owner import PartitionOwner
    from processor.rule_source import Program, RuleSource
    from processor.trace_engine import TraceEngine


class Programs:
    """Engines by program; each serves all partitions of its worker, and is made when it is first needed."""

    def __init__(self, rules: RuleSource) -> None:
        self._rules = rules
        self._engines: dict[str, TraceEngine] = {}

    @property
    def current(self) -> Program:
        """The program that new traces are to be judged by."""
        return self._rules.current

    def engine(self, program_id: str) -> TraceEngine | None:
        """Return the engine of a program; None where nobody has the program any more."""
        found = self._engines.get(program_id)
        if found is None:
            program = self._rules.find(program_id)
            if program is None:
                return None
            found = self._engines[program_id] = program.make_engine()
        return found

    @property
    def memory_bytes(self) -> int:
        """What the engines hold for traces."""
        return sum(engine.memory_bytes for engine in self._engines.values())

    def keep_only_used(self, owners: Iterable[PartitionOwner]) -> None:
        """Let go of the engines that no trace needs; they are made again if a replay asks for them."""
        if len(self._engines) < 2:  # noqa: PLR2004 - the one in force stays
            return
        used = {self.current.id}
        for owner in owners:
            used |= owner.keep_only_used()
        for program_id in self._engines.keys() - used:
            del self._engines[program_id]
