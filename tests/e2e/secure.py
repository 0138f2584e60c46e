"""Apache Kafka that lets nobody in without TLS and a password, with certificates made for the one test."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from loadtest.kafka_broker import Listener, own_kafka

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

USER, PASSWORD = "betrace", "let-me-in"
_KEYSTORE_PASSWORD = "keystore"
_PROPERTIES = """ssl.keystore.type=PKCS12
ssl.keystore.location={keystore}
ssl.keystore.password={password}
ssl.key.password={password}
sasl.enabled.mechanisms=SCRAM-SHA-512
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
        properties=_PROPERTIES.format(keystore=keystore, password=_KEYSTORE_PASSWORD),
        format_arguments=("--add-scram", f"SCRAM-SHA-512=[name={USER},password={PASSWORD}]"),
    )
    with own_kafka(folder, listener) as own:
        yield SecureKafka(own.servers, ca, other)


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
