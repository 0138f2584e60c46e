"""Makes the topics of the table and says where a broker's topics differ from it. Creates, and changes nothing that exists.

The one file of this room that knows the Kafka client.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # it exports these without saying so to type checkers
    AdminClient,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
    TopicMetadata,
)

from topics.connection import Refusal
from topics.names import CREATED, Topic

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from concurrent.futures import Future

    from topics.settings import TopicSettings

_Answer = TypeVar("_Answer")

_ADVICE = {
    "partitions": "BeTrace never changes this: more partitions move traces to other workers in the middle",
    "replication": "change it with your broker's own tools",
    "message.timestamp.type": "partition time then rests on the clocks of the producers",
    "cleanup.policy": "records may vanish before they are read",
    "retention.ms": "yours stands",
    "max.message.bytes": "records larger than this are refused by the broker",
}


class BrokerError(Exception):
    """The broker could not be reached or did not answer; the text says what was asked of which broker."""


class State(StrEnum):
    """How a topic stands: to be created, created just now, there as wanted, there and different, or refused by the broker."""

    MISSING = "missing"
    CREATED = "created"
    AS_WANTED = "as_wanted"
    DIFFERENT = "different"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Difference:
    """A property of an existing topic that is not as the table has it, and what that means."""

    property: str
    wanted: str
    actual: str
    advice: str


@dataclass(frozen=True, slots=True)
class TopicState:
    """What is so of one topic; `wanted` are the properties it has, or would have, when BeTrace creates it."""

    topic: Topic
    name: str
    state: State
    wanted: tuple[tuple[str, str], ...]
    differences: tuple[Difference, ...] = ()
    error: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON-ready data, for `--output json`."""
        differences = [{"property": it.property, "wanted": it.wanted, "actual": it.actual, "advice": it.advice} for it in self.differences]
        return {
            "role": self.topic.role.value,
            "name": self.name,
            "state": self.state.value,
            "wanted": dict(self.wanted),
            "differences": differences,
            "error": self.error,
        }


def plan(settings: TopicSettings, topics: Iterable[Topic] = CREATED) -> list[TopicState]:
    """Return how each topic stands, in the order given, and change nothing.

    Raises BrokerError where no broker answers within `timeout_ms`.
    """
    return _states(_client(settings), settings, topics)


def apply(settings: TopicSettings, topics: Iterable[Topic] = CREATED) -> list[TopicState]:
    """Create the topics that are missing, leave all others as they are, and return how each stands.

    Doing it again does nothing. A topic that somebody else creates meanwhile counts as existing. A creation the broker refuses is in the
    result (`refused`, with the broker's words); raises BrokerError where no broker answers within `timeout_ms`.
    """
    client = _client(settings)
    found = _states(client, settings, topics)
    missing = [it for it in found if it.state is State.MISSING]
    created = _create(client, settings, missing)
    return [created.get(it.name, it) for it in found]


class _Client(AdminClient):
    """A client that can say why it is refused."""

    def __init__(self, properties: dict[str, str]) -> None:
        self.refusal = Refusal()
        with_callback: dict[str, Any] = {**properties, "error_cb": self.refusal}
        super().__init__(with_callback)

    def words(self, error: KafkaException) -> str:
        # A call that waits for the broker does not hear why it is refused; a poll does.
        self.poll(0)
        return self.refusal.explain(_words(error))


def _client(settings: TopicSettings) -> _Client:
    own = {
        "client.id": "betrace-topics",
        "socket.timeout.ms": str(settings.timeout_ms),
        # What it logs comes back as an error as well.
        "log_level": "0",
    }
    try:
        return _Client({**own, **settings.connection_properties()})
    except KafkaException as error:
        raise BrokerError(f"the Kafka client refuses its properties: {_words(error)}") from error


def _states(client: _Client, settings: TopicSettings, topics: Iterable[Topic]) -> list[TopicState]:
    try:
        there = client.list_topics(timeout=settings.timeout_ms / 1000).topics
    except KafkaException as error:
        raise BrokerError(f"no broker answers at {settings.bootstrap_servers}: {client.words(error)}") from error
    rows = [(topic, settings.topic_name(topic)) for topic in topics]
    actual = _configs(client, settings, [name for _topic, name in rows if name in there])
    return [_state(settings, topic, name, there.get(name), actual.get(name, {})) for topic, name in rows]


def _state(settings: TopicSettings, topic: Topic, name: str, metadata: TopicMetadata | None, config: dict[str, str]) -> TopicState:
    wanted = _wanted(settings, topic)
    if metadata is None:
        return TopicState(topic, name, State.MISSING, tuple(wanted.items()))
    actual = {"partitions": str(len(metadata.partitions)), "replication": _replication(metadata), **config}
    differences = tuple(
        Difference(word, text, actual[word], _ADVICE[word]) for word, text in wanted.items() if word in actual and actual[word] != text
    )
    return TopicState(topic, name, State.DIFFERENT if differences else State.AS_WANTED, tuple(wanted.items()), differences)


def _wanted(settings: TopicSettings, topic: Topic) -> dict[str, str]:
    wanted = {"partitions": str(settings.wanted_partition_count(topic))}
    if settings.replication_factor != -1:
        wanted["replication"] = str(settings.replication_factor)
    return wanted | topic.config()


def _replication(metadata: TopicMetadata) -> str:
    return str(min((len(partition.replicas) for partition in metadata.partitions.values()), default=0))


def _configs(client: AdminClient, settings: TopicSettings, names: Sequence[str]) -> dict[str, dict[str, str]]:
    if not names:
        return {}
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
    asked = client.describe_configs(resources, request_timeout=settings.timeout_ms / 1000)
    answers = {resource.name: _answer(future, "describe topics") for resource, future in asked.items()}
    return {name: {word: entry.value for word, entry in entries.items() if _is_said(entry)} for name, entries in answers.items()}


def _is_said(entry: ConfigEntry) -> bool:
    # A broker may leave out what it does not know of (the embedded one does); that is no difference.
    return entry.value is not None


def _create(client: _Client, settings: TopicSettings, missing: Sequence[TopicState]) -> dict[str, TopicState]:
    if not missing:
        return {}
    wanted = [
        NewTopic(
            it.name,
            num_partitions=settings.wanted_partition_count(it.topic),
            replication_factor=settings.replication_factor,
            config=it.topic.config(),
        )
        for it in missing
    ]
    seconds = settings.timeout_ms / 1000
    asked = client.create_topics(wanted, operation_timeout=seconds, request_timeout=seconds)
    return {it.name: _created(client, settings, it, asked[it.name]) for it in missing}


def _created(client: _Client, settings: TopicSettings, it: TopicState, future: Future[None]) -> TopicState:
    try:
        future.result()
    except KafkaException as error:
        if error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS:
            return _states(client, settings, [it.topic])[0]
        return TopicState(it.topic, it.name, State.REFUSED, it.wanted, error=_words(error))
    return TopicState(it.topic, it.name, State.CREATED, it.wanted)


def _answer(future: Future[_Answer], asked: str) -> _Answer:
    try:
        return future.result()
    except KafkaException as error:
        raise BrokerError(f"the broker refuses to {asked}: {_words(error)}") from error


def _words(error: KafkaException) -> str:
    inner = error.args[0] if error.args else error
    return inner.str() if isinstance(inner, KafkaError) else str(inner)
