"""Where a Redis is, from a URL: one server, a service watched by sentinels, or a cluster; over TLS or not. Shown without its password.

Also here: what is said of a Redis that does not do what it was asked.

    redis://[user[:password]@]host[:port][/db]                         rediss://… the same over TLS
    unix://[user[:password]@]/path[?db=0]
    redis+sentinel://[…@]host[:port],host[:port]…/service[?db=0]       rediss+sentinel://…
    redis+cluster://[…@]host[:port],host[:port]…                       rediss+cluster://…
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import redis
from redis import exceptions
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry
from redis.sentinel import MasterNotFoundError, Sentinel

if TYPE_CHECKING:
    from collections.abc import Mapping

_PORT = 6379
_SENTINEL_PORT = 26379
_PORT_MAX = 65_535
_TRUTHS = {"true": True, "false": False}
_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_TLS_PARAMETERS = frozenset({*_FILES, "ssl_check_hostname"})
_SENTINEL_PARAMETERS = frozenset({"sentinel_username", "sentinel_password"})


class Kind(StrEnum):
    """What answers at an address."""

    SERVER = "server"
    SOCKET = "socket"
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


class Tls(NamedTuple):
    """How a server is trusted, and we are by it. Without a CA file the machine's own ones count; certificates are always verified."""

    ca_file: str | None = None
    certificate_file: str | None = None
    key_file: str | None = None
    is_hostname_checked: bool = True


class Login(NamedTuple):
    """A name of the server's access list, None for its default user, and the password."""

    username: str | None = None
    password: str | None = None


_DEFAULT_LOGIN = Login()


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """A Redis, as parse_address read it. Its text, repr too, holds no password."""

    kind: Kind
    hosts: tuple[tuple[str, int], ...] = ()
    path: str = ""
    service: str = ""
    db: int = 0
    login: Login = field(default=_DEFAULT_LOGIN, repr=False)
    sentinel_login: Login = field(default=_DEFAULT_LOGIN, repr=False)
    tls: Tls | None = None

    def __str__(self) -> str:
        scheme = "unix" if self.kind is Kind.SOCKET else "redis" if self.tls is None else "rediss"
        scheme += f"+{self.kind}" if self.kind in {Kind.SENTINEL, Kind.CLUSTER} else ""
        user = f"{self.login.username}@" if self.login.username else ""
        hosts = ",".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self.hosts)
        service = f"/{self.service}" if self.service else ""
        db = "" if not self.db else f"/{self.db}" if self.kind is Kind.SERVER else f"?db={self.db}"
        return f"{scheme}://{user}{hosts}{self.path}{service}{db}"

    def connect(self, timeout_s: float) -> Servers:
        """Return the way to its servers. Nothing is asked yet; connecting, and each wait for bytes, is given up after `timeout_s`."""
        options: dict[str, Any] = {
            "socket_connect_timeout": timeout_s,
            "socket_timeout": timeout_s,
            "socket_keepalive": True,
            # One attempt in bounded time: who calls goes on without an answer, and asks anew soon.
            "retry": Retry(NoBackoff(), 0),
            # Begins with a question, HELLO: what TLS sends behind its handshake is read with the answer, and not taken for a late one.
            "protocol": 3,
            # No pushed messages between the answers.
            "maint_notifications_config": MaintNotificationsConfig(enabled=False),
            # No CLIENT SETINFO, which a narrow access list would forbid.
            "driver_info": None,
        }
        if self.kind is Kind.CLUSTER:
            return _Cluster(self, options | self.login._asdict() | self._tls_options())
        if self.kind is Kind.SENTINEL:
            return self._by_sentinels(options)
        options |= self.login._asdict() | {"db": self.db}
        if self.kind is Kind.SOCKET:
            del options["socket_keepalive"]
            return _OneServer(redis.Redis(unix_socket_path=self.path, **options))
        host, port = self.hosts[0]
        return _OneServer(redis.Redis(host=host, port=port, **options, **self._tls_options()))

    def _by_sentinels(self, options: Mapping[str, Any]) -> _OneServer:
        options = {**options, **self._tls_options()}
        sentinels = Sentinel(self.hosts, sentinel_kwargs=options | self.sentinel_login._asdict())
        master = sentinels.master_for(self.service, db=self.db, **options, **self.login._asdict())
        return _OneServer(master, *sentinels.sentinels)

    def _tls_options(self) -> dict[str, Any]:
        if self.tls is None:
            return {}
        return {
            "ssl": True,
            "ssl_ca_certs": self.tls.ca_file,
            "ssl_certfile": self.tls.certificate_file,
            "ssl_keyfile": self.tls.key_file,
            "ssl_check_hostname": self.tls.is_hostname_checked,
        }


