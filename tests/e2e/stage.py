"""What an end-to-end test plays on: topics, records, workers as processes of their own, and what they wrote."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from confluent_kafka import Producer

from loadtest.worker_process import Worker, environment, start_worker
from tests.e2e.topic_logs import Found, read_topic
from topics.admin import State, apply
from topics.settings import TopicSettings
from topics.violation import Violation, read_violation

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from processor.record import Record
    from tests.e2e.brokers import Broker

RULES = Path(__file__).resolve().parent / "rules"
PARTITIONS = 4
_WAIT_S = 90.0


@dataclass
class Stage:
    """One test's topics on a broker and the workers it started."""

    broker: Broker
    folder: Path
    name: str
    partition_count: int = PARTITIONS
    workers: list[Worker] = field(default_factory=list)

    @property
    def spans_topic(self) -> str:
        return f"otlp_spans-{self.name}"

    @property
    def sharded_spans_topic(self) -> str:
        return f"betrace.spans-{self.name}"

    @property
    def rules_topic(self) -> str:
        return f"betrace.rules-{self.name}"

    @property
    def rule_stats_topic(self) -> str:
        return f"betrace.rule-stats-{self.name}"

    @property
    def violations_topic(self) -> str:
        return f"betrace.violations-{self.name}"

    @property
    def dead_letters_topic(self) -> str:
        return f"betrace.dead-letters-{self.name}"

    def environment(self, **settings: object) -> dict[str, str]:
        """Return a worker's environment."""
        given = {
            "rules": RULES,
            "bootstrap_servers": self.broker.servers,
            "group_id": f"betrace-{self.name}",
            "spans_topic": self.spans_topic,
            "violations_topic": self.violations_topic,
            "dead_letters_topic": self.dead_letters_topic,
            "rule_stats_topic": self.rule_stats_topic,
            "rules_topic": self.rules_topic,
            "http_port": 0,
            **settings,
        }
        return environment(given)

    def start(self, **settings: object) -> Worker:
        """Start a worker and return when its pages have an address."""
        worker = start_worker(self.environment(**settings), self.folder / f"worker-{len(self.workers)}.log")
        self.workers.append(worker)
        return worker

    def play(self, records: Iterable[Record], *, pause_s: float = 0.0) -> int:
        """Append records to their own partitions, in their order, with the time of now; return how many."""
        producer = Producer({"bootstrap.servers": self.broker.servers, "acks": "all", "enable.idempotence": True, "linger.ms": 5})
        count = 0
        for count, record in enumerate(records, 1):  # noqa: B007 - the last one is the number of all
            headers = [(name, value) for name, value in record.headers]
            while True:
                try:
                    producer.produce(self.spans_topic, record.value, record.key, partition=record.partition, headers=headers)
                    break
                except BufferError:
                    producer.poll(0.1)
            producer.poll(pause_s)
        assert producer.flush(60) == 0
        return count

    def read(self, topic: str) -> list[Found]:
        """Return all records of a topic, partition by partition."""
        return read_topic(self.broker.servers, topic)

    def violations(self) -> list[Violation]:
        """Return all violation records, in the order of their partitions."""
        return [read_violation(found.value) for found in self.read(self.violations_topic)]

    def end(self) -> None:
        """Kill what is still running."""
        for worker in self.workers:
            if worker.process.poll() is None:
                worker.kill()


def make_topics(stage: Stage, replica_count: int = 1) -> None:
    """Create the topics of a stage as `betrace topics apply` does."""
    settings = TopicSettings(
        bootstrap_servers=stage.broker.servers,
        partition_count=stage.partition_count,
        replication_factor=replica_count,
        spans_topic=stage.spans_topic,
        sharded_spans_topic=stage.sharded_spans_topic,
        rules_topic=stage.rules_topic,
        violations_topic=stage.violations_topic,
        rule_stats_topic=stage.rule_stats_topic,
        dead_letters_topic=stage.dead_letters_topic,
    )
    states = apply(settings)
    assert all(state.state is State.CREATED for state in states), states


def wait_for(what: str, holds: Any, worker: Worker, timeout_s: float = _WAIT_S) -> None:  # noqa: ANN401 - any truth value will do
    """Return when it holds; fail with the worker's log when it does not in time."""
    until = time.monotonic() + timeout_s
    while not holds():
        assert worker.process.poll() is None, f"the worker ended:\n{worker.log()[-4000:]}"
        assert time.monotonic() < until, f"{what} did not happen in {timeout_s} s:\n{worker.log()[-4000:]}"
        time.sleep(0.1)


def last_revisions(records: Sequence[Violation]) -> dict[str, Violation]:
    """Return what a reader believes: of each violation the greatest revision, unless it is withdrawn."""
    last: dict[str, Violation] = {}
    for record in records:
        if record.id not in last or record.revision >= last[record.id].revision:
            last[record.id] = record
    return {key: record for key, record in last.items() if record.change != "withdrawn"}


def substance(record: Violation) -> dict[str, Any]:
    """Return what a violation says whoever judged: without revision, close and input topic."""
    body = record.model_dump(mode="json", exclude={"revision", "change", "decided_at", "early"})
    body["input"].pop("topic")
    body["trace"].pop("close_reason")
    return body
