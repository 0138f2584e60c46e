"""What an end-to-end test plays on: topics, records, workers as processes of their own, and what they wrote."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition

from topics.admin import State, apply
from topics.settings import TopicSettings
from topics.violation import Violation, read_violation

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from processor.record import Record
    from tests.e2e.brokers import Broker

ROOT = Path(__file__).resolve().parents[2]
RULES = Path(__file__).resolve().parent / "rules"
PARTITIONS = 4
RUN = "from processor.settings import Settings; from processor.worker import run_worker; raise SystemExit(run_worker(Settings()))"
_WAIT_S = 90.0


@dataclass
class Worker:
    """A worker in a process of its own."""

    process: subprocess.Popen[str]
    url: str
    log_file: Path

    def get(self, path: str) -> tuple[int, bytes]:
        """Return status and body of a page; status 0 while it does not answer."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=5) as answer:  # noqa: S310 - our own loopback address
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()
        except OSError:
            return 0, b""

    def metric(self, name: str) -> float:
        """Return the sum of a metric over its labels."""
        lines = self.get("/metrics")[1].decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith((name + " ", name + "{")))

    def kill(self) -> None:
        """End it without warning, as a crash of the machine would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """Stop it as an operator would; return its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(_WAIT_S)

    def log(self) -> str:
        """Return what it logged."""
        return self.log_file.read_text()


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
        clean = {key: value for key, value in os.environ.items() if not key.startswith("BETRACE_")}
        return clean | {"BETRACE_" + key.upper(): str(value) for key, value in given.items()}

    def start(self, **settings: object) -> Worker:
        """Start a worker and return when its pages have an address."""
        log_file = self.folder / f"worker-{len(self.workers)}.log"
        with log_file.open("w") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", RUN], cwd=ROOT, env=self.environment(**settings), stdout=subprocess.PIPE, stderr=log, text=True
            )
        assert process.stdout is not None
        with process.stdout as output:
            words = output.readline().split()
        if len(words) < 3:
            raise AssertionError(f"the worker ended with {process.wait(_WAIT_S)}:\n{log_file.read_text()}")
        worker = Worker(process, words[2], log_file)
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

    def read(self, topic: str) -> list[tuple[bytes | None, bytes, list[tuple[str, bytes]]]]:
        """Return all records of a topic: key, value, headers."""
        consumer = Consumer({"bootstrap.servers": self.broker.servers, "group.id": "reader", "enable.auto.commit": False})
        try:
            consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in range(self.partition_count)])
            found = []
            until = time.monotonic() + 3
            while time.monotonic() < until:
                for message in consumer.consume(500, 0.2):
                    assert message.error() is None, message.error()
                    until = time.monotonic() + 1
                    headers: Any = message.headers() or []
                    found.append((message.key(), message.value() or b"", headers))
            return found
        finally:
            consumer.close()

    def violations(self) -> list[Violation]:
        """Return all violation records, in the order of their partitions."""
        return [read_violation(value) for _key, value, _headers in self.read(self.violations_topic)]

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


def contents_by_ce_id(records: Sequence[Violation]) -> dict[str, set[str]]:
    """Return the different bodies said under one id and revision."""
    found: dict[str, set[str]] = defaultdict(set)
    for record in records:
        found[record.ce_id].add(json.dumps(substance(record), sort_keys=True))
    return found
