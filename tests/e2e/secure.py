"""Apache Kafka that lets nobody in without a password, a certificate or a token, with certificates made for the one test."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from loadtest.kafka_broker import UP_SOON, Listener, own_kafka

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.issuer import Issuer

USER, PASSWORD = "betrace", "let-me-in"
_KEYSTORE_PASSWORD = "keystore"
KEY_PASSWORD = "open-the-key"
_TLS = """ssl.keystore.type=PKCS12
ssl.keystore.location={keystore}
ssl.keystore.password={password}
ssl.key.password={password}
"""
_MUTUAL = """ssl.truststore.type=PEM
ssl.truststore.location={ca}
listener.name.client.ssl.client.auth=required
"""
# Kafka 4.1.0 has to be told who validates, or it checks neither who signed a token nor for whom it is.
_TOKEN = """sasl.enabled.mechanisms=OAUTHBEARER
listener.name.client.oauthbearer.sasl.server.callback.handler.class={validator}
listener.name.client.oauthbearer.sasl.jaas.config=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required;
listener.name.client.sasl.oauthbearer.jwt.validator.class=org.apache.kafka.common.security.oauthbearer.BrokerJwtValidator
listener.name.client.sasl.oauthbearer.jwks.endpoint.url={keys}
listener.name.client.sasl.oauthbearer.expected.issuer={issuer}
listener.name.client.sasl.oauthbearer.expected.audience={audience}
"""
_VALIDATOR = "org.apache.kafka.common.security.oauthbearer.OAuthBearerValidatorCallbackHandler"
_PROPERTIES = """sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.client.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
"""


@dataclass(frozen=True, slots=True)
class SecureKafka:
    """A broker, the authority that vouches for it, and one that does not."""

    servers: str
    ca_file: Path
    other_ca_file: Path


@contextmanager
def secure_kafka(folder: Path) -> Iterator[SecureKafka]:
    """Apache Kafka behind SASL_SSL, which knows USER by SCRAM-SHA-512."""
    ca, other = _authority(folder, "ca"), _authority(folder, "other")
    keystore = _keystore(folder, ca)
    listener = Listener(
        protocol="SASL_SSL",
        properties=_TLS.format(keystore=keystore, password=_KEYSTORE_PASSWORD) + _PROPERTIES,
        format_arguments=("--add-scram", f"SCRAM-SHA-512=[name={USER},password={PASSWORD}]"),
    )
    with own_kafka(folder, listener) as own:
        yield SecureKafka(own.servers, ca, other)


@contextmanager
def mutual_kafka(folder: Path) -> Iterator[SecureKafka]:
    """Apache Kafka that asks every client for a certificate; those of `client_certificate` it trusts if they are of its authority."""
    ca, other = _authority(folder, "ca"), _authority(folder, "other")
    keystore = _keystore(folder, ca)
    listener = Listener(protocol="SSL", properties=_TLS.format(keystore=keystore, password=_KEYSTORE_PASSWORD) + _MUTUAL.format(ca=ca))
    with own_kafka(folder, listener) as own:
        yield SecureKafka(own.servers, ca, other)


@contextmanager
def token_kafka(folder: Path, issuer: Issuer) -> Iterator[SecureKafka]:
    """Apache Kafka behind SASL_SSL, which asks for a token and is told this issuer's keys."""
    ca, other = _authority(folder, "ca"), _authority(folder, "other")
    keystore = _keystore(folder, ca)
    told = _TOKEN.format(validator=_VALIDATOR, keys=issuer.keys_url, issuer=issuer.name, audience=issuer.audience)
    listener = Listener(
        protocol="SASL_SSL",
        properties=_TLS.format(keystore=keystore, password=_KEYSTORE_PASSWORD) + told,
        java_options=(*UP_SOON, f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={issuer.keys_url}"),
    )
    with own_kafka(folder, listener) as own:
        yield SecureKafka(own.servers, ca, other)


def client_certificate(folder: Path, ca: Path) -> tuple[Path, Path]:
    """Return a client's certificate of an authority, and its key, which KEY_PASSWORD opens."""
    name = f"client-of-{ca.stem}"
    lock = ["-newkey", "rsa:2048", "-passout", f"pass:{KEY_PASSWORD}"]
    _openssl(folder, "req", *lock, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", "/CN=betrace")
    signed = ["-CA", str(ca), "-CAkey", str(ca.with_suffix(".key")), "-CAcreateserial", "-days", "2"]
    _openssl(folder, "x509", "-req", "-in", f"{name}.csr", *signed, "-out", f"{name}.pem")
    return folder / f"{name}.pem", folder / f"{name}.key"


def _authority(folder: Path, name: str) -> Path:
    certificate = folder / f"{name}.pem"
    _openssl(
        folder, "req", "-x509", "-nodes", "-newkey", "rsa:2048", "-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN={name}"
    )
    return certificate


def _keystore(folder: Path, ca: Path) -> Path:
    (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    _openssl(folder, "req", "-nodes", "-newkey", "rsa:2048", "-keyout", "broker.key", "-out", "broker.csr", "-subj", "/CN=localhost")
    signed = ["-CA", ca.name, "-CAkey", f"{ca.stem}.key", "-CAcreateserial", "-extfile", "names", "-days", "2"]
    _openssl(folder, "x509", "-req", "-in", "broker.csr", *signed, "-out", "broker.pem")
    sealed = ["-inkey", "broker.key", "-in", "broker.pem", "-out", "broker.p12", "-passout", f"pass:{_KEYSTORE_PASSWORD}"]
    _openssl(folder, "pkcs12", "-export", "-name", "broker", *sealed)
    return folder / "broker.p12"


def _openssl(folder: Path, *arguments: str) -> None:
    done = subprocess.run(["openssl", *arguments], cwd=folder, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