class Servers(Protocol):
    """The way to the server that holds a key."""

    def client(self, key: bytes) -> redis.Redis:
        """Return the client of that server. Raises what the library raises where it has to be asked for."""

    def renew(self) -> None:
        """Forget connections, and who holds what."""


class _OneServer:
    """One server holds everything: a given one, or whichever the sentinels name, which are connected to as well."""

    def __init__(self, client: redis.Redis, *sentinels: redis.Redis) -> None:
        self._client = client
        self._sentinels = sentinels

    def client(self, key: bytes) -> redis.Redis:  # noqa: ARG002 - one server holds every key
        return self._client

    def renew(self) -> None:
        for each in (self._client, *self._sentinels):
            each.connection_pool.disconnect()


class _Cluster:
    """A cluster, asked who holds what when the first key is wanted."""

    def __init__(self, address: RedisAddress, options: Mapping[str, Any]) -> None:
        self._address = address
        self._options = options
        self._cluster: RedisCluster | None = None

    def client(self, key: bytes) -> redis.Redis:
        if self._cluster is None:
            nodes = [ClusterNode(host, port) for host, port in self._address.hosts]
            self._cluster = RedisCluster(startup_nodes=nodes, require_full_coverage=False, **self._options)
        # The node's own client: the cluster's one would send each call twice, to be told which of its arguments are keys.
        return self._cluster.get_redis_connection(self._cluster.get_node_from_key(key))

    def renew(self) -> None:
        if self._cluster is not None:
            self._cluster.close()
        self._cluster = None


def parse_address(url: str, login: Login = _DEFAULT_LOGIN, tls: Tls | None = None) -> RedisAddress:
    """Read a URL. What `login` and `tls` say goes before what the URL says.

    Raises ValueError for what is wrong. Its text repeats nothing of the URL that may be part of a password.
    """
    scheme, separator, _ = url.partition("://")
    secure, kind = _SCHEMES.get(scheme.lower(), (False, None)) if separator else (False, None)
    if kind is None:
        raise ValueError(f"a Redis URL begins with one of {', '.join(f'{known}://' for known in _SCHEMES)}")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError(
            "a Redis URL is no URL: an address of IPv6 stands in brackets, and special characters are percent-encoded"
        ) from None
    if "@" in parts.path + parts.query + parts.fragment or parts.fragment:
        raise ValueError("a Redis URL has a special character where none may be: in a password / ? # are written %2F %3F %23")
    if not secure and tls not in {None, Tls()}:
        raise ValueError("certificates for Redis need a URL with TLS: rediss://, rediss+sentinel:// or rediss+cluster://")
    parameters = _parameters(parts, kind, is_secure=secure)
    userinfo, _, places = parts.netloc.rpartition("@")
    hosts = _hosts(places, kind)
    path, service, db = _path(parts, kind)
    return RedisAddress(
        kind,
        hosts,
        path,
        service,
        _db(db, parameters.get("db"), kind),
        _login(userinfo, login),
        Login(parameters.get("sentinel_username"), parameters.get("sentinel_password")),
        _tls(parameters, tls) if secure else None,
    )


_SCHEMES = {
    "redis": (False, Kind.SERVER),
    "rediss": (True, Kind.SERVER),
    "unix": (False, Kind.SOCKET),
    "redis+sentinel": (False, Kind.SENTINEL),
    "rediss+sentinel": (True, Kind.SENTINEL),
    "redis+cluster": (False, Kind.CLUSTER),
    "rediss+cluster": (True, Kind.CLUSTER),
}


def _parameters(parts: SplitResult, kind: Kind, *, is_secure: bool) -> dict[str, str]:
    known = {"db"} | (_TLS_PARAMETERS if is_secure else frozenset()) | (_SENTINEL_PARAMETERS if kind is Kind.SENTINEL else frozenset())
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    parameters = dict(pairs)
    unknown = sorted(parameters.keys() - known)
    if unknown:
        raise ValueError(f"a Redis URL of the kind {parts.scheme}:// knows the parameters {', '.join(sorted(known))}, not {unknown[0]}")
    if len(parameters) < len(pairs):
        raise ValueError("a Redis URL says a parameter twice")
    return parameters


def _hosts(places: str, kind: Kind) -> tuple[tuple[str, int], ...]:
    if kind is Kind.SOCKET:
        if places:
            raise ValueError("a Redis URL of a socket has no host: unix:///path/to/socket")
        return ()
    hosts = tuple(_host(place, _SENTINEL_PORT if kind is Kind.SENTINEL else _PORT) for place in places.split(","))
    if kind is Kind.SERVER and len(hosts) > 1:
        raise ValueError("a Redis URL with several hosts is one of redis+sentinel:// or redis+cluster://")
    return hosts


