"""The store on Redis behind TLS, a socket, sentinels, and as a cluster, with real servers."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from shutil import which

import pytest
import redis

from cli.embedded_broker import free_port
from processor.record import PartitionKey
from processor.redis_address import Tls, parse_address
from processor.redis_store import RedisStore
from processor.store import OPEN, Snapshot, StoreUnavailableError, Written
from tests.architecture.tree import ROOT
from tests.processor.test_redis_refusals import ALLOWED
from tests.processor.test_store import FIRST, KEY, SECOND, THIRD, change, held, trace, whole
from tests.redis_servers import SERVERS, RedisServer, binary, running
from tests.skipping import missing

ONE = whole(FIRST, {OPEN: {trace(1): b"1"}, 7: {trace(2): b"2"}})
ONTO_ONE = change(FIRST, SECOND, {OPEN: {trace(3): b"3"}}, {7: frozenset({trace(2)})})
PARTITIONS = [PartitionKey("otlp_spans", number) for number in range(12)]
LARGE = {OPEN: {trace(number): b"%d" % number * 700 for number in range(5_000)}}
_SETTLED_WITHIN_S = 60.0
_SLOT_COUNT = 16_384


@pytest.fixture(params=SERVERS)
def program(request: pytest.FixtureRequest) -> Path:
    """The program of each server there is."""
    return binary(request.param)


@contextmanager
def store_at(url: str, tls: Tls | None = None) -> Iterator[RedisStore]:
    """A store that waits long enough for a busy machine."""
    store = RedisStore(parse_address(url, tls=tls), "app", timeout_s=10, load_timeout_s=60)
    yield store
    store.close()


def eventually(is_so: Callable[[], bool]) -> None:
    """Wait until it is so."""
    until = time.monotonic() + _SETTLED_WITHIN_S
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_store_is_reached_by_a_socket(program: Path, tmp_path: Path) -> None:
    path = tmp_path / "s"
    with running(program, tmp_path, "--unixsocket", str(path)), store_at(f"unix://{path}?db=1") as store:
        store.write({KEY: ONE})
        assert store.load(KEY) == Snapshot(FIRST, ONE.header, ONE.put)


def test_databases_of_a_server_are_apart(program: Path, tmp_path: Path) -> None:
    with running(program, tmp_path) as server, store_at(f"{server.url}/1") as store, store_at(f"{server.url}?db=2") as other:
        store.write({KEY: ONE})
        assert other.load(KEY) is None
        with redis.Redis(port=server.port, db=1) as client:
            assert client.dbsize() == 3


# --- TLS


def openssl(folder: Path, *arguments: str) -> None:
    """Run openssl; the test is skipped where there is none."""
    if which("openssl") is None:
        missing("no openssl on this machine")
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a CA, another CA, a certificate of the server named localhost, and one of a client."""
    folder = tmp_path_factory.mktemp("certificates")
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    for name in ("ca", "other-ca"):
        openssl(folder, "req", "-x509", *key, "-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN={name}", "-days", "2")
    (folder / "names").write_text("subjectAltName=DNS:localhost")
    for name in ("server", "client"):
        openssl(folder, "req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        signer = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial")
        openssl(folder, "x509", "-req", "-in", f"{name}.csr", *signer, "-days", "2", "-extfile", "names", "-out", f"{name}.pem")
    return folder


@pytest.fixture
def tls_server(certificates: Path, tmp_path: Path) -> Iterator[RedisServer]:
    """A server that speaks TLS only, and wants a client's certificate. Valkey's embedded build speaks no TLS."""
    port = free_port()
    files = ("--tls-cert-file", "server.pem", "--tls-key-file", "server.key", "--tls-ca-cert-file", "ca.pem")
    paths = tuple(part if part.startswith("--") else str(certificates / part) for part in files)
    server = RedisServer(binary("redis"), tmp_path, ("--port", "0", "--tls-port", str(port), *paths), port)
    server.start()
    yield server
    server.kill()


