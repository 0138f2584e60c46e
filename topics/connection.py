"""How to reach Kafka: typed settings that every command shares, and librdkafka's properties made of them."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Protocol, Self, runtime_checkable

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class SecurityProtocol(StrEnum):
    """Whether the connection is encrypted (ssl) and whether one logs in on it (sasl)."""

    PLAINTEXT = "plaintext"
    SSL = "ssl"
    SASL_PLAINTEXT = "sasl_plaintext"
    SASL_SSL = "sasl_ssl"


class SaslMechanism(StrEnum):
    """How one logs in."""

    PLAIN = "PLAIN"
    SCRAM_SHA_256 = "SCRAM-SHA-256"
    SCRAM_SHA_512 = "SCRAM-SHA-512"
    OAUTHBEARER = "OAUTHBEARER"


class EndpointIdentification(StrEnum):
    """Whether a broker's certificate must name the host that was called."""

    HTTPS = "https"
    NONE = "none"


_LOGIN = ("sasl_mechanism", "sasl_username", "sasl_password", "sasl_password_file")
_OAUTH = (
    "oauthbearer_token_endpoint_url",
    "oauthbearer_client_id",
    "oauthbearer_client_secret",
    "oauthbearer_client_secret_file",
    "oauthbearer_scope",
)
_TLS = ("ssl_ca_file", "ssl_certificate_file", "ssl_key_file", "ssl_key_password", "ssl_key_password_file")
_FILES = (
    "sasl_password_file",
    "oauthbearer_client_secret_file",
    "ssl_ca_file",
    "ssl_certificate_file",
    "ssl_key_file",
    "ssl_key_password_file",
)
# Whoever names one of these in client_properties logs in by other means, which are the client's to judge.
_SECURITY_WORDS = frozenset({"security.protocol", "sasl.mechanism", "sasl.mechanisms"})


