"""One librdkafka consumer keeps the group and fetches, driven by one thread that calls a plain, synchronous handler.

Rebalances are incremental: a partition that does not move never stops. Nothing but this thread touches the consumer: a call from another
thread hangs while this one polls; hand it in by `submit`.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeVar

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from processor import kafka_offsets
from processor.garbage import OldGarbage
from processor.group_handler import Bounds, GroupHandler
from processor.kafka_reading import Reading
from processor.kafka_records import consumer_properties, polled
from processor.kafka_takeover import Takeover
from processor.metrics import COMMITS_REFUSED, GAPS_READ_AGAIN
from processor.record import PartitionKey
from topics.connection import Refusal

if TYPE_CHECKING:
    from processor.kafka_reading import Progress
    from processor.metrics import Metrics
    from processor.records_read import ReadRecords
    from processor.settings import Settings

log = logging.getLogger(__name__)

_BROKER_TIMEOUT_S = 10.0
_WAKE_TIMEOUT_S = 0.5
_DRAIN_TIMEOUT_S = 30.0
_URGENT_INTERVAL_S = 0.1
# So long at a time partitions are taken, while those that stay wait.
_TAKE_S = 0.1
# What is urgent takes this share of the time at most while the worker is behind: where the broker acknowledges late, records would wait for
# it again and again.
_URGENT_SHARE = 0.2

Answer = TypeVar("Answer")


class PartitionGroup(threading.Thread):
    """The thread. `progress` is when it last went round (time.monotonic), `has_joined` whether the group ever gave it an assignment."""

    def __init__(self, settings: Settings, metrics: Metrics, on_exit: Callable[[BaseException | None], None]) -> None:
        super().__init__(name="kafka-group", daemon=True)
        self.owned: set[PartitionKey] = set()
        self.started = self.progress = time.monotonic()
        self.has_joined = False
        self.refusal = Refusal()
        self._settings = settings
        self._metrics = metrics
        self._on_exit = on_exit
        self._handler: GroupHandler
        self._consumer: Consumer
        self._reading = Reading()
        # Those that the client reads, be they owned or waiting to be taken anew.
        self._assigned: set[PartitionKey] = set()
        # New ones, and those that another worker took in between.
        self._takeover = Takeover()
        self._last_commit: dict[PartitionKey, int] = {}
        self._calls: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._stop_asked = threading.Event()
        self._failed = False
        self._is_closing = False
        self._fatal: KafkaError | None = None
        self._last_checkpoint = 0.0
        self._checkpoint_s = 0.0
        self._last_poll = 0.0
        self._is_behind = False
        self._warned: dict[str, float] = {}

    def drive(self, handler: GroupHandler) -> None:
        """Start to read, calling this handler."""
        self._handler = handler
        self.start()

    def submit(self, call: Callable[[], Answer]) -> Future[Answer]:
        """Run a call in the consumer thread, between two chunks."""
        future: Future[Answer] = Future()

        def run() -> None:
            try:
                future.set_result(call())
            except Exception as error:  # noqa: BLE001 - whoever submitted it gets it
                future.set_exception(error)

        self._calls.put(run)
        return future

    def stop(self) -> None:
        """Ask the thread to make a last checkpoint, leave the group and end."""
        self._stop_asked.set()

    @property
    def waiting(self) -> list[PartitionKey]:
        """The partitions that the group has given to this worker and that it has not taken yet; from any thread."""
        return sorted(self._takeover.waiting)

    def reading(self) -> dict[PartitionKey, Progress]:
        """Return how reading each owned partition gets on; from any thread."""
        return self._reading.progress()

    def log_bounds(self, keys: Sequence[PartitionKey]) -> dict[PartitionKey, Bounds]:
        """Return where partitions' logs begin and end, those the broker tells in time; call it in the consumer thread only."""
        # Who takes a partition has to know; who has it asks again in a second.
        timeout_s = _WAKE_TIMEOUT_S if self.owned.issuperset(keys) else _BROKER_TIMEOUT_S
        ends = {key: self._reading.end(key, told) for key, told in kafka_offsets.ends(self._consumer, keys, timeout_s).items()}
        firsts = kafka_offsets.firsts(self._consumer, list(ends), self.owned, timeout_s)
        return {key: Bounds(first, ends[key]) for key, first in firsts.items()}

    def run(self) -> None:
        """Read until stopped or broken."""
        with contextlib.ExitStack() as stack:
            stack.push(self._end)
            self._read()

    def _end(self, _kind: object, error: BaseException | KafkaError | None, _trace: object) -> bool:
        """Say why the thread ends: the shell decides what that means.

        What fails in a callback while the client closes is raised as a KafkaError, which is no exception, so that nothing catches it.
        """
        self._on_exit(KafkaException(error) if isinstance(error, KafkaError) else error)
        return True

    def _read(self) -> None:
        self._consumer = Consumer(
            {**consumer_properties(self._settings), "on_commit": self._committed, "error_cb": self._error}, logger=log
        )
        self._consumer.subscribe([self._settings.spans_topic], on_assign=self._assign, on_revoke=self._revoke, on_lost=self._lost)
        has_ended_well = False
        try:
            self._loop()
            self._drain()
            has_ended_well = True
        finally:
            # close() runs the callbacks. State may be half a chunk ahead, so nothing of it may be written, and nothing more is taken.
            self._failed = not has_ended_well
            self._is_closing = True
            self._consumer.close()

    def _loop(self) -> None:
        garbage = OldGarbage(time.monotonic())
        last = time.monotonic()
        while not self._stop_asked.is_set():
            self._round()
            while not self._calls.empty():
                self._calls.get()()
            self.progress = time.monotonic()
            interval_s = self._settings.checkpoint_interval_s
            if self._is_urgent() or self.progress >= last + interval_s:
                self._checkpoint(self.owned)
                last = time.monotonic()
            self._take()
            garbage.collect(self.progress)

    def _is_urgent(self) -> bool:
        """Return whether something waits to be said, and the last checkpoint, be it amid a round, is long enough ago."""
        least_s = max(_URGENT_INTERVAL_S, self._checkpoint_s / _URGENT_SHARE) if self._is_behind else _URGENT_INTERVAL_S
        interval_s = min(least_s, self._settings.checkpoint_interval_s)
        return time.monotonic() >= self._last_checkpoint + interval_s and self._handler.is_urgent

    def _say_what_is_urgent(self) -> None:
        """Make a checkpoint amid a round, or before partitions are taken, if something waits to be said."""
        if self._is_urgent():
            self._checkpoint(self.owned, is_amid=True)

    def _round(self) -> int:
        """Poll once and hand out what came; return the number of records.

        Where there is much of it, what one partition says does not wait for the work of all others.
        """
        messages = self._poll()
        if self._fatal is not None:
            raise KafkaException(self._fatal)
        found = polled(self._settings.spans_topic, messages, self._settings.input_format)
        for error in found.errors:
            self._error(error)
        for key in dict.fromkeys((*found.records, *found.ends)):
            self._say_what_is_urgent()
            self._hand_out(key, found.records.get(key), found.ends.get(key))
        return sum(map(len, found.records.values()))

    def _poll(self) -> list[Message]:
        """Take what is there at once if the last round took its time, else wait a little, so that records come many at a time."""
        count_max = self._settings.records_per_chunk_max
        wait_s = 0.0 if self._takeover.is_pressing else max(0.0, self._last_poll + self._settings.poll_timeout_s - time.monotonic())
        messages = self._consumer.consume(count_max, wait_s)
        self._last_poll = time.monotonic()
        self._is_behind = len(messages) >= count_max
        return messages

    def _hand_out(self, key: PartitionKey, records: ReadRecords | None, end: int | None) -> None:
        if key not in self.owned:
            return
        position = max(records.offsets[-1] + 1 if records else 0, end or 0)
        gap = self._reading.gap(key, records.offsets if records else (), position)
        if gap is not None:
            self._read_again(key, gap.offset)
            records, end, position = records and records[: gap.behind], None, gap.offset
        if records or gap is None:
            self._reading.note(key, position, end)
            self._handler.chunk(key, records or (), position)

    def _read_again(self, key: PartitionKey, offset: int) -> None:
        """Read on from an offset behind which nothing came: what is there comes now, and else it is a gap."""
        log.info("%s[%d] is read again from %d: offsets behind it did not come", *key, offset)
        self._metrics.add(GAPS_READ_AGAIN)
        self._consumer.seek(TopicPartition(*key, offset))

    def _drain(self) -> None:
        """Read to the end of the log and close all traces, where the settings say that the input ends with the worker."""
        if not self._settings.drains_on_stop:
            return
        until = time.monotonic() + _DRAIN_TIMEOUT_S
        while time.monotonic() < until:
            self._take()
            if not self._round() and not self._takeover.waiting and self._is_at_end():
                break
        self._handler.drain()
        self._checkpoint(self.owned)

    def _is_at_end(self) -> bool:
        bounds = self.log_bounds(sorted(self.owned))
        return all(key in bounds and progress.is_caught_up for key, progress in self.reading().items())

    def _checkpoint(self, keys: Iterable[PartitionKey], *, handing_over: bool = False, is_amid: bool = False) -> None:
        began = time.monotonic()
        done = self._handler.checkpoint(keys, handing_over=handing_over, is_amid=is_amid)
        self._last_checkpoint = time.monotonic()
        self._checkpoint_s = self._last_checkpoint - began
        if done.retake:
            log.warning("another worker has taken %s", _listed(done.retake))
            self._drop(done.retake, lost=True)
            self._takeover.add(done.retake)
        self._commit({key: offset for key, offset in done.commits.items() if self._last_commit.get(key) != offset}, sync=handing_over)

    def _commit(self, commits: Mapping[PartitionKey, int], *, sync: bool) -> bool:
        """Commit offsets; return whether the group took them, as far as is known."""
        if not commits:
            return True
        offsets = [TopicPartition(*key, offset) for key, offset in commits.items()]
        self._last_commit |= commits
        try:
            if sync:
                return self._committed(None, self._consumer.commit(offsets=offsets, asynchronous=False))
            self._consumer.commit(offsets=offsets, asynchronous=True)
        except KafkaException as error:
            # Fenced, unknown member, coordinator gone: the records are read again.
            return self._committed(error.args[0], offsets)
        return True

    def _take(self) -> None:
        """Go on for some _TAKE_S with taking the partitions that wait; what the others have to say, and their records, go first."""
        if not self._takeover.is_pressing:
            return
        self._say_what_is_urgent()
        if not self._takeover.has_begun and not self._begin_to_take():
            return
        starts = self._takeover.go_on(_TAKE_S)
        if starts is not None:
            self._read_on(starts)

    def _begin_to_take(self) -> bool:
        """Begin to take what waits, if the group has nothing against it.

        It is asked by a commit that changes nothing: whoever slept too long and has lost its partitions is refused, and must not take them
        from their new owner. It is asked again until it has an answer or takes them away.
        """
        keys = sorted(self._takeover.waiting)
        committed = self._last_commits([TopicPartition(*key) for key in keys])
        if not self._commit({key: offset for key, offset in committed.items() if offset is not None}, sync=True):
            self._takeover.refused()
            return False
        self._takeover.begin(keys, self._handler.taking(committed))
        return True

    def _read_on(self, starts: Mapping[PartitionKey, int | None]) -> None:
        """Own what was taken, and read it from where it is to start; only now, for those that are still to be taken would wait for it."""
        places = {key: TopicPartition(*key, OFFSET_BEGINNING if start is None else start) for key, start in starts.items()}
        for key in self._assigned & places.keys():
            # Not given back and assigned anew: amid a rebalance the client would think that it was told to give it up.
            self._consumer.seek(places.pop(key))
        if places:
            self._consumer.incremental_assign(list(places.values()))
        self._assigned |= places.keys()
        self.owned |= set(starts)
        self._reading.begin(starts)
        log.info("taken %s", _listed(starts))

    def _assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Let partitions wait to be taken: that takes the longer the more traces they have, and those that stay go on in between.

        The client is given none of them before it is known where to begin. Paused at the end of the log, it asked where that is, and an
        answer that came late sent it there from wherever it had been assigned meanwhile.
        """
        if self._is_closing:
            return
        self.has_joined = True
        consumer.incremental_assign([])
        self._takeover.add(_keys(partitions))
        self._wake()
        log.info("assigned %s", _listed(_keys(partitions)))

    def _last_commits(self, partitions: list[TopicPartition]) -> dict[PartitionKey, int | None]:
        answers = self._consumer.committed(partitions, timeout=_BROKER_TIMEOUT_S)
        for it in answers:
            if it.error is not None:
                raise KafkaException(it.error)
        return {PartitionKey(it.topic, it.partition): it.offset if it.offset >= 0 else None for it in answers}

    def _revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        if self._failed:
            self._lost(consumer, partitions)
            return
        try:
            self._checkpoint([key for key in _keys(partitions) if key in self.owned], handing_over=True)
        except Exception:
            log.exception("checkpoint on revoke failed: the next owner reads again from the last commit")
            self._release(consumer, partitions, lost=True)
            raise
        self._release(consumer, partitions, lost=False)

    def _lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._release(consumer, partitions, lost=True)

    def _release(self, consumer: Consumer, partitions: list[TopicPartition], *, lost: bool) -> None:
        keys = _keys(partitions)
        consumer.incremental_unassign([TopicPartition(*key) for key in keys if key in self._assigned])
        self._assigned -= set(keys)
        self._takeover.remove(keys)
        self._drop([key for key in keys if key in self.owned], lost=lost)
        self._wake()
        log.info("%s %s", "lost" if lost else "released", _listed(keys))

    def _drop(self, keys: Sequence[PartitionKey], *, lost: bool) -> None:
        self.owned -= set(keys)
        for key in keys:
            self._last_commit.pop(key, None)
        self._reading.stop(keys)
        if keys:
            self._handler.released(keys, lost=lost)

    def _wake(self) -> None:
        """Ask the leaders of the partitions that stay for an offset.

        librdkafka pauses every partition during a rebalance callback; its broker threads then sleep for up to a second although they were
        resumed, and any request wakes them.
        """
        kafka_offsets.ends(self._consumer, sorted(self.owned), _WAKE_TIMEOUT_S)

    def _committed(self, error: KafkaError | None, partitions: list[TopicPartition]) -> bool:
        refused = [it for it in partitions or () if error is not None or it.error is not None]
        for it in refused:
            self._metrics.add(COMMITS_REFUSED)
            self._warn(f"commit of {it.topic}[{it.partition}] refused: {error or it.error}")
            self._last_commit.pop(PartitionKey(it.topic, it.partition), None)
        return not refused

    def _error(self, error: KafkaError) -> None:
        self.refusal(error)
        # The error a fenced member gets has the code _FATAL, yet says that it is not fatal.
        if error.fatal() or error.code() == KafkaError._FATAL:  # noqa: SLF001 - the constant's name begins so
            self._fatal = error
        self._warn(f"librdkafka: {error}")

    def _warn(self, text: str) -> None:
        """Log a warning, the same one at most every ten seconds: a broker that is down gives four a second."""
        now = time.monotonic()
        if now - self._warned.get(text, -_BROKER_TIMEOUT_S) >= _BROKER_TIMEOUT_S:
            self._warned = {said: at for said, at in self._warned.items() if now - at < _BROKER_TIMEOUT_S} | {text: now}
            log.warning(text)


def _keys(partitions: Iterable[TopicPartition]) -> list[PartitionKey]:
    return [PartitionKey(it.topic, it.partition) for it in partitions]


def _listed(keys: Iterable[PartitionKey]) -> str:
    return ", ".join(f"{key.topic}[{key.partition}]" for key in sorted(keys)) or "no partition"
