"""Every client of ours against a Kafka that asks for a certificate, and one that asks for a token of an OpenID Connect provider."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.brokers import skipping_without_kafka
from tests.e2e.issuer import CLIENT, OTHER_SCOPE, SCOPE, SECRET, Issuer, NoIssuer, issuer
from tests.e2e.secure import KEY_PASSWORD, SecureKafka, client_certificate, mutual_kafka, token_kafka
from tests.e2e.test_secure import lets_every_client_in
from tests.skipping import missing
from topics.admin import BrokerError, State, apply
from topics.settings import TopicSettings

pytestmark = pytest.mark.kafka


@pytest.fixture(scope="module")
def provider() -> Iterator[Issuer]:
    """An OpenID Connect provider; the tests of tokens are skipped where it cannot be had."""
    try:
        with issuer() as started:
            yield started
    except NoIssuer as reason:
        missing(str(reason))


@pytest.fixture(scope="module")
def token_broker(provider: Issuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureKafka]:
    with skipping_without_kafka(lambda: token_kafka(tmp_path_factory.mktemp("token"), provider)) as found:
        yield found


@pytest.fixture(scope="module")
def mutual_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureKafka]:
    with skipping_without_kafka(lambda: mutual_kafka(tmp_path_factory.mktemp("mutual"))) as found:
        yield found


def _by_token(broker: SecureKafka, provider: Issuer, **given: object) -> dict[str, object]:
    return {
        "bootstrap_servers": broker.servers,
        "security_protocol": "sasl_ssl",
        "ssl_ca_file": broker.ca_file,
        "sasl_mechanism": "OAUTHBEARER",
        "oauthbearer_token_endpoint_url": provider.token_url,
        "oauthbearer_client_id": CLIENT,
        "oauthbearer_client_secret": SECRET,
        "oauthbearer_scope": SCOPE,
        **given,
    }


def _by_certificate(broker: SecureKafka, folder: Path, ca: Path) -> dict[str, object]:
    certificate, key = client_certificate(folder, ca)
    password = folder / "key-password"
    password.write_text(KEY_PASSWORD + "\n")
    return {
        "bootstrap_servers": broker.servers,
        "security_protocol": "ssl",
        "ssl_ca_file": broker.ca_file,
        "ssl_certificate_file": certificate,
        "ssl_key_file": key,
        "ssl_key_password_file": password,
    }


def _make_topics(given: dict[str, object]) -> None:
    states = apply(TopicSettings.model_validate({**given, "partition_count": 1, "replication_factor": 1}))
    assert {state.state for state in states} == {State.CREATED}


def _refusal(given: dict[str, object]) -> str:
    with pytest.raises(BrokerError) as answer:
        apply(TopicSettings.model_validate({**given, "timeout_ms": 3_000}))
    return str(answer.value)


def test_a_token_of_the_provider_lets_every_client_in(token_broker: SecureKafka, provider: Issuer, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(SECRET + "\n")
    given = _by_token(token_broker, provider, oauthbearer_client_secret=None, oauthbearer_client_secret_file=secret)
    _make_topics(given)
    lets_every_client_in(given)


def test_a_client_that_the_provider_does_not_know_is_not_let_in(token_broker: SecureKafka, provider: Issuer) -> None:
    said = _refusal(_by_token(token_broker, provider, oauthbearer_client_secret="guessed"))
    assert "no broker answers" in said
    assert "guessed" not in said


def test_a_token_for_somebody_else_is_refused_by_the_broker(token_broker: SecureKafka, provider: Issuer) -> None:
    assert "no broker answers" in _refusal(_by_token(token_broker, provider, oauthbearer_scope=OTHER_SCOPE))


def test_a_certificate_of_the_authority_lets_every_client_in(mutual_broker: SecureKafka, tmp_path: Path) -> None:
    given = _by_certificate(mutual_broker, tmp_path, mutual_broker.ca_file)
    _make_topics(given)
    lets_every_client_in(given)


@pytest.mark.parametrize("has_one", [False, True], ids=["no certificate", "of another authority"])
def test_a_client_without_a_certificate_of_the_authority_is_refused(mutual_broker: SecureKafka, tmp_path: Path, *, has_one: bool) -> None:
    given = _by_certificate(mutual_broker, tmp_path, mutual_broker.other_ca_file)
    if not has_one:
        given = {name: value for name, value in given.items() if not name.startswith(("ssl_certificate", "ssl_key"))}
    assert "no broker answers" in _refusal(given)
