"""Every client of ours against a Kafka behind TLS and a password: it is let in, or says why not."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from api.consumer import ViolationConsumer
from api.feed import Feed
from api.metrics import ApiMetrics
from api.settings import ApiSettings
from api.view import View
from processor.journal import JournalError
from processor.kafka_group import PartitionGroup
from processor.kafka_journal import KafkaJournal
from processor.metrics import Tally
from processor.producer import KafkaPublisher
from processor.record import PartitionKey
from processor.settings import Settings
from tests.e2e.brokers import skipping_without_kafka
from tests.e2e.secure import PASSWORD, USER, SecureKafka, secure_kafka
from tests.processor.told_consumer import Notebook
from topics.admin import BrokerError, State, apply
from topics.dead_letter import DeadLetter
from topics.settings import TopicSettings

pytestmark = pytest.mark.kafka
KEY = PartitionKey("otlp_spans", 0)
WAIT_S = 60.0


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureKafka]:
    """The broker, with the topics of the table."""
    with skipping_without_kafka(lambda: secure_kafka(tmp_path_factory.mktemp("secure"))) as found:
        states = apply(TopicSettings.model_validate({**login(found), "partition_count": 1, "replication_factor": 1}))
        assert [state.state for state in states] == [State.CREATED] * len(states)
        yield found


def login(secure: SecureKafka, **given: object) -> dict[str, object]:
    named = {"sasl_mechanism": "SCRAM-SHA-512", "sasl_username": USER, "sasl_password": PASSWORD}
    return {"bootstrap_servers": secure.servers, "security_protocol": "sasl_ssl", "ssl_ca_file": secure.ca_file, **named, **given}


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


@contextmanager
def following(settings: ApiSettings) -> Iterator[ViolationConsumer]:
    with closing(View(None)) as view:
        feed = ViolationConsumer(settings, view, ApiMetrics())
        feed.start()
        try:
            yield feed
        finally:
            feed.stop()


def test_a_login_over_tls_lets_every_client_in(secure: SecureKafka, tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text(PASSWORD + "\n")
    lets_every_client_in(login(secure, sasl_password=None, sasl_password_file=password))


def lets_every_client_in(given: dict[str, object]) -> None:
    """Let a producer, a journal, a group and the API's consumer work with these settings."""
    settings = Settings.model_validate({**given, "checkpoint_interval_s": 0.1})
    publisher = KafkaPublisher(settings, Tally())
    publisher.dead_letter(DeadLetter("too_large", KEY.topic, KEY.partition, 0, b"key", b"value"))
    publisher.flush()
    # Any topic will do for a journal.
    with closing(KafkaJournal(settings, settings.dead_letters_topic)) as journal:
        ack = journal.append([(KEY, b"secret")])[0]
        assert journal.read(KEY, ack.offset, ack.offset + 1) == [(ack.offset, b"secret")]
    group = PartitionGroup(settings, Tally(), lambda _reason: None)
    group.drive(Notebook())
    until(lambda: group.owned == {KEY})
    group.stop()
    group.join(WAIT_S)
    with following(ApiSettings.model_validate(given)) as feed:
        until(lambda: feed.feed().is_caught_up)


@pytest.mark.parametrize("refused", ["password", "mechanism", "authority"])
def test_a_client_that_is_refused_says_why_and_keeps_the_secret(secure: SecureKafka, refused: str) -> None:
    cases: dict[str, tuple[dict[str, object], str]] = {
        "password": ({"sasl_password": "guessed"}, "Authentication failed"),
        "mechanism": ({"sasl_mechanism": "PLAIN"}, "mechanism"),
        "authority": ({"ssl_ca_file": secure.other_ca_file}, "certificate verify failed"),
    }
    given, words = cases[refused]
    wrong = login(secure, **given)
    said: list[str] = []
    with pytest.raises(BrokerError) as answer:
        apply(TopicSettings.model_validate({**wrong, "timeout_ms": 2_000}))
    said.append(str(answer.value))
    settings = Settings.model_validate({**wrong, "delivery_timeout_s": 2})
    with closing(KafkaJournal(settings, "journal")) as journal:
        for call in (journal.check, lambda: journal.append([(KEY, b"value")])):
            with pytest.raises(JournalError) as failed:
                call()
            said.append(str(failed.value))
    group = PartitionGroup(settings, Tally(), lambda _reason: None)
    group.drive(Notebook())
    with following(ApiSettings.model_validate({**wrong, "probe_timeout_s": 2})) as feed:
        until(lambda: bool(group.refusal.words) and feed.feed().problem not in {"", Feed("").problem})
        said += [group.refusal.explain("no assignment"), feed.feed().problem]
    group.stop()
    group.join(WAIT_S)
    assert [text for text in said if words not in text] == []
    assert not any("guessed" in text for text in said)