def test_a_server_and_a_client_trust_each_other_by_certificates(tls_server: RedisServer, certificates: Path) -> None:
    ca, certificate, key = (certificates / name for name in ("ca.pem", "client.pem", "client.key"))
    parameters = f"ssl_ca_certs={ca}&ssl_certfile={certificate}&ssl_keyfile={key}"
    with store_at(f"rediss://localhost:{tls_server.port}/0?{parameters}") as store:
        assert store.write({KEY: ONE}) == {KEY: Written.DONE}
        assert store.write({KEY: whole(SECOND, LARGE)}) == {KEY: Written.DONE}
        assert held(store).states == LARGE
    given = Tls(str(ca), str(certificate), str(key))
    with store_at(f"rediss://localhost:{tls_server.port}", given) as store:
        assert held(store).label == SECOND


@pytest.mark.parametrize(
    ("host", "parameters", "is_heard"),
    [
        ("localhost", "ssl_ca_certs=ca.pem", False),
        ("localhost", "ssl_certfile=client.pem&ssl_keyfile=client.key", False),
        ("localhost", "ssl_ca_certs=other-ca.pem&ssl_certfile=client.pem&ssl_keyfile=client.key", False),
        ("127.0.0.1", "ssl_ca_certs=ca.pem&ssl_certfile=client.pem&ssl_keyfile=client.key", False),
        ("127.0.0.1", "ssl_ca_certs=ca.pem&ssl_certfile=client.pem&ssl_keyfile=client.key&ssl_check_hostname=false", True),
    ],
)
def test_whoever_is_not_trusted_is_not_spoken_to(
    tls_server: RedisServer, certificates: Path, monkeypatch: pytest.MonkeyPatch, host: str, parameters: str, is_heard: bool
) -> None:
    monkeypatch.chdir(certificates)
    with store_at(f"rediss://{host}:{tls_server.port}?{parameters}") as store:
        if is_heard:
            assert store.load(KEY) is None
        else:
            with pytest.raises(StoreUnavailableError, match=f"rediss://{host}"):
                store.load(KEY)


def test_a_server_with_tls_does_not_answer_without(tls_server: RedisServer) -> None:
    with store_at(tls_server.url) as store, pytest.raises(StoreUnavailableError):
        store.load(KEY)


# --- cluster


