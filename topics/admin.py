"""Makes the topics of the table, says where a broker's topics differ from it, and changes them where it is asked to.

The one file of this room that knows the Kafka client.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # it exports these without saying so to type checkers
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    ResourceType,
    TopicMetadata,
)

from topics.connection import Refusal, words_of
from topics.drift import PARTITIONS, REPLICATION, Acceptance, Change, Safety, changes, untold
from topics.names import TOPICS, Role, Topic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from concurrent.futures import Future

    from topics.settings import TopicSettings

_POLL_S = 0.05


class BrokerError(Exception):
    """The broker could not be reached or did not answer; the text says what was asked of which broker."""


class State(StrEnum):
    """How a topic stands: to be created, created just now, there as wanted, changed just now, there and different, or refused."""

    MISSING = "missing"
    CREATED = "created"
    AS_WANTED = "as_wanted"
    ALTERED = "altered"
    DIFFERENT = "different"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class TopicState:
    """What is so of one topic; `wanted` are the properties it has, or would have, when BeTrace creates it.

    `changes` is what differs still, `altered` what was changed just now, `untold` what the broker does not tell, so that it may differ.
    """

    topic: Topic
    name: str
    state: State
    wanted: tuple[tuple[str, str], ...]
    changes: tuple[Change, ...] = ()
    altered: tuple[Change, ...] = ()
    untold: tuple[str, ...] = ()
    error: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON-ready data, for `--output json`."""
        return {
            "role": self.topic.role.value,
            "name": self.name,
            "state": self.state.value,
            "wanted": dict(self.wanted),
            "changes": [it.as_json() for it in self.changes],
            "altered": [it.as_json() for it in self.altered],
            "untold": list(self.untold),
            "error": self.error,
        }


def check(settings: TopicSettings, topics: Iterable[Topic] = TOPICS) -> list[TopicState]:
    """Return how each topic stands, in the order given, and change nothing.

    Raises BrokerError where no broker answers within `timeout_ms`.
    """
    return _states(_client(settings), settings, topics)


def apply(
    settings: TopicSettings, topics: Iterable[Topic] = TOPICS, *, alters: bool = False, accepted: Collection[Acceptance] = ()
) -> list[TopicState]:
    """Create the topics that are missing, alter others if asked to, and return how each stands.

    `alters`: what differs and is safe to change is changed, and of the destructive changes those that are `accepted`. Doing it again does
    nothing. A topic that somebody else creates meanwhile counts as existing. What the broker refuses is in the result (`refused`, with
    the broker's words); raises BrokerError where no broker answers within `timeout_ms`.
    """
    client = _client(settings)
    states = {it.name: it for it in _states(client, settings, topics)}
    states |= _create(client, settings, [it for it in states.values() if it.state is State.MISSING])
    if alters:
        # What stands beside other topics goes first: should its growth be refused, those have not grown either.
        for found in sorted(states.values(), key=lambda it: not it.topic.same_partitions_as):
            states[found.name] = _altered(client, settings, found, accepted)
    _wait_until_shown(client, settings, list(states.values()))
    return list(states.values())


class _Client(AdminClient):
    """A client that can say why it is refused."""

    def __init__(self, properties: dict[str, str]) -> None:
        self.refusal = Refusal()
        with_callback: dict[str, Any] = {**properties, "error_cb": self.refusal}
        super().__init__(with_callback)

    def words(self, error: KafkaException) -> str:
        # A call that waits for the broker does not hear why it is refused; a poll does.
        self.poll(0)
        return self.refusal.explain(words_of(error))


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
        raise BrokerError(f"the Kafka client refuses its properties: {words_of(error)}") from error


def _states(client: _Client, settings: TopicSettings, topics: Iterable[Topic]) -> list[TopicState]:
    try:
        there = client.list_topics(timeout=settings.timeout_ms / 1000).topics
    except KafkaException as error:
        raise BrokerError(f"no broker answers at {settings.bootstrap_servers}: {client.words(error)}") from error
    counts = {it.role: len(there[name].partitions) for it in TOPICS if (name := settings.topic_name(it)) in there}
    rows = [(topic, settings.topic_name(topic)) for topic in topics]
    actual = _configs(client, settings, [name for _topic, name in rows if name in there])
    return [_state(topic, name, _wanted(settings, topic, counts), there.get(name), actual.get(name)) for topic, name in rows]


def _state(topic: Topic, name: str, wanted: dict[str, str], metadata: TopicMetadata | None, config: dict[str, str] | None) -> TopicState:
    words = tuple(wanted.items())
    if metadata is None or config is None:
        return TopicState(topic, name, State.MISSING, words)
    actual = {PARTITIONS: str(len(metadata.partitions)), REPLICATION: _replication(metadata), **config}
    differing = changes(topic, wanted, actual)
    state = State.DIFFERENT if differing else State.AS_WANTED
    return TopicState(topic, name, state, words, changes=differing, untold=untold(wanted, actual))


