"""A topic with 200 partitions: one worker takes all of them, dies, and the next one takes all of them over in time."""

from __future__ import annotations

import time
import uuid
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from compiler import compile_sources
from processor.finite import judge_finite
from processor.inputs import InputRecord
from processor.reference_traces import ReferenceTraceEngine
from processor.rule_directory import read_sources
from tests.captured import captured
from tests.e2e.brokers import Broker
from tests.e2e.stage import RULES, Stage, last_revisions, make_topics, substance, wait_for
from topics.recordings import SHOP_PROTO_KEYED

pytestmark = pytest.mark.kafka
PARTITIONS = 200
# A session of 6 s, and what 200 fences, checkpoints and fetches may take on a busy machine.
_TAKEN_OVER_S = 30.0


@pytest.fixture
def stage(kafka: Broker, tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(kafka, tmp_path, uuid.uuid4().hex[:8], PARTITIONS)
    make_topics(stage)
    yield stage
    stage.end()


def _spread() -> Sequence[InputRecord]:
    """The recorded shop, its traces over all partitions."""
    behind: Counter[int] = Counter()
    found: list[InputRecord] = []
    for record in captured(SHOP_PROTO_KEYED):
        partition = zlib.crc32(record.key or b"") % PARTITIONS
        found.append(replace(record, partition=partition, offset=behind[partition]))
        behind[partition] += 1
    assert len(behind) > PARTITIONS * 0.9
    return found


def test_all_of_them_are_judged_and_taken_over_at_once(stage: Stage) -> None:
    records = _spread()
    half = len(records) // 2
    first = stage.start(root_grace_s=1, idle_timeout_s=5)
    stage.play(records[:half])
    wait_for("reading the first half", lambda: first.metric("betrace_position") >= half, first)
    assert first.metric("betrace_partitions_owned") == PARTITIONS
    first.kill()
    killed_at = time.monotonic()
    second = stage.start(root_grace_s=1, idle_timeout_s=5, drains_on_stop=True)
    wait_for("taking over", lambda: second.metric("betrace_partitions_owned") == PARTITIONS and second.get("/readyz")[0] == 200, second)
    assert time.monotonic() - killed_at < _TAKEN_OVER_S
    stage.play(records[half:])
    wait_for("reading the rest", lambda: second.metric("betrace_position") >= len(records), second)
    assert second.stop() == 0, second.log()
    rule_set = compile_sources(read_sources(RULES)).rule_set
    assert rule_set is not None
    expected = judge_finite(records, ReferenceTraceEngine(rule_set)).records
    assert {key: substance(one) for key, one in last_revisions(stage.violations()).items()} == {one.id: substance(one) for one in expected}
