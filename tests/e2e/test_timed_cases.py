"""The timed cases of the language on a real worker and a real Kafka: all in one log, stamped with the moments at which their spans arrive.

The records' own timestamps (CreateTime) move partition time. Each case has its hours of the past, so that one worker reads in a few
seconds what took days; where a case says no more than that time goes by, a record without a span does.
"""

from __future__ import annotations

import json
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from confluent_kafka import Producer

from compiler.verdict import Verdict
from processor.closing import SECOND_NS
from processor.reference_traces import ReferenceTraceEngine
from tests.conformance.case import StreamCase, load_cases
from tests.conformance.run_handler import HandlerRun
from tests.conformance.run_judge import compiled
from tests.conformance.timed import POLICY, Timed, timed
from tests.e2e.brokers import Broker
from tests.e2e.stage import PARTITIONS, Stage, make_topics, wait_for
from tests.e2e.test_topics import alter
from tests.e2e.topic_logs import read_topic
from tests.processor.logs import KEY, Log
from tests.trace_engines import ENGINES
from topics.journal import valid
from topics.otlp import encode_protobuf
from topics.rfc3339 import parse_ns
from topics.span import Span
from topics.violation import Violation, read_violation

pytestmark = pytest.mark.kafka
# Longer than any trace is remembered, so that the next case of the partition finds nothing.
_APART_NS = 1_000 * SECOND_NS
# A request of one empty ResourceSpans.
_NO_SPANS = b"\x0a\x00"


class Said(NamedTuple):
    """A violation as it was said: of which rule, at which moment of its case, in which revision, of which spans."""

    rule: str
    moment: int
    change: str
    revision: int
    offenders: tuple[str, ...]


class Played(NamedTuple):
    """A case on a partition: when it begins, at which moments something arrives or falls due, and what is to be said."""

    timed: Timed
    partition: int
    begin_ns: int
    moments: Sequence[int]
    expected: Sequence[Said]

    @property
    def trace_id(self) -> str:
        """The case's only trace."""
        return next(spans[0].trace_id for spans in self.timed.arrivals.values() if spans)

    @property
    def records(self) -> Iterator[tuple[int, Sequence[Span]]]:
        """What arrives, moment by moment: time and spans."""
        return ((self.begin_ns + moment, self.timed.arrivals.get(moment, ())) for moment in self.moments)


def _cases() -> list[Timed]:
    cases = [case for case in load_cases() if isinstance(case, StreamCase)]
    assert not any(case.let for case in cases), "rule files of several cases share their names"
    return [timed(case, prefix=f"case{number}-", trace_id=f"{number:032x}") for number, case in enumerate(cases, 1)]


