"""The store on a Redis that refuses: what it needs of an access list, and how it says what the server does not do."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import redis

from processor.redis_address import Login, parse_address
from processor.redis_store import RedisStore
from processor.store import OPEN, StoreUnavailableError, Written
from tests.architecture.tree import ROOT
from tests.processor.test_redis_store import LARGE, ONE, ONTO_ONE
from tests.processor.test_store import FIRST, KEY, SECOND, THIRD, change, held, trace, whole
from tests.redis_servers import SERVERS, RedisServer, binary, running

# What docs/how-to/use-redis.md tells operators to allow.
ALLOWED = [
    *("+fcall", "+function|load", "+hget", "+hmget", "+hscan", "+hlen", "+hset", "+hdel", "+exists", "+unlink"),
    *("+rename", "+pexpire", "+persist"),
]


@pytest.fixture(scope="module", params=SERVERS)
def one_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A server for all of these tests."""
    with running(binary(request.param), tmp_path_factory.mktemp("server"), "--enable-protected-configs", "yes") as server:
        yield server


@pytest.fixture
def server(one_server: RedisServer) -> RedisServer:
    """A server that holds nothing, not even the function."""
    with one_server.client() as client:
        client.flushall()
        client.function_flush()
    return one_server


def test_the_page_for_operators_names_the_commands_that_are_needed() -> None:
    assert " ".join(ALLOWED) in (ROOT / "docs/how-to/use-redis.md").read_text()


def test_a_user_needs_a_few_commands_on_the_keys_of_its_app(server: RedisServer) -> None:
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "worker", "reset", "on", ">s3cret", "~{app:*", *ALLOWED)
        client.acl_log_reset()
    address = parse_address(f"redis://worker:s3cret@127.0.0.1:{server.port}")
    store = RedisStore(address, "app", timeout_s=10)
    assert store.write({KEY: ONE}) == {KEY: Written.DONE}
    assert store.write({KEY: change(FIRST, SECOND, {8: {trace(4): b"4"}}, {OPEN: frozenset({trace(1)})}, frozenset({7}))}) == {
        KEY: Written.DONE
    }
    assert held(store).states == {OPEN: {trace(2): b"2"}, 8: {trace(4): b"4"}}
    assert store.write({KEY: whole(THIRD, LARGE)}) == {KEY: Written.DONE}
    assert store.write({KEY: whole(SECOND, LARGE)}) == {KEY: Written.NEWER}
    assert store.write({KEY: whole(THIRD, ONE.put)}) == {KEY: Written.DONE}
    store.close()
    with server.client() as client:
        assert client.acl_log() == []
    elsewhere = RedisStore(address, "other", timeout_s=10)
    with pytest.raises(StoreUnavailableError, match="permission"):
        elsewhere.write({KEY: ONE})
    elsewhere.close()


@pytest.mark.parametrize("missing", ALLOWED)
def test_no_command_is_asked_for_that_is_not_needed(server: RedisServer, missing: str) -> None:
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "worker", "reset", "on", ">s3cret", "~{app:*", *(set(ALLOWED) - {missing}))
    store = RedisStore(parse_address(server.url, Login("worker", "s3cret")), "app", timeout_s=10)
    with pytest.raises(StoreUnavailableError, match=r"permission|access list|ACL"):
        _everything(store)
    store.close()


def test_a_write_that_fails_half_way_leaves_no_state_and_nothing_that_is_not_found_again(server: RedisServer) -> None:
    store = RedisStore(parse_address(server.url), "app", timeout_s=10)
    store.write({KEY: ONE})
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "worker", "reset", "on", ">s3cret", "~{app:*", *(set(ALLOWED) - {"+hlen"}))
    failing = RedisStore(parse_address(server.url, Login("worker", "s3cret")), "app", timeout_s=10)
    with pytest.raises(StoreUnavailableError):
        failing.write({KEY: whole(SECOND, {8: {trace(1): b"1"}})})
    assert store.load(KEY) is None
    assert store.write({KEY: change(FIRST, SECOND)}) == {KEY: Written.STALE}
    assert store.write({KEY: whole(SECOND, {OPEN: {trace(1): b"1"}})}) == {KEY: Written.DONE}
    assert held(store).states == {OPEN: {trace(1): b"1"}}
    with server.client() as client:
        assert set(client.keys()) == {b"{app:otlp_spans:3}:meta", b"{app:otlp_spans:3}:open"}
    for some in (store, failing):
        some.close()


def _everything(store: RedisStore) -> None:
    store.write({KEY: ONE})
    store.write({KEY: change(FIRST, SECOND, {8: {trace(4): b"4"}}, {OPEN: frozenset({trace(1)})}, frozenset({7}))})
    store.load(KEY)
    store.write({KEY: whole(THIRD, LARGE)})


@pytest.mark.parametrize("login", [Login("worker", "s3cret-wrong"), Login("nobody", "s3cret-wrong")])
def test_a_wrong_password_is_named_and_not_shown(server: RedisServer, login: Login) -> None:
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "worker", "reset", "on", ">s3cret", "~*", "+@all")
    store = RedisStore(parse_address(server.url, login), "app", timeout_s=10)
    for call in (lambda: store.load(KEY), lambda: store.write({KEY: ONE})):
        with pytest.raises(StoreUnavailableError, match="user and password") as raised:
            call()
        assert "s3cret" not in str(raised.value) + repr(store.__dict__["_address"])
    store.close()


@pytest.mark.parametrize("login", [Login(), Login(None, "s3cret-wrong")])
def test_the_default_user_may_need_a_password(server: RedisServer, login: Login) -> None:
    store = RedisStore(parse_address(server.url, login), "app", timeout_s=10)
    with server.client() as client:
        client.config_set("requirepass", "s3cret")
    try:
        with pytest.raises(StoreUnavailableError, match="user and password") as raised:
            store.load(KEY)
        assert "s3cret" not in str(raised.value)
    finally:
        with redis.Redis(port=server.port, password="s3cret") as client:
            client.config_set("requirepass", "")
        store.close()


def test_a_replica_takes_no_writes_and_says_so(server: RedisServer) -> None:
    store = RedisStore(parse_address(server.url), "app", timeout_s=10)
    store.write({KEY: ONE})
    with server.client() as client:
        client.execute_command("REPLICAOF", "127.0.0.1", "1")
        try:
            with pytest.raises(StoreUnavailableError, match="it is a replica and takes no writes"):
                store.write({KEY: ONTO_ONE})
            assert held(store).label == FIRST
        finally:
            client.execute_command("REPLICAOF", "NO", "ONE")
    assert store.write({KEY: ONTO_ONE}) == {KEY: Written.DONE}
    store.close()


def test_a_server_that_cannot_save_takes_no_writes_and_says_so(server: RedisServer) -> None:
    store = RedisStore(parse_address(server.url), "app", timeout_s=10)
    store.write({KEY: ONE})
    (server.folder / "taken").mkdir()
    with server.client() as client:
        before = client.config_get("dbfilename")["dbfilename"]
        client.config_set("dbfilename", "taken")
        client.config_set("save", "3600 1")
        client.bgsave()
        while client.info("persistence")["rdb_bgsave_in_progress"]:
            time.sleep(0.01)
        try:
            with pytest.raises(StoreUnavailableError, match="cannot save"):
                store.write({KEY: ONTO_ONE})
        finally:
            client.config_set("save", "")
            client.config_set("dbfilename", before)
    (server.folder / "taken").rmdir()
    store.close()
