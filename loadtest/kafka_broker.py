"""Apache Kafka from Maven's archive, run with Java: for whoever measures or tests on real brokers of its own."""

from __future__ import annotations

import base64
import contextlib
import os
import random
import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

VERSION = "4.1.0"
CACHE = Path.home() / ".cache" / "betrace" / f"kafka-{VERSION}"
_UP_TIMEOUT_S = 60.0
# A broker that lives for a minute is to be there soon rather than to be fast; one that is measured with is to be fast.
UP_SOON = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx512m")
FAST = ("-XX:+UseSerialGC", "-Xms1g", "-Xmx1g")
_JAVA = ("java", "-cp", f"{CACHE}/libs/*")
_POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>t</groupId><artifactId>kafka-dist</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{VERSION}</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>{VERSION}</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>2.24.3</version></dependency>
  </dependencies>
</project>
"""
_PROPERTIES = """process.roles=broker,controller
node.id={number}
controller.quorum.voters={voters}
listeners=CLIENT://127.0.0.1:{port},INTERNAL://127.0.0.1:{internal},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=CLIENT://127.0.0.1:{advertised},INTERNAL://127.0.0.1:{internal}
controller.listener.names=CONTROLLER
inter.broker.listener.name=INTERNAL
listener.security.protocol.map=CLIENT:{protocol},INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
offsets.topic.num.partitions=4
offsets.topic.replication.factor={replicas}
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor={replicas}
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
group.consumer.min.session.timeout.ms=3000
group.consumer.session.timeout.ms=6000
group.consumer.min.heartbeat.interval.ms=300
group.consumer.heartbeat.interval.ms=500
auto.create.topics.enable=false
"""


class NoKafka(Exception):  # noqa: N818 - it says what is so
    """Apache Kafka cannot be had here; the text says what was tried."""


class KafkaStartError(Exception):
    """Apache Kafka is here and did not start; the text has the end of its log."""


@dataclass(slots=True)
class OwnKafka:
    """A node of Apache Kafka of one test, which may stop, freeze or kill its process and start it again on its ports, with its data.

    `internal_port` is reached without whatever stands before the clients' port, and without asking who is there.
    """

    folder: Path
    port: int
    internal_port: int
    java_options: tuple[str, ...]
    process: subprocess.Popen[bytes]

    @property
    def servers(self) -> str:
        """Its address."""
        return f"127.0.0.1:{self.port}"

    @property
    def internal_servers(self) -> str:
        """Its address for those who are not to be disturbed."""
        return f"127.0.0.1:{self.internal_port}"

    def start_again(self) -> None:
        """Start it again; it is not waited for."""
        self.process = _start(self.folder, self.java_options)

    def wait_until_up(self) -> None:
        """Return when it listens. Raises KafkaStartError where it does not come up."""
        _wait_until_up(self.port, self.process, self.folder / "kafka.log")

    def end(self) -> None:
        """Kill it."""
        self.process.kill()
        self.process.wait()


@dataclass(frozen=True, slots=True)
class Listener:
    """How Apache Kafka is reached, by which protocol, at which port it names to clients (its own when 0), and how it is set up."""

    protocol: str = "PLAINTEXT"
    advertised_port: int = 0
    properties: str = ""
    format_arguments: tuple[str, ...] = ()
    java_options: tuple[str, ...] = UP_SOON


@contextmanager
def own_kafka(folder: Path, listener: Listener | None = None) -> Iterator[OwnKafka]:
    """Apache Kafka from Maven's archive, for this test alone. Raises NoKafka, KafkaStartError."""
    with kafka_nodes([folder], listener or Listener()) as (node,):
        yield node


@contextmanager
def kafka_nodes(folders: Sequence[Path], listener: Listener) -> Iterator[list[OwnKafka]]:
    """Nodes of one Apache Kafka, each with a folder of its own, all brokers and controllers; every topic of its own is on all of them."""
    if not has_java():
        raise NoKafka("Apache Kafka of a test's own needs Java and Maven")
    _fetch()
    controllers = [lasting_port() for _ in folders]
    voters = ",".join(f"{number}@127.0.0.1:{port}" for number, port in enumerate(controllers, 1))
    # An id that begins with a dash would be taken for an option of Kafka's tool: this one begins with A.
    cluster = base64.urlsafe_b64encode(b"\0" + uuid.uuid4().bytes[1:]).decode().rstrip("=")
    nodes: list[OwnKafka] = []
    try:
        for number, (folder, controller) in enumerate(zip(folders, controllers, strict=True), 1):
            port, internal = lasting_port(), lasting_port()
            text = _PROPERTIES.format(
                number=number,
                voters=voters,
                replicas=len(folders),
                port=port,
                advertised=listener.advertised_port or port,
                internal=internal,
                controller=controller,
                protocol=listener.protocol,
                data=folder / "data",
            )
            (folder / "server.properties").write_text(text + listener.properties)
            _format(folder, cluster, listener.format_arguments)
            nodes.append(OwnKafka(folder, port, internal, listener.java_options, _start(folder, listener.java_options)))
        for node in nodes:
            node.wait_until_up()
        yield nodes
    finally:
        for node in nodes:
            node.end()


def lasting_port() -> int:
    """Return a free TCP port that no client is given by chance, so that a server finds it free again after a while."""
    while True:
        port = random.randrange(20_000, 32_000)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


def listens(port: int) -> bool:
    """Say whether a server takes connections at a port."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _format(folder: Path, cluster: str, arguments: Sequence[str]) -> None:
    command = [*_JAVA, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(folder / "server.properties"), *arguments]
    with (folder / "kafka.log").open("wb") as log:
        subprocess.run(command, check=True, stdout=log, stderr=log)  # noqa: S603 - our own command


def _start(folder: Path, java_options: Sequence[str]) -> subprocess.Popen[bytes]:
    command = [*_JAVA, *java_options, "kafka.Kafka", str(folder / "server.properties")]
    with (folder / "kafka.log").open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)  # noqa: S603 - our own command


def has_java() -> bool:
    """Say whether Apache Kafka can be run here: there is Java, and its jars are there or Maven to fetch them."""
    return shutil.which("java") is not None and (_is_cached() or shutil.which("mvn") is not None)


def _is_cached() -> bool:
    return (CACHE / "complete").exists()


def _fetch() -> None:
    """Fetch the jars once; several test processes may want to, and each ends with a whole folder."""
    if _is_cached():
        return
    CACHE.mkdir(parents=True, exist_ok=True)
    partial = CACHE / f"partial-{os.getpid()}"
    partial.mkdir()
    (partial / "pom.xml").write_text(_POM)
    command = ["mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=libs", "-DincludeScope=runtime"]
    try:
        subprocess.run(command, cwd=partial, check=True, capture_output=True, timeout=600)  # noqa: S603 - our own command
        if not _is_cached():
            shutil.rmtree(CACHE / "libs", ignore_errors=True)
            (partial / "libs").rename(CACHE / "libs")
            (CACHE / "complete").touch()
    except (subprocess.SubprocessError, OSError) as error:
        if not _is_cached():
            raise NoKafka(f"Maven could not fetch Apache Kafka: {error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _wait_until_up(port: int, process: subprocess.Popen[bytes], log_file: Path) -> None:
    until = time.monotonic() + _UP_TIMEOUT_S
    while time.monotonic() < until:
        if process.poll() is not None:
            raise KafkaStartError(f"Kafka ended at once:\n{log_file.read_text()[-2000:]}")
        if listens(port):
            return
        time.sleep(0.1)
    raise KafkaStartError(f"Kafka did not come up:\n{log_file.read_text()[-2000:]}")