def _played(cases: Sequence[Timed]) -> list[Played]:
    """Give every case its partition and its time there, in order; all of it is over by now. The core says what the case expects."""
    ends = [time.time_ns() // SECOND_NS * SECOND_NS - _APART_NS] * PARTITIONS
    found = []
    for number, case in enumerate(cases):
        run = HandlerRun(case, ReferenceTraceEngine)
        assert run.problems() == []
        partition, moments = number % PARTITIONS, sorted(set(run.marked_ns))
        ends[partition] -= moments[-1] + _APART_NS
        found.append(Played(case, partition, ends[partition], moments, sorted(_said(run.log.outbox.sent, run.log.at(0)))))
    return found[::-1]


def _records(played: Sequence[Played], partition: int) -> Iterator[tuple[int, Sequence[Span]]]:
    """Yield what a partition holds: in the end comes a time at which all that is open is long due."""
    for one in played:
        if one.partition == partition:
            yield from one.records
    yield max(one.begin_ns + one.moments[-1] for one in played) + _APART_NS, ()


def _said(records: Iterable[Violation], begin_ns: int) -> Iterator[Said]:
    for it in records:
        offenders = tuple(offender.name for offender in it.offenders)
        yield Said(it.rule.id, parse_ns(it.decided_at) - begin_ns, it.change, it.revision, offenders)


def _counts(journal: Iterable[tuple[int, bytes]]) -> Counter[tuple[str, str]]:
    found: Counter[tuple[str, str]] = Counter()
    for placed in valid(journal):
        for counts in placed.record.counts:
            found.update({(counts.rule, verdict): getattr(counts, verdict) for verdict in Verdict if verdict is not Verdict.UNKNOWN})
    return +found


def _expected_counts(played: Sequence[Played]) -> Counter[tuple[str, str]]:
    """Return what every rule says of all cases' traces, counted by the core on the same records."""
    rule_set = compiled(None, [entry for one in played for entry in one.timed.entries])
    assert not isinstance(rule_set, list), rule_set
    found: Counter[tuple[str, str]] = Counter()
    for partition in range(PARTITIONS):
        log = Log(rule_set, POLICY)
        for at_ns, spans in _records(played, partition):
            log.append((at_ns - log.at(0)) / SECOND_NS, *spans)
            log.wall_s = (at_ns - log.at(0)) / SECOND_NS
        owner = log.own()
        owner.read(chunk=1)
        owner.checkpoint()
        found += _counts(enumerate(log.journal.logs[KEY]))
    return found


@pytest.fixture
def stage(kafka: Broker, tmp_path: Path) -> Iterator[Stage]:
    """Topics whose records carry the times of those who write them."""
    stage = Stage(kafka, tmp_path, uuid.uuid4().hex[:8])
    make_topics(stage)
    alter(kafka, stage.spans_topic, message_timestamp_type="CreateTime")
    yield stage
    stage.end()


def _append(stage: Stage, played: Sequence[Played]) -> int:
    """Append a record for each moment of each case; return how many."""
    producer = Producer({"bootstrap.servers": stage.broker.servers, "acks": "all", "enable.idempotence": True})
    count = 0
    for partition in range(PARTITIONS):
        for at_ns, spans in _records(played, partition):
            value, key = (encode_protobuf(spans), spans[0].trace_id) if spans else (_NO_SPANS, None)
            headers: list[tuple[str, str | bytes | None]] = [("content-type", b"application/x-protobuf")]
            producer.produce(stage.spans_topic, value, key, partition, timestamp=at_ns // 1_000_000, headers=headers)
            count += 1
    assert producer.flush(60) == 0
    return count


def _write_rules(folder: Path, cases: Sequence[Timed]) -> Path:
    folder.mkdir()
    for number, case in enumerate(cases):
        (folder / f"case-{number}.yaml").write_text(json.dumps({"rules": case.entries}))
    return folder


@pytest.mark.parametrize("engine_name", ENGINES)
def test_a_worker_says_by_each_moment_what_the_cases_say(engine_name: str, stage: Stage) -> None:
    cases = _cases()
    played = _played(cases)
    count = _append(stage, played)
    rules = _write_rules(stage.folder / "rules", cases)
    # A mark after every record, as a timed test has it.
    worker = stage.start(rules=rules, engine=engine_name, is_early=True, records_per_chunk_max=1)
    wait_for(f"reading {count} records", lambda: worker.metric("betrace_position") >= count, worker)
    assert worker.stop() == 0, worker.log()
    said = [read_violation(it.value) for it in read_topic(stage.broker.servers, stage.violations_topic)]
    for one in played:
        own = [it for it in said if it.trace.id == one.trace_id and it.rule.id in one.timed.expected]
        found = [it for it in _said(own, one.begin_ns) if it.moment <= one.moments[-1]]
        assert sorted(found) == one.expected, one.timed.case.label
    journal = read_topic(stage.broker.servers, stage.rule_stats_topic)
    counts = [_counts((it.offset, it.value) for it in journal if it.partition == partition) for partition in range(PARTITIONS)]
    assert sum(counts, Counter()) == _expected_counts(played)
