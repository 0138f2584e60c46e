"""Finds the states of a deterministic automaton that no text tells apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def blocks_of(rows: list[list[int]], accepting: list[bool]) -> list[int]:
    """Return the block of each state: two states are in one block if the same texts lead from them to an accepting state.

    `rows[state]` are the following states, one per letter. Blocks are refined by what their states lead to, and only states that lead to
    one whose block has changed are looked at again; the largest part keeps the block, so that a state changes a logarithmic number of times
    (Hopcroft 1971; in this form Blom and Orzan, "Distributed Branching Bisimulation Reduction of State Spaces", 2003).
    """
    before: list[list[int]] = [[] for _ in rows]
    for state, row in enumerate(rows):
        for following in set(row):
            before[following].append(state)
    partition = _Partition(rows, accepting)
    pending: Iterable[int] = range(len(rows))
    while pending:
        moved = partition.refine(pending)
        pending = {state for following in moved for state in before[following]}
    return partition.block


class _Partition:
    """The blocks so far; `known` is what the states of a block led to when the block was last looked at."""

    def __init__(self, rows: list[list[int]], accepting: list[bool]) -> None:
        self._rows = rows
        self.block = [int(is_accepting) for is_accepting in accepting]
        self._members = [{state for state, block in enumerate(self.block) if block == index} for index in (0, 1)]
        self._known: dict[int, tuple[int, ...]] = {}

    def refine(self, pending: Iterable[int]) -> list[int]:
        """Split the blocks of some states by what these lead to, and return the states that moved to a new block."""
        parts: dict[int, dict[tuple[int, ...], list[int]]] = {}
        for state in pending:
            leads_to = tuple(map(self.block.__getitem__, self._rows[state]))
            parts.setdefault(self.block[state], {}).setdefault(leads_to, []).append(state)
        return [state for split, by_leads in parts.items() for state in self._split(split, by_leads)]

    def _split(self, split: int, by_leads: dict[tuple[int, ...], list[int]]) -> list[int]:
        members = self._members[split]
        rest_count = len(members) - sum(map(len, by_leads.values()))
        # States of the block that are not listed lead where all of it led.
        rest_leads = self._known[split] if rest_count else None
        if rest_leads is not None:
            by_leads.setdefault(rest_leads, [])
        largest = max(by_leads, key=lambda leads: len(by_leads[leads]) + rest_count * (leads == rest_leads))
        if rest_leads is not None and rest_leads != largest:
            by_leads[rest_leads] += members.difference(*by_leads.values())
        del by_leads[largest]
        self._known[split] = largest
        moved: list[int] = []
        for leads, states in by_leads.items():
            self._known[len(self._members)] = leads
            for state in states:
                self.block[state] = len(self._members)
            self._members.append(set(states))
            members.difference_update(states)
            moved += states
        return moved
