"""How records were cut into batches between two marks leaves no mark itself: each might have come alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields
from random import Random
from typing import TYPE_CHECKING

import pytest

from processor.closing import SECOND_NS, ClosingPolicy, due, forgotten
from processor.inputs import InputRecord
from processor.judging import Judging
from processor.metrics import Tally
from processor.open_trace import OpenTrace
from processor.partition import Partition
from processor.records_read import ReadRecords
from tests.processor.played import NEEDS_CHECK, NO_BYPASS, START_NS, Played, rules, span, trace_id
from tests.trace_engines import engine_for
from topics.journal import Mark
from topics.otlp import encode_protobuf

if TYPE_CHECKING:
    from collections.abc import Sequence

    from processor.judging import SaidVerdict

pytestmark = pytest.mark.usefixtures("engine")

RULES = rules(NEEDS_CHECK, NO_BYPASS)
NAMES = ("charge", "check", "bypass", "checkout")


class Batches:
    """A partition that is given records in batches."""

    def __init__(self, policy: ClosingPolicy) -> None:
        self.said: list[SaidVerdict] = []
        self.tally = Tally()
        self.judging = Judging(engine_for(RULES), self.said.append, self.tally)
        self.partition = Partition(0, policy, self.judging, self.tally)
        self.partition.changed = {}

    def take(self, records: Sequence[InputRecord]) -> list[int]:
        """Take in some records; return the offsets of those that are apart."""
        brought = self.partition.take(ReadRecords.of(records), [record.timestamp_ns or 0 for record in records], is_keyed=True)
        return [records[index].offset for index in brought.apart]

    def mark(self, time_ns: int) -> None:
        self.partition.obey(Mark(position=0, time_ns=time_ns, cut=tuple(self.partition.overdue(time_ns))))

    @property
    def standing(self) -> dict[str, object]:
        """All that is to be the same, in its order."""
        assert self.partition.judgings == Counter(trace.judging for trace in self.partition.traces.values())
        named = [one.name for one in fields(OpenTrace) if one.name not in {"judging", "handle", "queued_ns"}]
        traces = [[getattr(trace, name) for name in named] for trace in self.partition.traces.values()]
        said = [one.record.value for one in self.said if one.record is not None]
        counts = {key: count for key, count in self.tally.counts.items() if count}
        return {"said": said, "traces": traces, "counts": counts, "changed": self.partition.changed}

    @property
    def is_asked_in_time(self) -> bool:
        """Whether the next time to look at the traces is not behind one at which one of them closes or is forgotten."""
        next_due_ns, policy = self.partition.next_due_ns, self.partition.policy
        for trace in self.partition.traces.values():
            limit = due(trace, policy)
            at_ns = forgotten(trace, policy) if trace.close_reason is not None else None if limit is None else limit[0]
            if at_ns is not None and (next_due_ns is None or at_ns < next_due_ns):
                return False
        return True


def policy_of(chance: Random) -> ClosingPolicy:
    return ClosingPolicy(
        root_grace_ns=chance.choice((None, 0, 2, 40)),
        idle_timeout_ns=chance.choice((None, 3, 30)),
        max_age_ns=chance.choice((None, 20, 100)),
        closed_retention_ns=chance.choice((5, 20, 300)),
        timestamp_skew_max_ns=chance.choice((0, 5)),
        span_count_max=chance.choice((2, 4, 100)),
        early_verdicts=chance.random() < 0.5,
    )


def records_of(chance: Random) -> list[InputRecord]:
    """Return records of a few traces: some out of order, redelivered, of several traces or of another key; offsets of two files."""
    found, now = [], 0
    trace_count, file_count = chance.choice((2, 5)), chance.choice((1, 1, 2))
    for offset in range(60):
        now += chance.choice((0, 0, 1, 1, 2, 9))
        of = chance.randint(1, trace_count)
        numbers = [
            (of if chance.random() < 0.9 else chance.randint(1, trace_count), chance.randint(1, 6)) for _ in range(chance.choice((1, 1, 2)))
        ]
        spans = [span(NAMES[(trace + number) % 4], number, of=trace, parent=None if number == 6 else 99) for trace, number in numbers]
        key = spans[0].trace_id if chance.random() < 0.9 else trace_id(of).upper()
        at = START_NS + max(0, now + (chance.choice((-9, -2, 4)) if chance.random() < 0.2 else 0))
        topic = f"file-{chance.randrange(file_count)}"
        found.append(InputRecord(topic, 0, offset, at, key.encode(), (), encode_protobuf(spans), "protobuf", 0))
    return found


@pytest.mark.parametrize("seed", range(40))
def test_whether_records_come_together_or_alone_the_same_is_said_and_remembered(seed: int) -> None:
    chance = Random(seed)
    policy, records = policy_of(chance), records_of(chance)
    alone, together, halved = Batches(policy), Batches(policy), Batches(policy)
    at, time_ns = 0, 0
    while at < len(records):
        part = records[at : at + chance.choice((1, 7, 30))]
        at += len(part)
        half = chance.randint(0, len(part))
        apart = [offset for record in part for offset in alone.take([record])]
        assert together.take(part) == apart
        assert halved.take(part[:half]) + halved.take(part[half:]) == apart
        time_ns = max(time_ns, *(record.timestamp_ns or 0 for record in part))
        for one in (alone, together, halved):
            one.mark(time_ns)
        assert together.standing == alone.standing
        assert halved.standing == alone.standing
        assert alone.is_asked_in_time
        assert together.is_asked_in_time
        assert halved.is_asked_in_time


def test_revisions_are_said_in_the_order_in_which_their_traces_had_anything_new() -> None:
    """Not in that of their first records of the batch, which brought nothing."""
    played = Played(RULES)
    for of in (1, 2):
        played.arrive(0, span("charge", 1, of=of))
    played.mark(40)
    played.said.clear()
    late = [(1, 1), (2, 2), (1, 2)]
    records = [
        InputRecord(
            "otlp_spans", 0, 2 + index, START_NS + 40 * SECOND_NS, None, (), encode_protobuf([span("bypass", number, of=of)]), "protobuf", 0
        )
        for index, (of, number) in enumerate(late)
    ]
    played.partition.take(ReadRecords.of(records), [START_NS + 40 * SECOND_NS] * 3)
    played.mark(41)
    assert list(dict.fromkeys(it.trace.id[-1] for it in played.records)) == ["2", "1"]
