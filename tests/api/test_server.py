"""The whole service: it listens on loopback only, comes up without a broker, and goes down in order."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest
from pydantic import ValidationError

from api.server import ApiServer, ListenError, run_api
from api.settings import ApiSettings, is_loopback
from api.view import View, ViewError
from compiler import Compilation, SourceFile, compile_sources
from tests.api.service import RULES

ROOT = Path(__file__).parents[2]
NO_BROKER = "127.0.0.1:1"
PROGRAM = """
from api.server import run_api
from api.settings import ApiSettings
run_api(ApiSettings(port=0, bootstrap_servers="127.0.0.1:1"), on_listening=lambda address: print(address, flush=True))
print("ended", flush=True)
"""


def settings(**more: object) -> ApiSettings:
    """Return settings on a free port, without a broker."""
    return ApiSettings.model_validate({"port": 0, "bootstrap_servers": NO_BROKER, "probe_timeout_s": 0.2, **more})


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.com", "", "127.0.0.1.evil.example"])  # noqa: S104  # refused
def test_an_address_that_others_can_reach_is_refused_with_the_reason(host: str) -> None:
    with pytest.raises(ValidationError, match="no loopback address: there is no authentication yet"):
        settings(host=host)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost", "LOCALHOST"])
def test_every_loopback_address_is_allowed(host: str) -> None:
    assert is_loopback(settings(host=host).host)


def test_a_name_that_is_not_loopback_here_is_refused_when_listening(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.1", 0))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(ListenError, match=r"localhost is 10\.0\.0\.1 here"):
        ApiServer(settings(host="localhost")).start()


def test_the_service_answers_on_a_free_port_without_a_broker_and_says_what_is_missing() -> None:
    server = ApiServer(settings())
    address = server.start()
    try:
        assert httpx.get(f"{address}/healthz").status_code == 200
        assert httpx.get(f"{address}/v1/violations").json() == {"items": [], "next": None}
        ready = httpx.get(f"{address}/readyz")
        assert ready.status_code == 503
        assert [it["name"] for it in ready.json()["checks"] if it["state"] == "failed"] == ["topic", "caught_up"]
    finally:
        server.stop()
        server.stop()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{address}/healthz")


def test_rules_are_compiled_before_the_first_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rules.yaml").write_text(RULES, encoding="utf-8")
    compiled = list[int]()

    def count(sources: Sequence[SourceFile], *, today_ns: int | None = None) -> Compilation:
        compiled.append(len(sources))
        return compile_sources(sources, today_ns=today_ns)

    monkeypatch.setattr("api.rule_files.compile_sources", count)
    server = ApiServer(settings(rules=tmp_path))
    address = server.start()
    try:
        assert compiled == [1]
        assert len(httpx.get(f"{address}/v1/rules").json()["items"]) == 2
        assert compiled == [1]
    finally:
        server.stop()


def test_two_services_on_one_port_is_an_error_that_names_it() -> None:
    server = ApiServer(settings())
    port = int(server.start().rpartition(":")[2])
    try:
        with pytest.raises(ListenError, match=rf"cannot listen on 127\.0\.0\.1:{port}"):
            ApiServer(settings(port=port)).start()
    finally:
        server.stop()


def test_a_view_that_is_in_use_leaves_nothing_running(tmp_path: Path) -> None:
    before = threading.active_count()
    view = View(tmp_path / "view")
    with pytest.raises(ViewError, match="in use"):
        ApiServer(settings(view_path=tmp_path / "view")).start()
    view.close()
    assert threading.active_count() == before


def test_run_api_tells_its_address_and_ends_when_told() -> None:
    heard: list[str] = []
    stopping = threading.Event()

    def listening(address: str) -> None:
        heard.append(address)
        assert httpx.get(f"{address}/healthz").status_code == 200
        stopping.set()

    run_api(settings(), on_listening=listening, stopping=stopping)
    assert heard[0].startswith("http://127.0.0.1:")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_service_in_order(number: signal.Signals) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("http://127.0.0.1:")
        process.send_signal(number)
        assert process.stdout.readline() == "ended\n"
    assert process.returncode == 0


def test_settings_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BETRACE_API_PORT", "1234")
    monkeypatch.setenv("BETRACE_API_RULES", "/rules")
    assert (ApiSettings().port, ApiSettings().rules) == (1234, Path("/rules"))
