"""The worker's shell: a Faust app for lifecycle, signals, supervision and web pages. Its own Kafka client is switched off."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import faust
from faust.app import BootStrategy
from mode import Service

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from faust.web import Request, Response, View

    from processor.health import Page

STOP_TIMEOUT_S = 90.0
# The consumer's thread and the event loop share one interpreter; the loop must not wait 5 ms for each of its turns.
_SWITCH_INTERVAL_S = 0.0005


class _OwnKafka(BootStrategy):
    enable_kafka = False


class WorkerApp(faust.App):
    """A Faust app that keeps nothing on disk and leaves Kafka to its services."""

    BootStrategy = _OwnKafka

    async def on_first_start(self) -> None:
        """Make no data directory: there are no tables."""


class Lifeline:
    """Ties a thread to the app: it is started and stopped with the app, and its failure is the app's crash.

    `ended` is to be called by the thread, from anywhere, when it ends.
    """

    start: Callable[[], None]
    stop: Callable[[], None]

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended: asyncio.Future[BaseException | None] | None = None

    def tie(self, start: Callable[[], None], stop: Callable[[], None]) -> None:
        """Name how the thread is started and asked to stop."""
        self.start, self.stop = start, stop

    def attach(self) -> None:
        """Remember the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._ended = self._loop.create_future()

    def ended(self, reason: BaseException | None) -> None:
        """Say that the thread has ended, and why."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._set_ended, reason)

    async def wait(self) -> BaseException | None:
        """Return when the thread has ended, with its reason."""
        return None if self._ended is None else await asyncio.shield(self._ended)

    def _set_ended(self, reason: BaseException | None) -> None:
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(reason)


def make_app(name: str, host: str, port: int, lifeline: Lifeline, pages: Mapping[str, Callable[[], Page]]) -> WorkerApp:
    """Return the app; `pages` are answered by path."""
    app = WorkerApp(name, store="memory://", web_bind=host, web_host=host, web_port=port, web_cors_options=None)
    app.service(_group_service(app, lifeline))
    for path, page in pages.items():
        app.page(path, name=path)(_view(page))
    return app


def run_app(app: WorkerApp, log_level: str) -> int:
    """Run the app until SIGTERM or SIGINT; return the exit status, 1 after a crash."""
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    worker = faust.Worker(app, loglevel=log_level, quiet=True, redirect_stdouts=False)
    try:
        worker.execute_from_commandline()
    except SystemExit as status:
        return status.code if isinstance(status.code, int) else 1


def _group_service(app: WorkerApp, lifeline: Lifeline) -> type[Service]:
    class GroupService(Service):
        async def on_start(self) -> None:
            lifeline.attach()
            lifeline.start()

        @Service.task
        async def _watch(self) -> None:
            reason = await lifeline.wait()
            if reason is not None and not self.should_stop:
                await app.crash(reason)

        async def on_stop(self) -> None:
            lifeline.stop()
            await asyncio.wait_for(lifeline.wait(), STOP_TIMEOUT_S)

    return GroupService


def _view(page: Callable[[], Page]) -> Any:  # noqa: ANN401 - Faust's own types for a page do not fit what it takes
    async def answer(view: View, request: Request) -> Response:
        del request
        found = page()
        return view.bytes(found.body, content_type=found.content_type.partition(";")[0], status=found.status)

    return answer