def _wanted(settings: TopicSettings, topic: Topic, counts: Mapping[Role, int]) -> dict[str, str]:
    wanted = {PARTITIONS: str(settings.wanted_partition_count(topic, counts))}
    if settings.replication_factor != -1:
        wanted[REPLICATION] = str(settings.replication_factor)
    return wanted | settings.wanted_config(topic)


def _replication(metadata: TopicMetadata) -> str:
    return str(min((len(partition.replicas) for partition in metadata.partitions.values()), default=0))


def _configs(client: AdminClient, settings: TopicSettings, names: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return the configurations of topics, without those that the broker asked does not know, whatever another one has shown."""
    if not names:
        return {}
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
    asked = client.describe_configs(resources, request_timeout=settings.timeout_ms / 1000)
    answers = {resource.name: _described(future) for resource, future in asked.items()}
    return {name: config for name, config in answers.items() if config is not None}


def _described(future: Future[dict[str, ConfigEntry]]) -> dict[str, str] | None:
    try:
        entries = future.result()
    except KafkaException as error:
        if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            return None
        raise BrokerError(f"the broker refuses to describe topics: {words_of(error)}") from error
    return {word: entry.value for word, entry in entries.items() if entry.value is not None}


def _create(client: _Client, settings: TopicSettings, missing: Sequence[TopicState]) -> dict[str, TopicState]:
    if not missing:
        return {}
    wanted = [
        NewTopic(
            it.name,
            num_partitions=int(dict(it.wanted)[PARTITIONS]),
            replication_factor=settings.replication_factor,
            config=settings.wanted_config(it.topic),
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
            return _once_shown(client, settings, [it.topic], lambda found: found[0].state is not State.MISSING)[0]
        return replace(it, state=State.REFUSED, error=words_of(error))
    return replace(it, state=State.CREATED)


def _altered(client: AdminClient, settings: TopicSettings, it: TopicState, accepted: Collection[Acceptance]) -> TopicState:
    """Make the changes that may be made, those of the configuration in one request, and say how the topic stands then."""
    wanted = [change for change in it.changes if _may_be_made(it.name, change, accepted)]
    config = [change for change in wanted if change.property != PARTITIONS]
    grown = [change for change in wanted if change.property == PARTITIONS]
    seconds = settings.timeout_ms / 1000
    made: list[Change] = []
    error = ""
    for part, ask in ((config, _alter_config), (grown, _add_partitions)):
        if part:
            refused = _refusal(ask(client, it.name, part, seconds))
            made += [] if refused else part
            error = error or refused
    remaining = tuple(change for change in it.changes if change not in made)
    if not made and not error:
        return it
    state = State.REFUSED if error else State.DIFFERENT if remaining else State.ALTERED
    return replace(it, state=state, changes=remaining, altered=tuple(made), error=error)


def _wait_until_shown(client: _Client, settings: TopicSettings, states: Sequence[TopicState]) -> None:
    """Return once the broker shows what it has said that it did, or time is up: whoever looks next should not see the old state."""
    made = [it for it in states if it.state is State.CREATED or it.altered]
    if made:
        _once_shown(client, settings, [it.topic for it in made], lambda found: all(map(_is_shown, made, found)))


def _once_shown(
    client: _Client, settings: TopicSettings, topics: Sequence[Topic], is_enough: Callable[[list[TopicState]], bool]
) -> list[TopicState]:
    """Return how topics stand once that is enough, or time is up: brokers of a cluster learn of a change one after the other."""
    until = time.monotonic() + settings.timeout_ms / 1000
    while not is_enough(found := _states(client, settings, topics)) and time.monotonic() < until:
        time.sleep(_POLL_S)
    return found


def _is_shown(made: TopicState, found: TopicState) -> bool:
    still = {change.property for change in found.changes}
    return found.state is not State.MISSING and still.isdisjoint(change.property for change in made.altered)


def _may_be_made(name: str, change: Change, accepted: Collection[Acceptance]) -> bool:
    is_accepted = Acceptance(name, change.property) in accepted
    return change.safety is Safety.SAFE or (change.safety is Safety.DESTRUCTIVE and is_accepted)


def _alter_config(client: AdminClient, name: str, config: Sequence[Change], seconds: float) -> Future[Any]:
    entries = [ConfigEntry(it.property, it.wanted, incremental_operation=AlterConfigOpType.SET) for it in config]
    resource = ConfigResource(ResourceType.TOPIC, name, incremental_configs=entries)
    return client.incremental_alter_configs([resource], request_timeout=seconds)[resource]


def _add_partitions(client: AdminClient, name: str, grown: Sequence[Change], seconds: float) -> Future[Any]:
    wanted = NewPartitions(name, int(grown[0].wanted))
    return client.create_partitions([wanted], operation_timeout=seconds, request_timeout=seconds)[name]


def _refusal(future: Future[Any]) -> str:
    """Return the broker's words; empty where it did what was asked."""
    try:
        future.result()
    except KafkaException as error:
        return words_of(error)
    return ""
