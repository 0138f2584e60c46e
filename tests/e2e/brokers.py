"""Brokers for the tests: the embedded one, and Apache Kafka from wherever it can be had. Each ends with the tests that started it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from cli.embedded_broker import embedded_broker
from loadtest.kafka_broker import CACHE, VERSION, Listener, NoKafka, has_java, own_kafka
from tests.e2e.wire_proxy import Wire, wire
from tests.skipping import missing

if TYPE_CHECKING:
    from collections.abc import Iterator

GIVEN = "BETRACE_TEST_KAFKA"

Started = TypeVar("Started")


@dataclass(frozen=True, slots=True)
class Broker:
    """A broker that is up. `how` says where it came from, `is_kafka` whether it is Apache Kafka."""

    servers: str
    how: str
    is_kafka: bool


@contextmanager
def skipping_without_kafka(start: Callable[[], AbstractContextManager[Started]]) -> Iterator[Started]:
    """Start a broker for a test, which is skipped, with the reason, where it cannot be had."""
    with ExitStack() as stack:
        try:
            found = stack.enter_context(start())
        except NoKafka as reason:
            missing(str(reason))
        yield found


@contextmanager
def tansu(folder: Path) -> Iterator[Broker]:
    """The embedded broker of the demo."""
    with embedded_broker(folder / "tansu.log") as servers:
        yield Broker(servers, "embedded broker (Tansu)", is_kafka=False)


@contextmanager
def apache_kafka(folder: Path) -> Iterator[Broker]:
    """Apache Kafka: the one named by $BETRACE_TEST_KAFKA, else from Maven's archive with Java, else in a container."""
    given = os.environ.get(GIVEN)
    if given:
        yield Broker(given, f"Apache Kafka at ${GIVEN}", is_kafka=True)
    elif has_java():
        with own_kafka(folder) as own:
            yield Broker(own.servers, f"Apache Kafka {VERSION} (Java, {CACHE})", is_kafka=True)
    elif shutil.which("docker") and _runs(["docker", "info"]):
        with _in_container() as servers:
            yield Broker(servers, f"Apache Kafka {VERSION} (container)", is_kafka=True)
    else:
        raise NoKafka(f"Apache Kafka needs ${GIVEN}, or Java and Maven, or docker")


@contextmanager
def kafka_behind_wire(folder: Path) -> Iterator[tuple[Broker, Wire]]:
    """Apache Kafka of one test's own, which is reached by the wire; the test is skipped, with the reason, where it cannot be had."""
    with wire() as between, skipping_without_kafka(lambda: own_kafka(folder, Listener(advertised_port=between.port))) as kafka:
        between.broker_port = kafka.port
        yield Broker(f"127.0.0.1:{between.port}", f"Apache Kafka {VERSION} behind a wire", is_kafka=True), between


@contextmanager
def _in_container() -> Iterator[str]:
    from testcontainers.kafka import KafkaContainer  # noqa: PLC0415 - needs docker, which few machines of ours have

    with KafkaContainer("confluentinc/cp-kafka:8.0.0").with_kraft() as container:
        yield container.get_bootstrap_server()


def _runs(command: list[str]) -> bool:
    return subprocess.run(command, check=False, capture_output=True).returncode == 0
