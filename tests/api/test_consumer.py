"""The consumer against a real broker: everything on the topic is in the view, once, whatever stops in between."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from api.consumer import ViolationConsumer
from api.listing import LIMIT_MAX, ViolationFilter
from api.metrics import ApiMetrics
from api.settings import ApiSettings
from api.view import View
from tests.api.rows import ids
from tests.e2e.brokers import apache_kafka, skipping_without_kafka
from tests.topics.embedded import embedded_broker
from tests.topics.records import violation
from topics.admin import apply
from topics.cloudevents import violation_event
from topics.names import VIOLATIONS
from topics.settings import TopicSettings

if TYPE_CHECKING:
    from pathlib import Path

    from api.feed import Feed
    from topics.violation import Violation

WAIT_S = 30.0
PARTITION_COUNT = 3


APACHE_KAFKA = pytest.param("kafka", marks=pytest.mark.kafka)


@pytest.fixture(scope="module", params=["embedded", APACHE_KAFKA])
def servers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Each broker in turn."""
    if request.param == "embedded":
        with embedded_broker() as address:
            yield address
        return
    with skipping_without_kafka(lambda: apache_kafka(tmp_path_factory.mktemp("kafka"))) as broker:
        yield broker.servers


@pytest.fixture
def topic(servers: str) -> str:
    name = f"violations.{uuid4().hex}"
    create(servers, name)
    return name


def create(servers: str, name: str) -> None:
    """Create a topic of violations."""
    apply(TopicSettings(bootstrap_servers=servers, violations_topic=name, partition_count=PARTITION_COUNT), [VIOLATIONS])


def record(number: int, **changes: object) -> Violation:
    """Return violation `number`, one trace each."""
    return violation(id=f"{number:032x}", trace__id=f"{number:032x}", **changes)


def say(servers: str, topic: str, *records: Violation | bytes) -> None:
    """Write records to a topic and wait for the broker."""
    producer = Producer({"bootstrap.servers": servers, "linger.ms": 5})
    for it in records:
        if isinstance(it, bytes):
            producer.produce(topic, key=b"bad", value=it)
        else:
            headers: list[tuple[str, str | bytes | None]] = [*violation_event(it, "test").headers()]
            producer.produce(topic, key=it.trace.id, value=it.canonical_json(), headers=headers)
    assert producer.flush(WAIT_S) == 0


def settings_of(servers: str, topic: str, **more: float) -> ApiSettings:
    """Return settings with short intervals."""
    short = {"probe_interval_s": 0.3, "probe_timeout_s": 1.0, "retry_interval_s": 0.1, "poll_timeout_s": 0.05}
    return ApiSettings.model_validate({"bootstrap_servers": servers, "violations_topic": topic, **short, **more})


@contextmanager
def following(settings: ApiSettings, view: View, metrics: ApiMetrics | None = None) -> Iterator[ViolationConsumer]:
    """Run a consumer."""
    consumer = ViolationConsumer(settings, view, metrics or ApiMetrics())
    consumer.start()
    try:
        yield consumer
    finally:
        consumer.stop()


def wait_for(is_so: Callable[[], bool], what: object = "") -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + WAIT_S
    while not is_so():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def is_read(feed: Feed, position: int, view: View) -> bool:
    """Whether so many records were read."""
    return feed.is_caught_up and sum(view.positions().values()) >= position


def listed(view: View) -> list[int]:
    """The violations of the view, sorted."""
    return sorted(ids(view.page(ViolationFilter(), LIMIT_MAX).bodies))


def test_every_violation_of_every_partition_comes_into_the_view(servers: str, topic: str) -> None:
    say(servers, topic, *map(record, range(1, 60)))
    with closing(View(None)) as view, following(settings_of(servers, topic), view) as consumer:
        wait_for(lambda: is_read(consumer.feed(), 59, view), consumer.feed)
        assert listed(view) == list(range(1, 60))
        feed = consumer.feed()
        assert (feed.problem, feed.lag_total, len(feed.lag_records)) == ("", 0, PARTITION_COUNT)

        say(servers, topic, record(60), record(5, revision=2, change="withdrawn", verdict="satisfied"))
        wait_for(lambda: sum(view.positions().values()) == 61)
        assert listed(view) == [*range(1, 5), *range(6, 61)]


def test_an_empty_topic_is_caught_up_at_once(servers: str, topic: str) -> None:
    with closing(View(None)) as view, following(settings_of(servers, topic), view) as consumer:
        wait_for(lambda: consumer.feed().is_caught_up and not consumer.feed().problem)


def test_records_that_are_no_violations_are_counted_and_kept_and_the_rest_is_shown(servers: str, topic: str) -> None:
    say(servers, topic, b"{", record(1), b"{}", b"\xff" * 9)
    metrics = ApiMetrics()
    with closing(View(None)) as view, following(settings_of(servers, topic), view, metrics) as consumer:
        wait_for(lambda: is_read(consumer.feed(), 4, view))
        assert listed(view) == [1]
        assert view.aside_counts() == {"not_a_violation": 1, "not_json": 2}
        assert {it.value for it in view.asides()} == {b"{", b"{}", b"\xff" * 9}
    assert b'betrace_api_records_total{outcome="not_json"} 2.0' in metrics.text()
    assert b'betrace_api_records_total{outcome="row"} 1.0' in metrics.text()


