"""The embedded store: on the loopback only, in memory only, and never left behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import redis

from cli import embedded_store as module
from cli.embedded_store import StoreStartError, embedded_store
from tests.cli.processes import ROOT

_GONE_WITHIN_S = 10.0
_HOLDER = """
import sys
from pathlib import Path
from cli.embedded_store import embedded_store
with embedded_store(Path(sys.argv[1])) as url:
    print(url, flush=True)
    sys.stdin.read()
"""


def is_listening(host: str, port: int) -> bool:
    """Whether somebody listens there."""
    try:
        socket.create_connection((host, port), timeout=5).close()
    except OSError:
        return False
    return True


def test_it_keeps_what_it_is_told_until_it_ends_and_leaves_its_log_only(tmp_path: Path) -> None:
    with embedded_store(tmp_path / "store.log") as url:
        with redis.Redis.from_url(url) as client:
            client.set("a", b"1")
            assert client.get("a") == b"1"
            assert client.config_get("save") == {"save": ""}
            assert client.config_get("appendonly") == {"appendonly": "no"}
            assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
            assert client.config_get("bind") == {"bind": "127.0.0.1"}
        port = int(url.rpartition(":")[2])
        assert is_listening("127.0.0.1", port)
        assert not is_listening("127.0.0.2", port)
    assert not is_listening("127.0.0.1", port)
    assert list(tmp_path.iterdir()) == [tmp_path / "store.log"]


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM])
def test_it_ends_with_the_process_that_started_it(tmp_path: Path, ending: signal.Signals) -> None:
    command = [sys.executable, "-c", _HOLDER, str(tmp_path / "store.log")]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        port = int(holder.stdout.readline().rpartition(":")[2])
        assert is_listening("127.0.0.1", port)
        os.kill(holder.pid, ending)
    until = time.monotonic() + _GONE_WITHIN_S
    while is_listening("127.0.0.1", port):
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_store_that_does_not_start_says_where_its_log_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setattr(module, "free_port", lambda: taken.getsockname()[1])
        with pytest.raises(StoreStartError, match=r"ended at once \(1\), see .*store.log"), embedded_store(tmp_path / "store.log"):
            pass
    assert "in use" in (tmp_path / "store.log").read_text()
