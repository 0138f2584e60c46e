"""What stands on the topics that workers write, added up as any reader would: the journal's counts, and violations said again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from processor.finite import RuleCounts
from topics.journal import Checkpoint, Fence, read_entry, valid
from topics.violation import read_violation


@dataclass(frozen=True, slots=True)
class FenceSeen:
    """A worker took a partition; `worker` is what it calls itself, `host:port` of its pages."""

    partition: int
    offset: int
    worker: str


@dataclass(slots=True)
class JournalBook:
    """The journal's records that count, added up; one thread writes it.

    `trace_count`: how many traces have been judged, by whichever rule was told of most; `shed_count`: how many were not.
    """

    fences: list[FenceSeen] = field(default_factory=list)
    record_count: int = 0
    void_count: int = 0
    shed_count: int = 0
    counts: dict[str, RuleCounts] = field(default_factory=dict)
    _epochs: dict[int, int] = field(default_factory=dict)
    _spoken: set[tuple[int, int]] = field(default_factory=set)
    _traces: dict[str, int] = field(default_factory=dict)

    @property
    def verdict_count(self) -> int:
        """How many verdicts are counted, those of rules that did not apply left out."""
        return sum(counts.applicable for counts in list(self.counts.values()))

    @property
    def trace_count(self) -> int:
        """How many traces have been judged: every rule says something of each, be it that it does not apply."""
        return max(self._traces.values(), default=0)

    def has_spoken(self, fence: FenceSeen) -> bool:
        """Whether whoever set this fence has written a record that counts."""
        return (fence.partition, fence.offset) in self._spoken

    def take(self, partition: int, offset: int, value: bytes) -> None:
        """Take in the next entry of a partition."""
        try:
            entry = read_entry(value)
        except ValueError:  # somebody else wrote on the topic
            return
        if isinstance(entry, Fence):
            self.fences.append(FenceSeen(partition, offset, entry.worker))
            self._epochs[partition] = offset
            return
        placed = list(valid([(offset, value)], self._epochs.get(partition, -1)))
        self.record_count += len(placed)
        self.void_count += not placed
        for one in placed:
            self._spoken.add((partition, one.record.epoch))
            self._add(one.record)

    def _add(self, record: Checkpoint) -> None:
        self.shed_count += record.traces_shed
        for change in record.counts:
            counts = self.counts.setdefault(change.rule, RuleCounts())
            counts.satisfied += change.satisfied
            counts.violated += change.violated
            counts.excused += change.excused
            counts.inconclusive += change.inconclusive
            self._traces[change.rule] = self._traces.get(change.rule, 0) + change.applicable + change.not_applicable


@dataclass(slots=True)
class SaidBook:
    """Violation records as they stand on their topic; one thread writes it.

    `again_count` of `record_count` had been said before; `differing` are the CloudEvents ids under which two different things were said.
    `by_partition` counts them by the partition of the spans they come from.
    """

    record_count: int = 0
    by_partition: Counter[int] = field(default_factory=Counter)
    again_count: int = 0
    differing: set[str] = field(default_factory=set)
    _values: dict[str, bytes] = field(default_factory=dict)

    def take(self, value: bytes) -> None:
        """Take in the next record."""
        record = read_violation(value)
        ce_id = record.ce_id
        self.record_count += 1
        self.by_partition[record.input.partition] += 1
        if ce_id in self._values:
            self.again_count += 1
            if self._values[ce_id] != value:
                self.differing.add(ce_id)
        self._values[ce_id] = value


def differing_rules(counts: Mapping[str, RuleCounts], wanted: Mapping[str, RuleCounts]) -> list[str]:
    """Return the rules of which other numbers are counted than wanted; of a rule that applied to nothing, nothing need be counted."""
    return [rule for rule, want in wanted.items() if counts.get(rule, RuleCounts()) != want]
