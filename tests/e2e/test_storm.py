"""Whatever dies around the workers, every trace is judged once in effect: storms on Apache Kafka and Redis, and how they are drawn."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from loadtest.kafka_broker import NoKafka
from tests.e2e.faults import Kind, schedule
from tests.e2e.storm import Storm
from tests.skipping import is_ci, missing

SEEDS = (7, 8, 9)
SECONDS = 45.0


def test_the_storms_meet_every_kind_of_fault_there_is() -> None:
    met = {fault.kind for seed in SEEDS for fault in schedule(random.Random(seed), SECONDS)}
    assert met == set(Kind)


def test_a_schedule_hangs_on_its_seed_alone() -> None:
    assert schedule(random.Random(7), SECONDS) == schedule(random.Random(7), SECONDS) != schedule(random.Random(8), SECONDS)


@pytest.mark.kafka
@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", SEEDS)
def test_every_trace_is_judged_once_in_effect_whatever_dies(seed: int, tmp_path: Path) -> None:
    try:
        report = Storm(seed, SECONDS, tmp_path).run()
    except NoKafka as reason:
        missing(str(reason))
    assert not report.complaints, report.text
    # Elsewhere a storm without proxies is one all the same.
    assert not (is_ci() and report.left_out), report.text
