"""Three brokers of which the group's coordinator dies, twice: every trace is still judged once in effect."""

from __future__ import annotations

import random
import time
import uuid
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from loadtest.kafka_broker import Listener, OwnKafka, kafka_nodes
from tests.e2e.brokers import Broker, skipping_without_kafka
from tests.e2e.stage import PARTITIONS, Stage, make_topics
from tests.e2e.storm_input import Player, plan
from tests.e2e.trial import Trial

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

NODES = 3
SECONDS = 28.0
_PAUSE_S = 4.0


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[list[OwnKafka]]:
    """Brokers that acknowledge what two of them have."""
    folders = [tmp_path / f"kafka-{number}" for number in range(NODES)]
    for folder in folders:
        folder.mkdir()
    with skipping_without_kafka(lambda: kafka_nodes(folders, Listener(properties="min.insync.replicas=2\n"))) as found:
        yield found


def coordinator(nodes: Sequence[OwnKafka], group: str) -> OwnKafka:
    """The broker that keeps the group now."""
    client = AdminClient({"bootstrap.servers": servers(nodes), "log_level": 0})
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            found = client.describe_consumer_groups([group], request_timeout=5)[group].result().coordinator
            return next(node for node in nodes if node.port == found.port and node.process.poll() is None)
        except (KafkaException, StopIteration):
            time.sleep(0.5)
    raise AssertionError("no broker keeps the group")


def servers(nodes: Sequence[OwnKafka]) -> str:
    return ",".join(node.servers for node in nodes)


@pytest.mark.kafka
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_coordinators_die_and_every_trace_is_judged_once_in_effect(nodes: list[OwnKafka], tmp_path: Path) -> None:
    stage = Stage(Broker(servers(nodes), "Apache Kafka, three brokers", is_kafka=True), tmp_path, uuid.uuid4().hex[:8])
    make_topics(stage, NODES)
    trial = Trial(stage, {})
    try:
        trial.begin(2)
        play = plan(random.Random(1), SECONDS, PARTITIONS, 1, shuffled=(), redelivered=())
        player = Player(stage.broker.servers, stage.spans_topic, play)
        player.start()
        kept = []
        for _ in range(2):
            time.sleep(_PAUSE_S)
            kept.append(coordinator(nodes, f"betrace-{stage.name}"))
            kept[-1].end()
            time.sleep(_PAUSE_S)
            # Somebody must come to the new coordinator and be given partitions.
            trial.crew.members[0].process.kill()
            trial.crew.supervise()
            time.sleep(_PAUSE_S)
            kept[-1].start_again()
            kept[-1].wait_until_up()
        player.join(120)
        judged = trial.finish(play, player, lambda _text: None)
    finally:
        trial.crew.end()
    assert not judged.complaints
    assert kept[0] is not kept[1]
