"""The sharder on real brokers: whole batches become traces in their partitions, whatever dies, and a worker judges them as complete."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # it exports these without saying so to type checkers
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from compiler import compile_sources
from loadtest.machine import ROOT
from loadtest.worker_process import Worker, environment
from processor.engines import DEFAULT_ENGINE, make_engine
from processor.finite import FiniteOutcome, judge_finite
from processor.rule_directory import read_sources
from processor.sharder import ORIGIN_OFFSET, ORIGIN_PARTITION, ORIGIN_TOPIC
from tests.captured import captured
from tests.e2e.stage import PARTITIONS, RULES, last_revisions, wait_for
from tests.processor.sharding import LogRecord, java_partition
from tests.topics.otlp_spans import span
from topics.dead_letter import read_dead_letter
from topics.otlp import decode_protobuf, encode_protobuf
from topics.recordings import SHOP_PROTO_BATCHED, SHOP_PROTO_KEYED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from processor.record import Record
    from tests.e2e.stage import Stage
    from topics.violation import Violation

_RUN = (
    "from processor.shard_settings import ShardSettings; from processor.shard_worker import run_sharder; "
    "raise SystemExit(run_sharder(ShardSettings()))"
)


@cache
def keyed() -> FiniteOutcome:
    return judged(captured(SHOP_PROTO_KEYED))


def judged(records: Iterable[Record]) -> FiniteOutcome:
    rule_set = compile_sources(read_sources(RULES)).rule_set
    assert rule_set is not None
    return judge_finite(records, make_engine(DEFAULT_ENGINE, rule_set))


def said(records: Iterable[Violation]) -> dict[tuple[str, str], Any]:
    """Return what is said of each trace by each rule: all but what names the input and the moment."""
    return {(it.rule.id, it.trace.id): it.model_dump(mode="json", exclude={"id", "input", "decided_at"}) for it in records}


def start(stage: Stage) -> Worker:
    """Start a sharder and return when its pages have an address."""
    settings = {
        "bootstrap_servers": stage.broker.servers,
        "group_id": f"shard-{stage.name}",
        "spans_topic": stage.spans_topic,
        "sharded_spans_topic": stage.sharded_spans_topic,
        "dead_letters_topic": stage.dead_letters_topic,
        "checkpoint_interval_s": 0.3,
        "http_port": 0,
    }
    variables = environment(settings, "BETRACE_SHARD_")
    log_file = stage.folder / f"shard-{len(stage.workers)}.log"
    with log_file.open("w") as log:
        process = subprocess.Popen([sys.executable, "-c", _RUN], cwd=ROOT, env=variables, stdout=subprocess.PIPE, stderr=log, text=True)
    assert process.stdout is not None
    with process.stdout as output:
        words = output.readline().split()
    assert len(words) == 6, log_file.read_text()
    sharder = Worker(process, words[2], log_file)
    stage.workers.append(sharder)
    return sharder


def sharded(stage: Stage) -> list[LogRecord]:
    """Return all records of the sharded topic, in the order of their partitions."""
    topic = stage.sharded_spans_topic
    return [LogRecord(it.value, it.key, it.headers, "protobuf", topic, it.partition, it.offset) for it in stage.read(topic)]


def read_all(sharder: Worker, count: int) -> None:
    """Wait until all input is read and its offsets may be committed."""
    wait_for(f"reading {count} records", lambda: sharder.metric("betrace_position") >= count, sharder)


def test_whole_batches_become_traces_in_their_partitions_judged_like_the_keyed_recording(stage: Stage) -> None:
    sharder = start(stage)
    count = stage.play(captured(SHOP_PROTO_BATCHED))
    read_all(sharder, count)
    assert sharder.get("/readyz")[0] == 200
    assert sharder.stop() == 0, sharder.log()
    records = sharded(stage)
    for record in records:
        assert record.key is not None
        assert record.partition == java_partition(record.key, PARTITIONS)
        assert {one.trace_id.encode() for one in decode_protobuf(record.value).spans} == {record.key}
        headers = dict(record.headers)
        assert headers[ORIGIN_TOPIC] == stage.spans_topic.encode()
        assert {ORIGIN_PARTITION, ORIGIN_OFFSET, "content-type"} <= headers.keys()
    found = judged(records)
    assert (found.trace_count, found.span_count, found.counts) == (keyed().trace_count, keyed().span_count, keyed().counts)
    assert said(found.records) == said(keyed().records)


def test_a_sharder_that_is_killed_and_started_again_loses_nothing(stage: Stage) -> None:
    records = captured(SHOP_PROTO_BATCHED)
    half = len(records) // 2
    first = start(stage)
    stage.play(records[:half])
    wait_for("a commit", lambda: first.metric("betrace_position") > 0, first)
    stage.play(records[half : half + 100])
    first.kill()
    second = start(stage)
    stage.play(records[half + 100 :])
    read_all(second, len(records))
    assert second.stop() == 0, second.log()
    found = judged(sharded(stage))
    # Some records may have come twice; their spans count once.
    assert found.counts == keyed().counts
    assert said(found.records) == said(keyed().records)


def test_a_worker_judges_the_sharded_topic_as_keyed(stage: Stage) -> None:
    sharder = start(stage)
    count = stage.play(captured(SHOP_PROTO_BATCHED))
    read_all(sharder, count)
    assert sharder.stop() == 0, sharder.log()
    worker = stage.start(spans_topic=stage.sharded_spans_topic, drains_on_stop=True)
    expected = len(sharded(stage))
    wait_for("reading", lambda: worker.metric("betrace_records_read_total") >= expected, worker)
    assert worker.metric("betrace_records_unkeyed_total") == 0
    assert worker.stop() == 0, worker.log()
    last = last_revisions(stage.violations()).values()
    assert {(it.rule.id, it.trace.id) for it in last} == said(keyed().records).keys()
    assert all(it.trace.complete for it in last)


# The embedded broker takes records of any size.
@pytest.mark.parametrize("broker", [pytest.param("kafka", marks=pytest.mark.kafka)], indirect=True)
def test_a_record_that_the_broker_finds_too_large_is_a_dead_letter_and_the_others_pass(stage: Stage) -> None:
    entry = ConfigEntry("max.message.bytes", "4000", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, stage.sharded_spans_topic, incremental_configs=[entry])
    admin = AdminClient({"bootstrap.servers": stage.broker.servers})
    admin.incremental_alter_configs([resource])[resource].result()
    sharder = start(stage)
    noise = {f"k{number}": os.urandom(20).hex() for number in range(200)}
    large = LogRecord(encode_protobuf([span(trace_id="aa" * 16, attributes=noise)]), partition=0)
    small = LogRecord(encode_protobuf([span(trace_id="bb" * 16)]), partition=0)
    # Sent together they are one batch, which the broker refuses whole.
    stage.play([small, large, small])
    read_all(sharder, 3)
    assert sharder.stop() == 0, sharder.log()
    assert [record.key for record in sharded(stage)] == [b"bb" * 16] * 2
    letters = [read_dead_letter(it.key, it.value, it.headers) for it in stage.read(stage.dead_letters_topic)]
    assert [(letter.reason, letter.value, letter.offset) for letter in letters] == [("too_large", large.value, 1)]