@contextmanager
def cluster(program: Path, folder: Path, node_count: int) -> Iterator[list[RedisServer]]:
    """A cluster without replicas, whose nodes have equal shares of the slots."""
    with ExitStack() as ends:
        # The port of a node's bus is its own and 10 000, which has to be a port too.
        nodes = [
            ends.enter_context(running(program, folder / str(number), "--cluster-enabled", "yes", "--cluster-port", str(free_port())))
            for number in range(node_count)
        ]
        bounds = [_SLOT_COUNT * number // node_count for number in range(node_count + 1)]
        for node, first, end in zip(nodes, bounds, bounds[1:], strict=False):
            with node.client() as client:
                client.execute_command("CLUSTER", "ADDSLOTSRANGE", first, end - 1)
                bus = node.arguments[node.arguments.index("--cluster-port") + 1]
                for other in nodes:
                    if other is not node:
                        with other.client() as meeting:
                            meeting.execute_command("CLUSTER", "MEET", "127.0.0.1", node.port, bus)
        for node in nodes:
            eventually(lambda node=node: _is_whole(node, node_count))  # type: ignore[misc]
        yield nodes


def _is_whole(node: RedisServer, node_count: int) -> bool:
    with node.client() as client:
        info = client.execute_command("CLUSTER", "INFO")
        return b"cluster_state:ok\r" in info and b"cluster_known_nodes:%d\r" % node_count in info


def test_a_cluster_of_one_node_holds_every_partition(program: Path, tmp_path: Path) -> None:
    with cluster(program, tmp_path, 1) as (node,), store_at(f"redis+cluster://127.0.0.1:{node.port}") as store:
        assert set(store.write(dict.fromkeys(PARTITIONS, ONE)).values()) == {Written.DONE}
        assert set(store.write(dict.fromkeys(PARTITIONS, ONTO_ONE)).values()) == {Written.DONE}
        assert store.write({KEY: whole(THIRD, LARGE)}) == {KEY: Written.DONE}
        assert held(store).states == LARGE
        with node.client() as client:
            slots: dict[bytes, set[int]] = {}
            for key in client.scan_iter():
                slots.setdefault(key.split(b"}")[0], set()).add(client.execute_command("CLUSTER", "KEYSLOT", key))
        assert len(slots) == len(PARTITIONS)
        assert all(len(some) == 1 for some in slots.values())


def test_the_partitions_lie_on_all_nodes_of_a_cluster(program: Path, tmp_path: Path) -> None:
    with cluster(program, tmp_path, 2) as nodes, store_at(f"redis+cluster://127.0.0.1:1,127.0.0.1:{nodes[1].port}") as store:
        assert set(store.write(dict.fromkeys(PARTITIONS, ONE)).values()) == {Written.DONE}
        assert [held(store, key).states for key in PARTITIONS] == [ONE.put] * len(PARTITIONS)
        for node in nodes:
            with node.client() as client:
                assert client.dbsize() > 0
        nodes[0].kill()
        with pytest.raises(StoreUnavailableError, match=r"redis\+cluster://127.0.0.1:1,"):
            store.write(dict.fromkeys(PARTITIONS, ONTO_ONE))


def test_a_user_of_a_cluster_needs_two_commands_more(program: Path, tmp_path: Path) -> None:
    more = ["+cluster|slots", "+command"]
    assert " ".join(f"`{command}`" for command in more).replace("` `", " ") in (ROOT / "docs/how-to/use-redis.md").read_text()
    with cluster(program, tmp_path, 1) as (node,):
        for missing in (None, *more):
            with node.client() as client:
                allowed = [command for command in (*ALLOWED, *more) if command != missing]
                client.execute_command("ACL", "SETUSER", "worker", "reset", "on", ">s3cret", "~{app:*", *allowed)
            with store_at(f"redis+cluster://worker:s3cret@127.0.0.1:{node.port}") as store:
                if missing is None:
                    assert store.write({KEY: ONE}) == {KEY: Written.DONE}
                else:
                    with pytest.raises(StoreUnavailableError) as raised:
                        store.load(KEY)
                    assert "s3cret" not in str(raised.value)


def test_slots_that_move_are_followed(program: Path, tmp_path: Path) -> None:
    with cluster(program, tmp_path, 2) as nodes, store_at(f"redis+cluster://127.0.0.1:{nodes[0].port}") as store:
        assert store.write({KEY: ONE}) == {KEY: Written.DONE}
        with nodes[0].client() as client:
            slot = client.execute_command("CLUSTER", "KEYSLOT", "{app:otlp_spans:3}")
        for node in nodes:
            with node.client() as client:
                client.flushall()
        owner = nodes[0] if slot < _SLOT_COUNT // 2 else nodes[1]
        taker = nodes[1] if owner is nodes[0] else nodes[0]
        with taker.client() as client:
            taker_id = client.execute_command("CLUSTER", "MYID")
        for node in (taker, owner):
            with node.client() as client:
                client.execute_command("CLUSTER", "SETSLOT", slot, "NODE", taker_id)
        assert store.write({KEY: ONE}) == {KEY: Written.DONE}
        assert held(store).states == ONE.put
        with taker.client() as client:
            assert client.dbsize() == 3


def test_a_cluster_named_as_one_server_says_how_to_name_it(program: Path, tmp_path: Path) -> None:
    with (
        cluster(program, tmp_path, 2) as nodes,
        store_at(nodes[0].url) as store,
        pytest.raises(StoreUnavailableError, match=r"redis\+cluster://"),
    ):
        store.write(dict.fromkeys(PARTITIONS, ONE))


# --- sentinels


@contextmanager
def sentinel(program: Path, folder: Path, master: RedisServer, *lines: str) -> Iterator[RedisServer]:
    """A sentinel that watches one master, as the service `state`."""
    folder.mkdir()
    port = free_port()
    file = folder / "sentinel.conf"
    watch = f"sentinel monitor state 127.0.0.1 {master.port} 1"
    file.write_text("\n".join([f"port {port}", "bind 127.0.0.1", f"dir {folder}", watch, *lines, ""]))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, file, "--sentinel"], stdout=log, stderr=log)
    server = RedisServer(program, folder, port=port, process=process)
    try:
        eventually(lambda: _answers(server))
        yield server
    finally:
        server.kill()


