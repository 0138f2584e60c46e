"""Runs the API service: opens the view, follows the topic, listens, and takes all of it down in order."""

from __future__ import annotations

import logging
import signal
import socket
import threading
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import uvicorn

from api.app import Parts, create_app
from api.consumer import ViolationConsumer
from api.metrics import ApiMetrics
from api.rule_files import RuleFiles
from api.settings import is_loopback
from api.signals import ended_by
from api.view import View

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from api.settings import ApiSettings

LOG = logging.getLogger("betrace.api")
_START_TIMEOUT_S = 30.0
_BACKLOG = 128


class ListenError(Exception):
    """The address cannot be listened on; the text says which and why."""


class ApiServer:
    """The whole service in threads of its own, from `start` to `stop`."""

    def __init__(self, settings: ApiSettings) -> None:
        self._settings = settings
        self._opened = ExitStack()

    def start(self) -> str:
        """Start everything and return the address, as `http://127.0.0.1:8080`, once requests are answered.

        Whether the topic can be read is no condition: readiness tells. Raises ListenError, and ViewError where the view cannot be opened;
        then nothing is left running.
        """
        with ExitStack() as opened:
            listener = opened.enter_context(_listener(self._settings.host, self._settings.port))
            view = View(self._settings.view_path, asides_max=self._settings.records_aside_max)
            opened.callback(view.close)
            metrics = ApiMetrics()
            consumer = ViolationConsumer(self._settings, view, metrics)
            opened.callback(consumer.stop)
            consumer.start()
            rules = None if self._settings.rules is None else RuleFiles(self._settings.rules)
            if rules is not None:
                rules.current()  # Thousands take seconds to compile: no request has to wait for that.
            app = create_app(self._settings, Parts(view, consumer, rules, metrics))
            opened.enter_context(_serving(app, listener, self._settings.stop_timeout_s))
            self._opened = opened.pop_all()
        address = _address(listener)
        LOG.info("listening on %s", address)
        return address

    def stop(self) -> None:
        """Let requests under way end, stop reading, close the view. May be called twice."""
        self._opened.close()


def run_api(settings: ApiSettings, *, on_listening: Callable[[str], None] | None = None, stopping: threading.Event | None = None) -> None:
    """Run the service until SIGINT, SIGTERM or `stopping`; `on_listening` is told the address.

    Signals are only heard on the main thread. Raises what ApiServer.start raises.
    """
    ended = stopping or threading.Event()
    server = ApiServer(settings)
    address = server.start()
    try:
        with ended_by(ended, (signal.SIGINT, signal.SIGTERM)):
            if on_listening is not None:
                on_listening(address)
            ended.wait()
    finally:
        server.stop()


@contextmanager
def _serving(app: object, listener: socket.socket, stop_timeout_s: int) -> Iterator[None]:
    config = uvicorn.Config(
        app,  # type: ignore[arg-type]  # uvicorn spells out ASGI's types in its own way
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=stop_timeout_s,
        lifespan="off",
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="betrace-api-http", daemon=True)
    thread.start()
    try:
        _await_start(server, thread)
        yield
    finally:
        server.should_exit = True
        thread.join()


def _await_start(server: uvicorn.Server, thread: threading.Thread) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            raise ListenError("the HTTP server did not start; its log says why")
        time.sleep(0.01)


@contextmanager
def _listener(host: str, port: int) -> Iterator[socket.socket]:
    try:
        family, _kind, _protocol, _name, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        if not is_loopback(str(place[0])):
            raise ListenError(f"{host} is {place[0]} here, which is no loopback address")
        listener = socket.create_server(place[:2], family=family, backlog=_BACKLOG)
    except OSError as error:
        raise ListenError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
    with listener:
        yield listener


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
