"""The store on a Redis that does not answer, or too late: what may be waited for, and what not."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from processor import redis_store
from processor.redis_address import parse_address
from processor.redis_store import RedisStore
from processor.store import StoreUnavailableError, Written
from tests.processor.test_redis_store import ONE, ONTO_ONE
from tests.processor.test_store import FIRST, KEY, OTHER, SECOND, THIRD, held, whole
from tests.redis_servers import SERVERS, RedisServer, binary, running


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A server of its own for each test."""
    with running(binary(request.param), tmp_path_factory.mktemp("server")) as server:
        yield server


def test_a_server_that_does_not_answer_is_given_up_in_bounded_time(server: RedisServer) -> None:
    store = RedisStore(parse_address(server.url), "app", timeout_s=0.3, load_timeout_s=0.6)
    while True:
        # Until the connection is there, even on a busy machine.
        try:
            store.write({KEY: ONE})
            break
        except StoreUnavailableError:
            continue
    with server.frozen():
        begin = time.monotonic()
        for call in (lambda: store.write({KEY: ONTO_ONE, OTHER: ONE}), lambda: store.load(KEY)):
            with pytest.raises(StoreUnavailableError, match="does not answer in time"):
                call()
        assert time.monotonic() - begin < 20
    store.close()
    patient = RedisStore(parse_address(server.url), "app", timeout_s=10)
    # What was on its way may have come to be written, and then whole.
    assert held(patient).label in {FIRST, SECOND}
    assert patient.write({KEY: whole(THIRD, ONE.put)}) == {KEY: Written.DONE}
    patient.close()


@pytest.mark.parametrize("is_large", [False, True])
def test_a_large_change_may_take_as_long_as_a_load(server: RedisServer, monkeypatch: pytest.MonkeyPatch, is_large: bool) -> None:
    store = RedisStore(parse_address(server.url), "app", timeout_s=1, load_timeout_s=60)
    store.write({KEY: ONE})
    monkeypatch.setattr(redis_store, "LARGE_BYTES_MIN", 17 if is_large else 18)
    assert server.process is not None
    goes_on = threading.Timer(2.5, server.process.send_signal, [signal.SIGCONT])
    with server.frozen():
        goes_on.start()
        if is_large:
            assert store.write({KEY: ONTO_ONE}) == {KEY: Written.DONE}
        else:
            with pytest.raises(StoreUnavailableError, match="does not answer in time"):
                store.write({KEY: ONTO_ONE})
        goes_on.join()
    store.close()


def test_a_host_that_takes_no_connection_is_given_up_in_bounded_time() -> None:
    with socket.socket() as full, ExitStack() as waiting:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(3):
            client = waiting.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(full.getsockname())
        store = RedisStore(parse_address(f"redis://127.0.0.1:{full.getsockname()[1]}"), "app", timeout_s=0.2)
        begin = time.monotonic()
        with pytest.raises(StoreUnavailableError, match="does not answer in time"):
            store.load(KEY)
        assert time.monotonic() - begin < 5
        store.close()


def test_an_answer_that_comes_too_late_is_not_taken_for_another(server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken off between question and answer, a write is followed by one of another partition before the answer is there."""
    store = RedisStore(parse_address(server.url), "app", timeout_s=10)
    store.write({KEY: ONE})

    def broken_off(_: object) -> float:
        raise KeyboardInterrupt

    with server.frozen(), monkeypatch.context() as patched:
        patched.setattr(redis_store._Deadline, "left", broken_off)
        with pytest.raises(KeyboardInterrupt):
            store.write({KEY: ONTO_ONE})
        patched.undo()
        assert server.process is not None
        goes_on = threading.Timer(0.3, server.process.send_signal, [signal.SIGCONT])
        goes_on.start()
        assert store.write({OTHER: ONTO_ONE}) == {OTHER: Written.STALE}
        goes_on.join()
    store.close()
