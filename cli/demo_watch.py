"""Watches the parts of a demo: asks each of them again and again how it stands, makes a scene of it, and hands that to a report."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cli.demo_logs import PartError, PartLogs
from cli.demo_pages import WorkerPages, api_violations, worker_pages
from cli.demo_scene import PartitionScene, Phase, Report, Scene, Story, Tone, WorkerScene
from processor import metrics as m
from processor.readiness import NotReady
from topics import names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cli.demo_books import FenceSeen
    from cli.demo_follower import Follower
    from cli.demo_workers import Worker, Workers
    from processor.inputs import InputRecord
    from topics.violation import Violation

_POLL_S = 0.4
_CONNECT_TIMEOUT_S = 5.0
_HOLDING = {Phase.REPLAYING, Phase.JUDGING, Phase.DRAINING}
_TOLD = {Phase.JUDGING: "judges partition {}", Phase.REPLAYING: "replays: it reads again what was open where it took over"}
_JOINING = {NotReady.WAITING_FOR_ASSIGNMENT, NotReady.NO_ASSIGNMENT}


@dataclass(frozen=True, slots=True)
class Parts:
    """What there is to watch: addresses of the servers (`host:port` by name), the API's, the workers, and what stands on the topics."""

    servers: dict[str, str]
    api: str
    workers: Workers
    follower: Follower
    partition_count: int


class Played:
    """What has been played so far; one thread counts."""

    def __init__(self) -> None:
        self.count = 0
        self.by_partition: Counter[int] = Counter()
        self.trace_keys: set[bytes] = set()

    def add(self, record: InputRecord) -> None:
        """Count a record."""
        self.by_partition[record.partition] += 1
        self.count += 1
        if record.key is not None:
            self.trace_keys.add(record.key)