def _host(place: str, default_port: int) -> tuple[str, int]:
    host, colon, port = place.rpartition(":")
    if not colon or port.endswith("]"):
        host, port = place, str(default_port)
    host = host.removeprefix("[").removesuffix("]")
    if not host:
        raise ValueError("a Redis URL names a host: redis://host:port")
    if not (port.isascii() and port.isdigit() and 0 < int(port) <= _PORT_MAX):
        # Where the @ is missing this is the password.
        raise ValueError(f"a Redis URL has a port that is no number from 1 to {_PORT_MAX}; user and password stand before an @")
    return unquote(host), int(port)


def _path(parts: SplitResult, kind: Kind) -> tuple[str, str, str]:
    """Return what the path says: the path of a socket, the name of a service, the number of a database."""
    path = unquote(parts.path)
    if kind is Kind.SOCKET:
        if path in {"", "/"}:
            raise ValueError("a Redis URL of a socket names its path: unix:///path/to/socket")
        return path, "", ""
    name = path.removeprefix("/")
    if kind is Kind.SENTINEL:
        if not name or "/" in name:
            raise ValueError("a Redis URL of sentinels names the service they watch: redis+sentinel://host1,host2/service")
        return "", name, ""
    return "", "", name


def _db(in_path: str, in_query: str | None, kind: Kind) -> int:
    if in_path and in_query is not None:
        raise ValueError("a Redis URL says the database twice, in its path and as db=")
    text = in_path or in_query or "0"
    if not (text.isascii() and text.isdigit()):
        raise ValueError("a Redis URL has a database that is no number")
    if int(text) and kind is Kind.CLUSTER:
        raise ValueError("a Redis cluster has the database 0 only")
    return int(text)


def _login(userinfo: str, given: Login) -> Login:
    username, _, password = userinfo.partition(":")
    return Login(given.username or unquote(username) or None, given.password or unquote(password) or None)


def _tls(parameters: Mapping[str, str], given: Tls | None) -> Tls:
    given = given or Tls()
    checked = _TRUTHS.get(parameters.get("ssl_check_hostname", "true").lower())
    if checked is None:
        raise ValueError("ssl_check_hostname of a Redis URL is true or false")
    files = [of_argument or parameters.get(name) or None for name, of_argument in zip(_FILES, given[:3], strict=True)]
    if (files[1] is None) != (files[2] is None):
        raise ValueError("a client certificate for Redis needs its certificate file and its key file")
    for name, file in zip(_FILES, files, strict=True):
        if file is not None and not Path(file).is_file():
            raise ValueError(f"{name} for Redis: there is no file {file}")
    return Tls(files[0], files[1], files[2], checked and given.is_hostname_checked)


def reason(error: Exception) -> str:
    """Return in an operator's words why a Redis did not do what it was asked; the library's own where there are none."""
    for kind, start, words in _REASONS:
        if isinstance(error, kind) and str(error).startswith(start):
            return words
    return str(error) or type(error).__name__


# In this order: some of the library's errors are kinds of others. Codes that it has no class for begin the text.
_REASONS: tuple[tuple[type[Exception], str, str], ...] = (
    (exceptions.OutOfMemoryError, "", "it is out of memory (maxmemory), and the policy lets it refuse writes"),
    (exceptions.BusyLoadingError, "", "it is loading its data and will answer later"),
    (exceptions.ReadOnlyError, "", "it is a replica and takes no writes: name the master, or the sentinels"),
    (exceptions.AuthenticationError, "", "it refuses user and password, or wants some"),
    (exceptions.AskError, "", "it is a node of a cluster that does not hold this key: the URL has to begin with redis+cluster://"),
    (exceptions.ClusterDownError, "", "the cluster, or the link to the master, is down"),
    (exceptions.TryAgainError, "", "the cluster is moving the key to another node"),
    (exceptions.TimeoutError, "", "it does not answer in time"),
    (MasterNotFoundError, "", "no sentinel answers, or none knows a master of this name that is up"),
    (exceptions.ResponseError, "MISCONF", "it takes no writes, for it cannot save its data: see its log"),
    (exceptions.ResponseError, "NOREPLICAS", "it takes no writes, for it has too few replicas"),
    (exceptions.ResponseError, "BUSY ", "it is busy with a function or script that does not end"),
    (exceptions.ResponseError, "The user executing the script", "its access list forbids the user a command that the store needs"),
    (exceptions.ResponseError, "WRONGTYPE", "a key of the state holds something that is not ours"),
    (exceptions.ResponseError, "unknown command", "it knows no functions: Redis 7 or later, or Valkey, is needed"),
    (exceptions.ResponseError, "Function not found", "it forgets the function that was just loaded"),
)
