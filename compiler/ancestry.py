"""Which spans stand under which, told at once of any two, however long their chains of parents are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ancestry:
    """The trees of a trace by intervals: who stands under a span has a place between its `first` and its `last`.

    Where parents go round in a circle, each span of it is the top of a tree; `circle_below` names the circle that a span's chain ends
    in, `circle_of` that of the spans on it.
    """

    first: Mapping[str, int]
    last: Mapping[str, int]
    circle_below: Mapping[str, str]
    circle_of: Mapping[str, str]

    def is_under(self, below: str, above: str) -> bool:
        """Say whether the chain of parents of one span leads to another one."""
        if above not in self.first or below not in self.first:
            return False
        if self.first[above] < self.first[below] <= self.last[above]:
            return True
        return above in self.circle_of and self.circle_of[above] == self.circle_below.get(below)


def ancestry_of(parent_ids: Mapping[str, str]) -> Ancestry:
    """Return the trees of a trace, given the parent id of each span; time and memory are linear in it."""
    circle_of = _circles(parent_ids)
    children: dict[str, list[str]] = {}
    tops: list[str] = []
    for span_id, parent in parent_ids.items():
        if span_id in circle_of or parent not in parent_ids:
            tops.append(span_id)
        else:
            children.setdefault(parent, []).append(span_id)
    first: dict[str, int] = {}
    last: dict[str, int] = {}
    circle_below: dict[str, str] = {}
    for top in tops:
        pending = [top]
        while pending:
            span_id = pending.pop()
            if span_id in first:
                # All below it have their places now.
                last[span_id] = len(first) - 1
                continue
            first[span_id] = len(first)
            if top in circle_of:
                circle_below[span_id] = circle_of[top]
            pending += [span_id, *children.get(span_id, ())]
    return Ancestry(first, last, circle_below, circle_of)


def _circles(parent_ids: Mapping[str, str]) -> dict[str, str]:
    """Return the spans whose chains of parents come back to them, each with one that stands for its circle."""
    circle_of: dict[str, str] = {}
    walked: dict[str, str] = {}
    for start in parent_ids:
        span_id = start
        while span_id in parent_ids and span_id not in walked:
            walked[span_id] = start
            span_id = parent_ids[span_id]
        # Where this walk meets itself there is a circle; where it meets an earlier one, that has found it.
        while walked.get(span_id) == start and span_id not in circle_of:
            circle_of[span_id] = start
            span_id = parent_ids[span_id]
    return circle_of
