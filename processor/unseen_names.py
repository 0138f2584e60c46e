"""The names that rules read and that never occurred in an input, with the ones that may have been meant."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from compiler.near_names import misspelt
from compiler.read_names import Read, names_read
from topics.otlp import decode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from compiler.rule_set import RuleSet
    from processor.record import Record, RecordFormat
    from topics.span import Span

SAMPLE_SIZE_MAX = 2**20
# A larger record is left out of the sample: decoded as a whole it would take as long as judging it.
_RECORD_SIZE_MAX = 4 * 2**20
# So many distinct names are compared with one that is missing, and so many with all of them: half a second's worth.
_ALTERNATIVES_MAX = 1_000
_COMPARED_MAX = 20_000


@dataclass(frozen=True, slots=True)
class UnseenName:
    """A name that has not occurred, the ids of the rules that read it, and the one that occurs instead where it may be misspelt."""

    read: Read
    rules: tuple[str, ...]
    near: str | None


@dataclass(slots=True)
class RecordSample:
    """Some records from all over an input, evenly spread: about `size_max` bytes of them, or a single larger one."""

    size_max: int = SAMPLE_SIZE_MAX
    _step: int = 1
    _count: int = 0
    _size: int = 0
    _records: list[tuple[bytes, RecordFormat]] = field(default_factory=list)

    def keep(self, records: Sequence[Record]) -> None:
        """Keep every how-manieth record of the input; where there is no more room, half of those kept and half as many from then on."""
        first = -self._count % self._step
        self._count += len(records)
        for record in islice(records, first, None, self._step):
            if len(record.value) <= _RECORD_SIZE_MAX:
                self._records.append((record.value, record.format))
                self._size += len(record.value)
        while self._size > self.size_max and len(self._records) > 1:
            self._records = self._records[::2]
            self._step *= 2
            self._size = sum(len(value) for value, _ in self._records)

    def spans(self) -> list[Span]:
        """Return the spans of the records kept."""
        return [span for value, record_format in self._records for span in decode(value, record_format).spans]


def reads_by_rule(rule_set: RuleSet) -> dict[str, dict[Read, None]]:
    """Return the names that each enabled rule reads, by its id."""
    return {rule.id: names_read(rule) for rule in rule_set.enabled}


def all_reads(rule_set: RuleSet) -> list[Read]:
    """Return the names that the enabled rules read, each once."""
    return list(dict.fromkeys(read for reads in reads_by_rule(rule_set).values() for read in reads))


def unseen_names(rule_set: RuleSet, seen: Mapping[Read, bool], spans: Sequence[Span]) -> tuple[UnseenName, ...]:
    """Return the names that were not seen, in order of the rules; of spans without their name no attribute is missed.

    `spans` are some of the input, out of which suggestions come; after _COMPARED_MAX comparisons there are none.
    """
    by_rule = reads_by_rule(rule_set)
    compared = 0
    found: list[UnseenName] = []
    for read, is_seen in seen.items():
        if is_seen or (read.attribute is not None and seen.get(Read(read.base)) is False):
            continue
        readers = {rule_id: reads for rule_id, reads in by_rule.items() if read in reads}
        # What a rule reads itself it does not mean by another name.
        own = {one.name for reads in readers.values() for one in reads if _is_like(one, read)}
        alternatives = _alternatives(read, seen, spans) - own if compared < _COMPARED_MAX else set()
        compared += len(alternatives)
        found.append(UnseenName(read, tuple(readers), misspelt(read.name, alternatives)))
    return tuple(found)


def _is_like(one: Read, other: Read) -> bool:
    """Say whether two names are of one sort: both of spans, or both of attributes of the same spans."""
    if one.attribute is None or other.attribute is None:
        return one.attribute is other.attribute is None
    return one.base == other.base


def _alternatives(read: Read, seen: Mapping[Read, bool], spans: Iterable[Span]) -> set[str]:
    """Return names that occur where one was missed: those read and seen, then those of some spans."""
    found = {one.name for one, is_seen in seen.items() if is_seen and _is_like(one, read)}
    for span in spans:
        if len(found) >= _ALTERNATIVES_MAX:
            break
        if read.attribute is None or read.is_of(span):
            found |= read.alternatives(span)
    return found