class Watch:
    """A thread that looks. `ended` is set once it cannot: `check` says why then."""

    def __init__(self, story: Story, report: Report, logs: PartLogs, record_count: int, ended: threading.Event) -> None:
        self.scene = Scene()
        self.played = Played()
        self.found: dict[str, Violation] = {}
        self._story = story
        self._report = report
        self._logs = logs
        self._record_count = record_count
        self._ended = ended
        self._parts: Parts | None = None
        self._pages: dict[str, WorkerPages] = {}
        self._names: dict[str, str] = {}
        self._fences_told = 0
        self._telling = threading.Lock()
        self._stopped = threading.Event()
        self._trouble: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def attach(self, parts: Parts) -> None:
        """Look at these parts from now on."""
        self._parts = parts

    def stop(self) -> None:
        """Look no more."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def check(self) -> None:
        """Raise PartError where a part is not as it should be, or what there is cannot be shown."""
        if isinstance(self._trouble, PartError):
            raise self._trouble
        if self._trouble is not None:
            raise PartError(f"the violations could not be read and shown: {self._trouble}") from self._trouble

    def _run(self) -> None:
        try:
            while not self._stopped.wait(_POLL_S):
                self._look()
            self._report.show(replace(self.scene, doing=self._story.doing), [])
        except SystemExit:  # what rich makes of a broken pipe
            self._fail(PartError("nobody reads what is shown"))
        except Exception as error:  # noqa: BLE001 - the demo ends and says it
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        self._trouble = error
        self._ended.set()

    def _look(self) -> None:
        self._logs.check()
        parts = self._parts
        if parts is None:
            self.scene = Scene(self._story.elapsed_s, self._story.doing, 0, self._record_count, story=self._story.told())
            self._report.show(self.scene, [])
            return
        _check_parts(parts)
        news = self._news(api_violations(parts.api))
        for worker in parts.workers.all:
            self._ask(worker)
        self.tell_fences()
        self.scene = self._scene(parts)
        self._report.show(self.scene, news)

    def _news(self, records: Sequence[Violation]) -> list[Violation]:
        """Take in what the API has, newest first; return what is new of it, oldest first."""
        new = [record for record in reversed(records) if record.id not in self.found or self.found[record.id].revision < record.revision]
        self.found = {record.id: record for record in records}
        return new

    def _ask(self, worker: Worker) -> None:
        """Ask a worker for its pages; what it said last stands while it does not answer."""
        life = worker.life
        if life.address and life.is_running:
            self._names[life.address.rpartition(":")[2]] = f"{worker.name} (pid {life.process.pid})"
            with suppress(OSError, ValueError):
                self._pages[life.part] = worker_pages(life.address)

    def tell_fences(self) -> None:
        """Tell which partitions were fenced since this was last called, by any thread."""
        assert self._parts is not None
        with self._telling:
            fences = self._parts.follower.journal.fences[self._fences_told :]
            self._fences_told += len(fences)
        by_worker: dict[str, list[FenceSeen]] = {}
        for fence in fences:
            by_worker.setdefault(self._names.get(fence.worker.rpartition(":")[2], fence.worker), []).append(fence)
        for name, set_by_it in by_worker.items():
            listed = ", ".join(f"{fence.partition} (at {fence.offset})" for fence in sorted(set_by_it, key=lambda it: it.partition))
            self._story.tell(f"{name} fences partition {listed}: what others still write there is void")

    def _scene(self, parts: Parts) -> Scene:
        workers = [self._worker(worker, is_stopping=parts.workers.is_stopping) for worker in parts.workers.all]
        journal, said = parts.follower.journal, parts.follower.said
        owners = {number: worker for worker in workers for number in worker.partitions}
        return Scene(
            elapsed_s=self._story.elapsed_s,
            doing=self._story.doing,
            played_count=self.played.count,
            record_count=self._record_count,
            workers=workers,
            partitions=[self._partition(number, owners.get(number)) for number in range(parts.partition_count)],
            traces_begun=len(self.played.trace_keys),
            traces_judged=journal.trace_count,
            closed=sum((pages.by_label(m.TRACES_CLOSED) for pages in self._pages.values()), Counter()),
            verdicts=dict(journal.counts),
            violations=sorted(self.found.values(), key=lambda it: it.decided_at, reverse=True),
            said_count=said.record_count,
            again_count=said.again_count,
            fence_count=len(journal.fences),
            journal_count=journal.record_count,
            void_count=journal.void_count,
            store_writes=sum((pages.by_label(m.STORE_WRITES) for pages in self._pages.values()), Counter()),
            story=self._story.told(),
        )

    def _worker(self, worker: Worker, *, is_stopping: bool) -> WorkerScene:
        life = worker.life
        pages = self._pages.get(life.part)
        phase = _phase(pages, is_killed=worker.is_killed, is_running=life.is_running, is_stopping=is_stopping)
        held = pages.partitions if pages is not None and phase in _HOLDING else ()
        scene = WorkerScene(worker.number, life.part, life.process.pid, phase, worker.restart_count, held)
        before = {it.number: it for it in self.scene.workers}.get(worker.number)
        if before is not None and before.phase is not phase and phase in _TOLD:
            listed = ", ".join(map(str, scene.partitions))
            self._story.tell(f"{worker.name} (pid {scene.pid}) {_TOLD[phase].format(listed)}", Tone.GOOD)
        return scene

    def _partition(self, number: int, owner: WorkerScene | None) -> PartitionScene:
        before = {it.number: it for it in self.scene.partitions}.get(number, PartitionScene(number, None, 0, 0, None))
        end, position, time_s = self.played.by_partition[number], before.position, before.time_s
        if owner is not None:
            pages = self._pages[owner.part]
            labels = (names.SPANS.name, str(number))
            position, time_s = int(pages.value(m.POSITION, *labels) or 0), pages.value(m.PARTITION_TIME, *labels)
        return PartitionScene(number, owner, position, end, time_s)


def _phase(pages: WorkerPages | None, *, is_killed: bool, is_running: bool, is_stopping: bool) -> Phase:
    if is_killed:
        return Phase.DEAD
    if not is_running:
        return Phase.ENDED
    if is_stopping:
        return Phase.DRAINING
    if pages is None:
        return Phase.STARTING
    if pages.reasons & _JOINING:
        return Phase.JOINING
    if NotReady.REPLAYING in pages.reasons:
        return Phase.REPLAYING
    return Phase.JUDGING if pages.partitions else Phase.IDLE


def _check_parts(parts: Parts) -> None:
    """Raise PartError where one has ended by itself."""
    parts.workers.check()
    if parts.follower.trouble is not None:
        raise PartError(f"journal and violations could not be read: {parts.follower.trouble}")
    for name, address in parts.servers.items():
        host, _, port = address.rpartition(":")
        try:
            socket.create_connection((host, int(port)), timeout=_CONNECT_TIMEOUT_S).close()
        except OSError as error:
            raise PartError(f"the embedded {name} at {address} is gone: {error.strerror or error}") from error