class ConnectionSettings(BaseSettings):
    """Where the brokers are and how to be let in; a base for the settings of each command.

    A secret is given by itself or as a file that holds it; neither is ever shown. What does not fit together is refused by name.
    """

    model_config = SettingsConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    bootstrap_servers: Annotated[str, Field(min_length=1, description="Kafka brokers, host:port, separated by commas.")] = "127.0.0.1:9092"
    security_protocol: Annotated[
        SecurityProtocol, Field(description="plaintext, ssl, sasl_plaintext or sasl_ssl: ssl encrypts, sasl logs in.")
    ] = SecurityProtocol.PLAINTEXT
    ssl_ca_file: Annotated[
        Path | None, Field(description="PEM file of the authorities that may vouch for a broker. Without it those of the system.")
    ] = None
    ssl_certificate_file: Annotated[
        Path | None, Field(description="PEM file of the client's own certificate, where brokers ask for one.")
    ] = None
    ssl_key_file: Annotated[Path | None, Field(description="PEM file of that certificate's private key.")] = None
    ssl_key_password: Annotated[SecretStr | None, Field(description="Opens the private key. Better given as a file.")] = None
    ssl_key_password_file: Annotated[Path | None, Field(description="File that holds what opens the private key.")] = None
    ssl_endpoint_identification: Annotated[
        EndpointIdentification, Field(description="https: a broker's certificate must name its host. none: any host of a good certificate.")
    ] = EndpointIdentification.HTTPS
    sasl_mechanism: Annotated[
        SaslMechanism | None, Field(description="PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, or OAUTHBEARER with a token that is fetched.")
    ] = None
    sasl_username: Annotated[str | None, Field(min_length=1, description="Name to log in with, of PLAIN and SCRAM.")] = None
    sasl_password: Annotated[
        SecretStr | None, Field(description="Its password. Better given as a file: others can read a command's flags and environment.")
    ] = None
    sasl_password_file: Annotated[
        Path | None, Field(description="File that holds the password; a line break at its end does not count.")
    ] = None
    oauthbearer_token_endpoint_url: Annotated[
        str | None, Field(pattern=r"^https?://", description="Where OAUTHBEARER fetches its token (OIDC, client credentials).")
    ] = None
    oauthbearer_client_id: Annotated[str | None, Field(min_length=1, description="Who asks for the token.")] = None
    oauthbearer_client_secret: Annotated[SecretStr | None, Field(description="The client's secret. Better given as a file.")] = None
    oauthbearer_client_secret_file: Annotated[Path | None, Field(description="File that holds the client's secret.")] = None
    oauthbearer_scope: Annotated[str | None, Field(min_length=1, description="Scope to ask the token for.")] = None
    client_properties: Annotated[
        dict[str, str],
        Field(
            description="Further librdkafka properties as a JSON object; they go before all that BeTrace sets by itself.",
            repr=False,
        ),
    ] = {}

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        self._check_secrets()
        if not _SECURITY_WORDS & self.client_properties.keys():
            self._check_login()
            self._check_tls()
        return self

    def connection_properties(self) -> dict[str, str]:
        """Return librdkafka's properties for the connection, `client_properties` last. Secrets are read from their files now."""
        is_any_host = self.ssl_endpoint_identification is EndpointIdentification.NONE
        given: dict[str, str | Path | None] = {
            "bootstrap.servers": self.bootstrap_servers,
            "security.protocol": self.security_protocol.value,
            "ssl.ca.location": self.ssl_ca_file,
            "ssl.certificate.location": self.ssl_certificate_file,
            "ssl.key.location": self.ssl_key_file,
            "ssl.key.password": _secret(self.ssl_key_password, self.ssl_key_password_file),
            "ssl.endpoint.identification.algorithm": self.ssl_endpoint_identification.value if is_any_host else None,
            "sasl.mechanism": self.sasl_mechanism and self.sasl_mechanism.value,
            "sasl.username": self.sasl_username,
            "sasl.password": _secret(self.sasl_password, self.sasl_password_file),
            "sasl.oauthbearer.method": "oidc" if self.sasl_mechanism is SaslMechanism.OAUTHBEARER else None,
            "sasl.oauthbearer.token.endpoint.url": self.oauthbearer_token_endpoint_url,
            "sasl.oauthbearer.client.id": self.oauthbearer_client_id,
            "sasl.oauthbearer.client.secret": _secret(self.oauthbearer_client_secret, self.oauthbearer_client_secret_file),
            "sasl.oauthbearer.scope": self.oauthbearer_scope,
        }
        return {name: str(value) for name, value in given.items() if value is not None} | self.client_properties

    def _has(self, part: str) -> bool:
        return part in self.security_protocol.value.split("_")

    def _given(self, names: tuple[str, ...]) -> list[str]:
        return [name for name in names if getattr(self, name) is not None]

    def _check_secrets(self) -> None:
        for name in ("sasl_password", "oauthbearer_client_secret", "ssl_key_password"):
            if len(self._given((name, f"{name}_file"))) > 1:
                raise ValueError(f"{name} and {name}_file both say the same secret: give one of them")
        for name in self._given(_FILES):
            file: Path = getattr(self, name)
            try:
                is_empty = not file.read_bytes().strip()
            except OSError as error:
                raise ValueError(f"{name}: cannot read {file}: {error.strerror}") from None
            if is_empty:
                raise ValueError(f"{name}: {file} is empty")

    def _check_login(self) -> None:
        if not self._has("sasl"):
            self._refuse((*_LOGIN, *_OAUTH), f"security_protocol={self.security_protocol} logs nobody in: use sasl_ssl or sasl_plaintext")
        elif self.sasl_mechanism is None:
            raise ValueError(f"security_protocol={self.security_protocol} needs sasl_mechanism, or sasl.mechanism in client_properties")
        elif self.sasl_mechanism is SaslMechanism.OAUTHBEARER:
            self._refuse(_LOGIN[1:], "OAUTHBEARER logs in with a token, by oauthbearer_client_id and its secret")
            self._require("oauthbearer_token_endpoint_url", "oauthbearer_client_id", "oauthbearer_client_secret")
        else:
            self._refuse(_OAUTH, f"{self.sasl_mechanism} logs in by name and password; the token is OAUTHBEARER's")
            self._require("sasl_username", "sasl_password")

    def _check_tls(self) -> None:
        if not self._has("ssl"):
            self._refuse(_TLS, f"security_protocol={self.security_protocol} has no TLS: use ssl or sasl_ssl")
        if (self.ssl_certificate_file is None) != (self.ssl_key_file is None):
            raise ValueError("ssl_certificate_file and ssl_key_file go together")
        if self.ssl_key_file is None:
            self._refuse(("ssl_key_password", "ssl_key_password_file"), "there is no ssl_key_file that it could open")

    def _refuse(self, names: tuple[str, ...], reason: str) -> None:
        if given := self._given(names):
            raise ValueError(f"{', '.join(given)}: {reason}")

    def _require(self, *names: str) -> None:
        missing = [name for name in names if not self._given((name, f"{name}_file") if f"{name}_file" in _FILES else (name,))]
        if missing:
            raise ValueError(f"sasl_mechanism={self.sasl_mechanism} needs {', '.join(missing)}")


def _secret(given: SecretStr | None, file: Path | None) -> str | None:
    if file is not None:
        return file.read_text(encoding="utf-8").rstrip("\r\n")
    return None if given is None else given.get_secret_value()


@runtime_checkable
class ClientError(Protocol):
    """What the Kafka client hands to its error callback, and what its exceptions hold."""

    def name(self) -> str:
        """Return the error's constant."""

    def str(self) -> str:
        """Return the error in words."""


def words_of(error: Exception) -> str:
    """Return what an exception of the Kafka client says."""
    inner = error.args[0] if error.args else error
    return inner.str() if isinstance(inner, ClientError) else str(inner)


class Refusal:
    """An error callback that remembers why a broker does not let us in.

    The calls that wait for the broker only say that they waited in vain; a failed login and a certificate that is not trusted are told
    here alone, while the client goes on trying.
    """

    _NAMES = frozenset({"_AUTHENTICATION", "_SSL", "_RESOLVE"})

    def __init__(self) -> None:
        self.words = ""

    def __call__(self, error: ClientError) -> None:
        """Hear of an error of the client."""
        if error.name() in self._NAMES:
            self.words = error.str()

    def explain(self, words: str) -> str:
        """Return an error's words, with the reason behind it where one is known."""
        return f"{words} ({self.words})" if self.words else words
