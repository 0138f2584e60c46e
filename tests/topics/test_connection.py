"""Connection settings: what librdkafka is told, what does not fit together, and that no secret is ever shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from confluent_kafka import Producer
from pydantic import ValidationError

from topics.connection import ConnectionSettings, Refusal

SECRET = "hush-hush"
SCRAM = {"security_protocol": "sasl_ssl", "sasl_mechanism": "SCRAM-SHA-512", "sasl_username": "betrace", "sasl_password": SECRET}
OAUTH = {
    "security_protocol": "sasl_ssl",
    "sasl_mechanism": "OAUTHBEARER",
    "oauthbearer_token_endpoint_url": "https://login.example/token",
    "oauthbearer_client_id": "betrace",
    "oauthbearer_client_secret": SECRET,
}


def properties(**given: object) -> dict[str, str]:
    return ConnectionSettings.model_validate(given).connection_properties()


@pytest.fixture
def pem(tmp_path: Path) -> Path:
    file = tmp_path / "some.pem"
    file.write_text("certificate")
    return file


def test_without_any_setting_the_connection_is_plain() -> None:
    assert properties() == {"bootstrap.servers": "127.0.0.1:9092", "security.protocol": "plaintext"}


def test_tls_names_its_files_and_the_host_is_checked_unless_it_is_said_otherwise(pem: Path) -> None:
    tls = {"security_protocol": "ssl", "ssl_ca_file": pem, "ssl_certificate_file": pem, "ssl_key_file": pem, "ssl_key_password": SECRET}
    expected = {
        "bootstrap.servers": "127.0.0.1:9092",
        "security.protocol": "ssl",
        "ssl.ca.location": str(pem),
        "ssl.certificate.location": str(pem),
        "ssl.key.location": str(pem),
        "ssl.key.password": SECRET,
    }
    assert properties(**tls) == expected
    assert properties(**tls, ssl_endpoint_identification="none") == expected | {"ssl.endpoint.identification.algorithm": "none"}


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_a_login_by_name_and_password(mechanism: str) -> None:
    assert properties(**SCRAM | {"sasl_mechanism": mechanism}) == {
        "bootstrap.servers": "127.0.0.1:9092",
        "security.protocol": "sasl_ssl",
        "sasl.mechanism": mechanism,
        "sasl.username": "betrace",
        "sasl.password": SECRET,
    }


def test_a_login_by_a_token_that_is_fetched() -> None:
    assert properties(**OAUTH, oauthbearer_scope="kafka") == {
        "bootstrap.servers": "127.0.0.1:9092",
        "security.protocol": "sasl_ssl",
        "sasl.mechanism": "OAUTHBEARER",
        "sasl.oauthbearer.method": "oidc",
        "sasl.oauthbearer.token.endpoint.url": "https://login.example/token",
        "sasl.oauthbearer.client.id": "betrace",
        "sasl.oauthbearer.client.secret": SECRET,
        "sasl.oauthbearer.scope": "kafka",
    }


@pytest.mark.parametrize("given", [{}, SCRAM, OAUTH], ids=["plain", "scram", "oauth"])
def test_the_client_knows_every_property(given: dict[str, str]) -> None:
    """No broker and no token is needed to be told of a word that the client does not know, or of a mechanism that it was built without."""
    # The log level keeps the token that cannot be fetched off the screen.
    Producer({**properties(**given), "log_level": "0"})


def test_a_secret_in_a_file_is_read_without_its_line_break(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(f" {SECRET} \n")
    by_file = {name: value for name, value in SCRAM.items() if name != "sasl_password"} | {"sasl_password_file": file}
    assert properties(**by_file)["sasl.password"] == f" {SECRET} "
    by_file = {name: value for name, value in OAUTH.items() if name != "oauthbearer_client_secret"}
    assert properties(**by_file, oauthbearer_client_secret_file=file)["sasl.oauthbearer.client.secret"] == f" {SECRET} "


def test_client_properties_come_last() -> None:
    own = {"sasl.username": "other", "socket.keepalive.enable": "true"}
    assert properties(**SCRAM, client_properties=own).items() >= own.items()


def test_a_login_by_client_properties_is_left_to_the_client_and_no_setting_beside_it_is_dropped(pem: Path) -> None:
    kerberos = {"security.protocol": "sasl_ssl", "sasl.mechanism": "GSSAPI"}
    found = properties(client_properties=kerberos, ssl_ca_file=pem, sasl_username="betrace")
    assert found == {"bootstrap.servers": "127.0.0.1:9092", "ssl.ca.location": str(pem), "sasl.username": "betrace", **kerberos}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"sasl_password": SECRET}, "sasl_password: security_protocol=plaintext logs nobody in: use sasl_ssl or sasl_plaintext"),
        ({**SCRAM, "security_protocol": "ssl"}, "sasl_mechanism, sasl_username, sasl_password: security_protocol=ssl logs nobody in"),
        ({"security_protocol": "sasl_ssl"}, "security_protocol=sasl_ssl needs sasl_mechanism"),
        ({**SCRAM, "sasl_username": None}, "sasl_mechanism=SCRAM-SHA-512 needs sasl_username"),
        ({**SCRAM, "sasl_password": None}, "sasl_mechanism=SCRAM-SHA-512 needs sasl_password"),
        ({**SCRAM, "oauthbearer_scope": "kafka"}, "oauthbearer_scope: SCRAM-SHA-512 logs in by name and password"),
        ({**OAUTH, "sasl_username": "betrace"}, "sasl_username: OAUTHBEARER logs in with a token"),
        ({**OAUTH, "oauthbearer_token_endpoint_url": None}, "needs oauthbearer_token_endpoint_url"),
        ({**OAUTH, "oauthbearer_client_secret": None}, "needs oauthbearer_client_secret"),
        ({**OAUTH, "oauthbearer_token_endpoint_url": "login.example"}, "oauthbearer_token_endpoint_url"),
        ({"ssl_ca_file": "PEM"}, "ssl_ca_file: security_protocol=plaintext has no TLS: use ssl or sasl_ssl"),
        ({"security_protocol": "ssl", "ssl_certificate_file": "PEM"}, "ssl_certificate_file and ssl_key_file go together"),
        ({"security_protocol": "ssl", "ssl_key_password": SECRET}, "ssl_key_password: there is no ssl_key_file"),
        ({**SCRAM, "sasl_password_file": "PEM"}, "sasl_password and sasl_password_file both say the same secret"),
        ({"security_protocol": "ssl", "ssl_ca_file": "none.pem"}, "ssl_ca_file: cannot read none.pem: No such file or directory"),
        ({**SCRAM, "sasl_password": None, "sasl_password_file": "EMPTY"}, "is empty"),
        ({"security_protocol": "tls"}, "'plaintext', 'ssl', 'sasl_plaintext' or 'sasl_ssl'"),
    ],
)
def test_what_does_not_fit_together_is_refused_by_name_and_without_the_secret(given: dict[str, object], words: str, pem: Path) -> None:
    empty = pem.with_name("empty")
    empty.write_text("\n")
    files = {"PEM": pem, "EMPTY": empty}
    with pytest.raises(ValidationError) as refused:
        ConnectionSettings.model_validate({name: files.get(str(value), value) for name, value in given.items()})
    assert words in str(refused.value)
    assert SECRET not in str(refused.value)


def test_no_secret_is_shown_by_settings() -> None:
    settings = ConnectionSettings.model_validate({**SCRAM, "client_properties": {"ssl.key.password": SECRET}})
    assert SECRET not in repr(settings) + str(settings)


class _Error:
    def __init__(self, name: str, words: str) -> None:
        self._name, self._words = name, words

    def name(self) -> str:
        return self._name

    def str(self) -> str:
        return self._words


def test_why_a_broker_refuses_is_remembered_and_that_it_is_away_is_not() -> None:
    refusal = Refusal()
    refusal(_Error("_ALL_BROKERS_DOWN", "1/1 brokers are down"))
    assert refusal.explain("timed out") == "timed out"
    refusal(_Error("_AUTHENTICATION", "SASL authentication failed"))
    refusal(_Error("_TRANSPORT", "disconnected"))
    assert refusal.explain("timed out") == "timed out (SASL authentication failed)"