def _answers(server: RedisServer) -> bool:
    try:
        with server.client() as client:
            return bool(client.ping())
    except redis.exceptions.AuthenticationError:
        return True
    except redis.exceptions.ConnectionError:
        return False


def test_the_master_is_found_through_sentinels_and_found_again_after_a_failover(program: Path, tmp_path: Path) -> None:
    with running(program, tmp_path / "first") as first, running(program, tmp_path / "second") as second:
        with second.client() as client:
            client.execute_command("REPLICAOF", "127.0.0.1", first.port)
            eventually(lambda: client.info("replication")["master_link_status"] == "up")
        with (
            sentinel(program, tmp_path / "sentinel", first) as watching,
            store_at(f"redis+sentinel://127.0.0.1:1,127.0.0.1:{watching.port}/state") as store,
            watching.client() as asked,
            second.client() as replica,
        ):
            assert store.write({KEY: ONE}) == {KEY: Written.DONE}
            # The sentinel hears of replicas now and then.
            eventually(lambda: len(asked.sentinel_slaves("state")) == 1)
            eventually(lambda: bool(replica.exists("{app:otlp_spans:3}:meta")))
            eventually(lambda: _fails_over(asked))
            eventually(lambda: replica.info("replication")["role"] == "master")
            first.kill()
            eventually(lambda: _is_written(store))
            assert held(store).label == SECOND


def test_a_closed_store_has_no_connection_to_a_sentinel_left(program: Path, tmp_path: Path) -> None:
    with (
        running(program, tmp_path / "first") as first,
        sentinel(program, tmp_path / "sentinel", first) as watching,
        watching.client() as asked,
    ):
        eventually(lambda: len(asked.client_list()) == 1)
        with store_at(f"redis+sentinel://127.0.0.1:{watching.port}/state") as store:
            assert store.write({KEY: ONE}) == {KEY: Written.DONE}
            assert len(asked.client_list()) == 2
        eventually(lambda: len(asked.client_list()) == 1)


def test_sentinels_have_logins_of_their_own(program: Path, tmp_path: Path) -> None:
    with (
        running(program, tmp_path / "first", "--requirepass", "mp") as first,
        sentinel(program, tmp_path / "sentinel", first, "requirepass sp", "sentinel auth-pass state mp") as watching,
    ):
        with store_at(f"redis+sentinel://:mp@127.0.0.1:{watching.port}/state?sentinel_password=sp") as store:
            assert store.write({KEY: ONE}) == {KEY: Written.DONE}
        for url in (
            f":mp@127.0.0.1:{watching.port}/state?sentinel_password=wrong",
            f"127.0.0.1:{watching.port}/state?sentinel_password=sp",
        ):
            with store_at(f"redis+sentinel://{url}") as store, pytest.raises(StoreUnavailableError):
                store.load(KEY)


def _fails_over(sentinel_client: redis.Redis) -> bool:
    try:
        sentinel_client.execute_command("SENTINEL", "FAILOVER", "state")
    except redis.exceptions.ResponseError:  # not yet
        return False
    return True


def _is_written(store: RedisStore) -> bool:
    try:
        return store.write({KEY: ONTO_ONE}) == {KEY: Written.DONE}
    except StoreUnavailableError:
        return False


@pytest.mark.parametrize("path", ["unknown", "state"])
def test_without_a_master_that_the_sentinels_name_there_is_no_store(program: Path, tmp_path: Path, path: str) -> None:
    with running(program, tmp_path / "first") as first, sentinel(program, tmp_path / "sentinel", first) as watching:
        if path == "state":
            watching.kill()
        with (
            store_at(f"redis+sentinel://127.0.0.1:{watching.port}/{path}") as store,
            pytest.raises(StoreUnavailableError, match="no sentinel"),
        ):
            store.load(KEY)
