"""The real parts that a worker is measured among: Apache Kafka, a store, topics, and the workers themselves."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from cli.embedded_store import embedded_store, store_binary
from compiler import SourceFile
from loadtest.kafka_broker import FAST, Listener, own_kafka
from loadtest.worker_process import Worker, environment, start_worker
from topics.admin import State, apply
from topics.settings import TopicSettings

_TIMEOUT_S: Final = 60.0
# Workers that are started together share the partitions from the begin.
_BROKER: Final = "group.initial.rebalance.delay.ms=1500\nnum.network.threads=2\nnum.io.threads=4\n"


@dataclass
class Outputs:
    """Where workers of one group write; every run has its own."""

    group: str
    violations: str
    journal: str
    dead_letters: str
    rules: str


@dataclass
class Stage:
    """A broker, whose process is `broker_pid`, and a store that are up.

    `cpus` are the processors of the workers, the last one first: that of the first worker is its own until `share_processors`.
    """

    folder: Path
    servers: str
    store_url: str
    cpus: Sequence[int]
    broker_pid: int
    workers: list[Worker] = field(default_factory=list)
    _numbers: int = 0

    def number(self) -> int:
        """Return a number that was not given before."""
        self._numbers += 1
        return self._numbers

    def spans_topic(self, partition_count: int, config: dict[str, str] | None = None) -> str:
        """Create a topic for spans, on which records keep the times they are given, and return its name."""
        name = f"otlp_spans-{self.number()}"
        settings = {"message.timestamp.type": "CreateTime", "retention.ms": "-1", **(config or {})}
        client = AdminClient({"bootstrap.servers": self.servers})
        client.create_topics([NewTopic(name, partition_count, 1, config=settings)])[name].result(_TIMEOUT_S)
        return name

    def outputs(self, spans_topic: str, partition_count: int) -> Outputs:
        """Create the other topics as `betrace topics apply` does, for a new group."""
        number = self.number()
        found = Outputs(f"group-{number}", f"violations-{number}", f"journal-{number}", f"dead-letters-{number}", f"rules-{number}")
        settings = TopicSettings(
            bootstrap_servers=self.servers,
            partition_count=partition_count,
            replication_factor=1,
            spans_topic=spans_topic,
            sharded_spans_topic=f"sharded-{number}",
            rules_topic=found.rules,
            violations_topic=found.violations,
            rule_stats_topic=found.journal,
            dead_letters_topic=found.dead_letters,
        )
        refused = [state for state in apply(settings) if state.state is State.REFUSED]
        if refused:
            raise RuntimeError(f"the broker refused topics: {refused}")
        return found

    def start(
        self, spans_topic: str, outputs: Outputs, rules: Path, settings: Mapping[str, object] | None = None, cpu: int | None = None
    ) -> Worker:
        """Start a worker with checkpoints to the store, on one processor if so asked; `settings` are those that are not as usual."""
        given = {
            "rules": rules,
            "bootstrap_servers": self.servers,
            "group_id": outputs.group,
            "spans_topic": spans_topic,
            "violations_topic": outputs.violations,
            "dead_letters_topic": outputs.dead_letters,
            "rule_stats_topic": outputs.journal,
            "rules_topic": outputs.rules,
            "store_url": self.store_url,
            "store_app": outputs.group,
            "http_port": 0,
            **(settings or {}),
        }
        worker = start_worker(environment(given), self.folder / f"worker-{self.number()}.log", cpu)
        self.workers.append(worker)
        return worker

    def record_count(self, topic: str, partition_count: int) -> int:
        """Return how many records stand on a topic."""
        consumer = Consumer({"bootstrap.servers": self.servers, "group.id": "counter"})
        try:
            return sum(
                consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=_TIMEOUT_S)[1]
                for partition in range(partition_count)
            )
        finally:
            consumer.close()

    def remove(self, *topics: str) -> None:
        """Delete topics: what is measured next has the disk and the memory to itself."""
        client = AdminClient({"bootstrap.servers": self.servers})
        for done in client.delete_topics(list(topics)).values():
            done.result(_TIMEOUT_S)

    def write_rules(self, name: str, sources: Sequence[SourceFile]) -> Path:
        """Write rule files to a folder of their own."""
        folder = self.folder / f"rules-{self.number()}-{name}"
        folder.mkdir()
        for source in sources:
            (folder / Path(source.name).name).write_bytes(source.content)
        return folder

    def share_processors(self) -> None:
        """Let the broker and whoever is started from now on run on any processor: what is measured next is time, not work."""
        for pid in (os.getpid(), self.broker_pid):
            for thread in Path(f"/proc/{pid}/task").iterdir():
                # A thread may have ended meanwhile.
                with suppress(ProcessLookupError):
                    os.sched_setaffinity(int(thread.name), self.cpus)

    def end(self) -> None:
        """Kill what is still running."""
        for worker in self.workers:
            if worker.process.poll() is None:
                worker.kill()


@contextmanager
def pipeline_stage() -> Iterator[Stage]:
    """Start broker and store, and end them and all workers. Raises NoKafka, KafkaStartError, StoreStartError."""
    cpus = sorted(os.sched_getaffinity(0))
    with TemporaryDirectory(prefix="betrace-loadtest-") as made:
        folder = Path(made)
        others = set(cpus[:-1]) or set(cpus)
        os.sched_setaffinity(0, others)
        try:
            (folder / "kafka").mkdir()
            (folder / "store").mkdir()
            with (
                own_kafka(folder / "kafka", Listener(properties=_BROKER, java_options=FAST)) as broker,
                embedded_store(folder / "store" / "log") as store,
            ):
                stage = Stage(folder, broker.servers, store, cpus[::-1], broker.process.pid)
                try:
                    yield stage
                finally:
                    stage.end()
        finally:
            os.sched_setaffinity(0, cpus)


def store_version() -> str:
    """Return which store is measured with."""
    return subprocess.run([str(store_binary()), "--version"], check=True, capture_output=True, text=True).stdout.split(" sha=")[0].strip()  # noqa: S603 - our own program