def test_reading_goes_on_where_the_view_left_off(servers: str, topic: str, tmp_path: Path) -> None:
    say(servers, topic, *map(record, range(1, 20)))
    settings = settings_of(servers, topic)
    with closing(View(tmp_path / "view")) as view, following(settings, view) as consumer:
        wait_for(lambda: is_read(consumer.feed(), 19, view))
    say(servers, topic, record(20))
    metrics = ApiMetrics()
    with closing(View(tmp_path / "view")) as view, following(settings, view, metrics) as consumer:
        wait_for(lambda: is_read(consumer.feed(), 20, view))
        assert listed(view) == list(range(1, 21))
    assert b'betrace_api_records_total{outcome="row"} 1.0' in metrics.text()


def test_a_view_made_from_the_topic_anew_is_the_same(servers: str, topic: str) -> None:
    revisions = [record(n, revision=r, change="updated" if r > 1 else "raised") for n in range(1, 8) for r in (3, 1, 2)]
    say(servers, topic, *revisions)
    pages = []
    for _ in range(2):
        with closing(View(None)) as view, following(settings_of(servers, topic, records_per_batch_max=4), view) as consumer:
            wait_for(lambda: is_read(consumer.feed(), len(revisions), view))
            pages.append(view.page(ViolationFilter(), LIMIT_MAX))
    assert pages[0] == pages[1]
    assert {json.loads(body)["revision"] for body in pages[0].bodies} == {3}


def test_a_topic_that_is_made_later_is_found(servers: str) -> None:
    name = f"later.{uuid4().hex}"
    with closing(View(None)) as view, following(settings_of(servers, name), view) as consumer:
        wait_for(lambda: "cannot be read" in consumer.feed().problem)
        assert consumer.feed().is_running
        create(servers, name)
        say(servers, name, record(1))
        wait_for(lambda: listed(view) == [1])
        wait_for(lambda: not consumer.feed().problem)


# On Apache Kafka alone: librdkafka crashes when it reads a topic that the embedded broker has deleted.
@pytest.mark.parametrize("servers", [pytest.param("kafka", marks=pytest.mark.kafka)], indirect=True)
def test_a_topic_that_was_made_anew_makes_the_view_anew(servers: str, topic: str) -> None:
    say(servers, topic, *map(record, range(1, 10)))
    with closing(View(None)) as view, following(settings_of(servers, topic), view) as consumer:
        wait_for(lambda: is_read(consumer.feed(), 9, view))
        admin = AdminClient({"bootstrap.servers": servers})
        admin.delete_topics([topic])[topic].result()
        create(servers, topic)
        say(servers, topic, record(77))
        wait_for(lambda: listed(view) == [77], consumer.feed)


def test_a_broker_that_is_away_is_a_problem_until_it_is_back() -> None:
    with embedded_broker() as address, closing(View(None)) as view:
        create(address, "t")
        say(address, "t", record(1))
        with following(settings_of(address, "t"), view) as consumer:
            wait_for(lambda: is_read(consumer.feed(), 1, view))
            port = int(address.rpartition(":")[2])
    with closing(View(None)) as view, following(settings_of(address, "t"), view) as consumer:
        wait_for(lambda: consumer.feed().problem not in {"", "reading has not begun"})
        with embedded_broker(port):
            create(address, "t")
            say(address, "t", record(2))
            wait_for(lambda: listed(view) == [2])
            wait_for(lambda: not consumer.feed().problem)
        wait_for(lambda: "no broker answers" in consumer.feed().problem, consumer.feed)
        assert listed(view) == [2]


def test_a_view_that_fails_is_a_problem_and_loses_nothing(servers: str, topic: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(View(None)) as view:
        whole = view.apply
        failures = iter([True, True])

        def fail_twice(*given: object) -> None:
            if next(failures, False):
                raise RuntimeError("the disk is full")
            whole(*given)  # type: ignore[arg-type]  # whatever was given

        monkeypatch.setattr(view, "apply", fail_twice)
        metrics = ApiMetrics()
        with following(settings_of(servers, topic), view, metrics) as consumer:
            say(servers, topic, *map(record, range(1, 10)))
            wait_for(lambda: listed(view) == list(range(1, 10)), consumer.feed)
        assert b"betrace_api_feed_failures_total 2.0" in metrics.text()


def test_a_property_that_the_client_does_not_know_is_a_problem_and_no_end(servers: str, topic: str) -> None:
    settings = settings_of(servers, topic).model_copy(update={"client_properties": {"invented": "1"}})
    with closing(View(None)) as view, following(settings, view) as consumer:
        wait_for(lambda: "invented" in consumer.feed().problem)
        assert consumer.feed().is_running
    assert not consumer.feed().is_running
