"""The store on Redis where something goes wrong: wiped, rolled back, evicted, full, forgetful, killed, frozen, forbidden."""

from __future__ import annotations

import hashlib
import re
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from importlib.resources import files
from itertools import count
from typing import Any

import pytest

from processor import redis_store
from processor.redis_address import parse_address
from processor.redis_store import FUNCTION, STAGED_BYTES_MIN, RedisStore
from processor.store import OPEN, Label, Snapshot, StoreUnavailableError, Written
from tests.processor.test_store import FIRST, KEY, OTHER, SECOND, THIRD, change, held, trace, whole
from tests.redis_servers import SERVERS, RedisServer, binary, running

PREFIX = b"{app:otlp_spans:3}"
ONE = whole(FIRST, {OPEN: {trace(1): b"1", trace(2): b"2"}, 7: {trace(3): b"3"}})
ONTO_ONE = change(FIRST, SECOND, {OPEN: {trace(4): b"4"}})
# 21 MB, of which 20 are staged before 1 more is.
LARGE = {OPEN: {trace(number): b"%d" % number * 700 for number in range(5_000)}, 9: {trace(1): b"x" * (1 << 20)}}


@pytest.fixture(scope="module", params=SERVERS)
def one_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A server for all of these tests."""
    with running(binary(request.param), tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture
def server(one_server: RedisServer) -> RedisServer:
    """A server that holds nothing, not even the function."""
    if one_server.process is None:
        one_server.start()
    with one_server.client() as client:
        client.config_set("maxmemory", 0)
        client.flushall()
        client.function_flush()
    return one_server


@pytest.fixture
def store(server: RedisServer) -> Iterator[RedisStore]:
    """A store on it that waits long enough for a busy machine."""
    store = RedisStore(parse_address(server.url), "app", timeout_s=10, load_timeout_s=60)
    yield store
    store.close()


def keys_of(server: RedisServer) -> set[bytes]:
    """What a server holds."""
    with server.client() as client:
        return set(client.keys())


def test_a_state_lies_in_a_few_hashes_of_one_slot(server: RedisServer, store: RedisStore) -> None:
    store.write({KEY: ONE})
    assert keys_of(server) == {PREFIX + b":meta", PREFIX + b":open", PREFIX + b":closed:7"}
    with server.client() as client:
        assert {client.ttl(key) for key in keys_of(server)} == {-1}


def test_apps_on_one_server_do_not_see_each_other(server: RedisServer, store: RedisStore) -> None:
    other = RedisStore(parse_address(server.url), "other", timeout_s=10)
    store.write({KEY: ONE})
    assert other.load(KEY) is None
    other.close()


@pytest.mark.parametrize("app", ["", "a{b", "a}b"])
def test_an_app_has_a_name_that_fits_into_a_key(app: str) -> None:
    with pytest.raises(ValueError, match="name of an app"):
        RedisStore(parse_address("redis://127.0.0.1"), app)


def test_a_change_of_the_function_gets_it_a_new_name() -> None:
    """Workers of two versions may share a server: raise the number in redis_put.lua and redis_store.py with every change."""
    code = files("processor").joinpath("redis_put.lua").read_bytes()
    version = FUNCTION.rpartition(b"_")[2]
    assert code.startswith(b"#!lua name=betrace_" + version + b"\n")
    assert b"redis.register_function('" + FUNCTION + b"', put)" in code
    assert (version, hashlib.sha256(code).hexdigest()[:16]) == (b"2", "357104dbbf3affd9")


def test_a_change_after_a_wipe_is_stale(server: RedisServer, store: RedisStore) -> None:
    store.write({KEY: ONE})
    with server.client() as client:
        client.flushall()
    assert store.load(KEY) is None
    assert store.write({KEY: ONTO_ONE}) == {KEY: Written.STALE}
    assert store.write({KEY: ONE}) == {KEY: Written.DONE}
    assert held(store).states == ONE.put


def test_a_change_of_a_store_that_was_rolled_back_is_stale(server: RedisServer, store: RedisStore) -> None:
    """Killed and started again, the server has what was in its older dump."""
    store.write({KEY: ONE})
    with server.client() as client:
        client.save()
    shutil.copy(server.folder / "dump.rdb", server.folder / "older.rdb")
    store.write({KEY: ONTO_ONE})
    server.kill()
    with pytest.raises(StoreUnavailableError, match="refused"):
        store.load(KEY)
    (server.folder / "older.rdb").rename(server.folder / "dump.rdb")
    server.start()
    (server.folder / "dump.rdb").unlink()
    assert store.write({KEY: change(SECOND, THIRD, {OPEN: {trace(5): b"5"}})}) == {KEY: Written.STALE}
    assert store.load(KEY) == Snapshot(FIRST, ONE.header, ONE.put)
    assert store.write({KEY: ONTO_ONE}) == {KEY: Written.DONE}


def test_a_server_that_was_killed_comes_back_with_nothing_and_is_written_anew(server: RedisServer, store: RedisStore) -> None:
    store.write({KEY: ONE})
    server.kill()
    with pytest.raises(StoreUnavailableError, match=re.escape(f"Redis at {server.url}: ")):
        store.write({KEY: ONTO_ONE})
    server.start()
    assert store.load(KEY) is None
    assert store.write({KEY: ONTO_ONE}) == {KEY: Written.STALE}
    assert store.write({KEY: ONE, OTHER: ONE}) == {KEY: Written.DONE, OTHER: Written.DONE}


def test_a_function_that_was_flushed_is_loaded_again(server: RedisServer, store: RedisStore) -> None:
    store.write({KEY: ONE, OTHER: ONE})
    with server.client() as client:
        client.function_flush()
        client.config_resetstat()
        assert store.write({KEY: ONTO_ONE, OTHER: ONTO_ONE}) == {KEY: Written.DONE, OTHER: Written.DONE}
        assert client.info("commandstats")["cmdstat_function|load"]["calls"] == 1


@pytest.mark.parametrize("lost", [b":open", b":closed:7"])
def test_a_state_that_lost_a_bucket_is_not_loaded_and_not_built_upon(server: RedisServer, store: RedisStore, lost: bytes) -> None:
    store.write({KEY: ONE})
    with server.client() as client:
        client.unlink(PREFIX + lost)
    with pytest.raises(StoreUnavailableError, match="noeviction"):
        store.load(KEY)
    onto_both = change(FIRST, SECOND, {OPEN: {trace(4): b"4"}}, {7: frozenset({trace(3)})})
    assert store.write({KEY: onto_both}) == {KEY: Written.STALE}
    store.write({KEY: ONE})
    assert held(store).states == ONE.put


def test_a_bucket_lost_and_then_passed_is_no_loss(server: RedisServer, store: RedisStore) -> None:
    store.write({KEY: ONE})
    with server.client() as client:
        client.unlink(PREFIX + b":closed:7")
    assert store.write({KEY: change(FIRST, SECOND, passed=frozenset({7}))}) == {KEY: Written.DONE}
    assert held(store).states == {OPEN: ONE.put[OPEN]}


def test_a_key_that_holds_something_else_is_no_base_and_makes_way_for_a_whole_state(server: RedisServer, store: RedisStore) -> None:
    store.write({KEY: ONE})
    with server.client() as client:
        client.set(PREFIX + b":open", b"not ours")
        client.set(PREFIX + b":closed:8", b"nor this")
    for put in ({OPEN: {trace(4): b"4"}}, {8: {trace(4): b"4"}}):
        assert store.write({KEY: change(FIRST, SECOND, put)}) == {KEY: Written.STALE}
    with pytest.raises(StoreUnavailableError, match="not ours"):
        store.load(KEY)
    again = whole(SECOND, {OPEN: {trace(1): b"1"}, 8: {trace(2): b"2"}})
    assert store.write({KEY: again}) == {KEY: Written.DONE}
    assert held(store).states == again.put


def test_a_large_whole_state_is_staged_and_switched_to(server: RedisServer, store: RedisStore) -> None:
    store.write({KEY: ONE})
    assert sum(len(state) for states in LARGE.values() for state in states.values()) > max(STAGED_BYTES_MIN, 14_000_000)
    assert store.write({KEY: whole(SECOND, LARGE)}) == {KEY: Written.DONE}
    assert keys_of(server) == {PREFIX + b":meta", PREFIX + b":open", PREFIX + b":closed:9"}
    assert held(store).states == LARGE
    with server.client() as client:
        assert {client.ttl(key) for key in keys_of(server)} == {-1}
    assert store.write({KEY: change(SECOND, THIRD, {9: {trace(2): b"2"}})}) == {KEY: Written.DONE}


def test_a_large_whole_state_that_comes_too_late_leaves_nothing_behind(server: RedisServer, store: RedisStore) -> None:
    store.write({KEY: whole(THIRD, {OPEN: {trace(1): b"1"}})})
    before = keys_of(server)
    assert store.write({KEY: whole(SECOND, LARGE)}) == {KEY: Written.NEWER}
    assert keys_of(server) == before
    assert held(store).label == THIRD


def test_what_a_killed_worker_has_staged_expires(server: RedisServer, store: RedisStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.write({KEY: ONE})
    before = keys_of(server)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(RedisStore, "_put", killed)
    monkeypatch.setattr(RedisStore, "_remove_staged", killed)
    with pytest.raises(KeyboardInterrupt):
        store.write({KEY: whole(SECOND, LARGE)})
    staged = keys_of(server) - before
    assert len(staged) == len(LARGE)
    assert all(key.startswith(PREFIX + b":next:") for key in staged)
    with server.client() as client:
        assert all(0 < client.ttl(key) <= 600 for key in staged)
    monkeypatch.undo()
    assert store.load(KEY) == Snapshot(FIRST, ONE.header, ONE.put)


def test_what_was_staged_and_is_gone_is_not_switched_to(server: RedisServer, store: RedisStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.write({KEY: ONE})
    staging = redis_store._Write.staging

    def lost(write: redis_store._Write) -> Iterator[redis_store._Call]:
        yield from staging(write)
        yield redis_store._Call(write.keys.meta, (b"UNLINK", write.staged_keys[-1]))

    monkeypatch.setattr(redis_store._Write, "staging", lost)
    with pytest.raises(StoreUnavailableError, match="staged"):
        store.write({KEY: whole(SECOND, LARGE)})
    assert store.load(KEY) == Snapshot(FIRST, ONE.header, ONE.put)
    assert not any(b":next:" in key for key in keys_of(server))


@pytest.mark.parametrize("states", [{OPEN: {trace(4): b"4" * 1_000_000}}, LARGE], ids=["in one call", "staged"])
def test_a_server_without_memory_keeps_the_state_it_has(
    server: RedisServer, store: RedisStore, states: dict[int, dict[bytes, bytes]]
) -> None:
    store.write({KEY: ONE})
    before = keys_of(server)
    with server.client() as client:
        client.config_set("maxmemory", client.info("memory")["used_memory"] + 500_000)
        for delta in (change(FIRST, SECOND, states), whole(SECOND, states)):
            with pytest.raises(StoreUnavailableError, match="out of memory"):
                store.write({KEY: delta, OTHER: ONE})
            assert keys_of(server) == before
        assert store.load(KEY) == Snapshot(FIRST, ONE.header, ONE.put)
        client.config_set("maxmemory", 0)
    assert store.write({KEY: change(FIRST, SECOND, states)}) == {KEY: Written.DONE}


def test_a_load_sees_one_state_while_another_worker_writes(server: RedisServer, store: RedisStore) -> None:
    """Every state of a snapshot is of its label: some are written whole, some changed, some staged buckets removed."""
    writer = RedisStore(parse_address(server.url), "app", timeout_s=10)
    stop = threading.Event()

    def write() -> None:
        numbers = count(1)
        base: Label | None = None
        while not stop.is_set():
            label = Label(next(numbers), "w")
            value = b"%d" % label.offset
            states = {bucket: {trace(number): value for number in range(4_500)} for bucket in (OPEN, label.offset)}
            passed = frozenset({label.offset - 1})
            writer.write({KEY: change(base, label, states, {}, passed) if base and label.offset % 3 else whole(label, states)})
            base = label
            time.sleep(0.05)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        seen = set[int]()
        until = time.monotonic() + 60
        while len(seen) < 5 and time.monotonic() < until:
            snapshot = _loaded(store)
            if snapshot is not None:
                offset = snapshot.label.offset
                assert {bucket: (len(states), set(states.values())) for bucket, states in snapshot.states.items()} == {
                    bucket: (4_500, {b"%d" % offset}) for bucket in (OPEN, offset)
                }
                seen.add(offset)
    finally:
        stop.set()
        thread.join()
        writer.close()
    assert len(seen) == 5


def test_a_load_sees_one_state_also_where_a_label_is_written_again(
    server: RedisServer, store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two pages of it another worker writes as many states, behind the same record."""
    before, after = ({OPEN: {trace(number): value for number in range(4_500)}} for value in (b"before", b"after"))
    store.write({KEY: whole(FIRST, before)})
    writer = RedisStore(parse_address(server.url), "app", timeout_s=10)
    answers, calls = store._answers, count()

    def interrupted(asked: Sequence[redis_store._Call], deadline: redis_store._Deadline) -> list[Any]:
        if next(calls) == 2:
            writer.write({KEY: whole(FIRST, after)})
        return answers(asked, deadline)

    monkeypatch.setattr(store, "_answers", interrupted)
    assert held(store).states == after
    writer.close()


def test_a_whole_state_removes_what_another_worker_has_just_written(
    server: RedisServer, store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = RedisStore(parse_address(server.url), "app", timeout_s=10)
    call, calls = redis_store._Write.call, count()

    def interrupted(write: redis_store._Write, known: bytes) -> redis_store._Call:
        if next(calls) == 0:
            writer.write({KEY: ONE})
        return call(write, known)

    monkeypatch.setattr(redis_store._Write, "call", interrupted)
    assert store.write({KEY: whole(SECOND, {8: {trace(1): b"1"}})}) == {KEY: Written.DONE}
    assert keys_of(server) == {PREFIX + b":meta", PREFIX + b":closed:8"}
    writer.close()


def _loaded(store: RedisStore) -> Snapshot | None:
    try:
        return store.load(KEY)
    except StoreUnavailableError as error:
        if "another worker" not in str(error):
            raise
        return None
