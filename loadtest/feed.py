"""The Collector's part: puts repeated rounds of records on a topic, at once or at their times, from a process of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context
from typing import Final, NamedTuple, TypeVar

from confluent_kafka import Producer

from loadtest.loops import NS, Due, Loop, repeated, trace_id

_NS_PER_MS: Final = 1_000_000
_BATCH: Final = 1_000
_QUEUED_MAX: Final = 50_000
_TURN_S: Final = 0.002
_FLUSH_S: Final = 120.0
_LOOK_S: Final = 1.0

Seen = TypeVar("Seen")


class FeedError(Exception):
    """Not all records came to stand on the topic."""


@dataclass(frozen=True, slots=True)
class Order:
    """What to put where.

    `began_ns` None: each record at its time, stamped with the time of now. Else all at once, stamped as if the first had come then.
    `first_copy` is the number of the first repetition, so that several orders make different ids.
    """

    servers: str
    topic: str
    partition_count: int
    loop: Loop
    copy_count: int
    step_ns: int
    began_ns: int | None = None
    first_copy: int = 0


def steady(servers: str, topic: str, partition_count: int, loop: Loop, per_s: float, seconds: float) -> Order:
    """Return the order to put so many records a second of a round, over and over, for about so long: whole rounds, at least one."""
    gap_ns = round(NS / per_s)
    step_ns = gap_ns * len(loop.pieces)
    copy_count = max(1, round(seconds * NS / step_ns))
    return Order(servers, topic, partition_count, loop.paced(gap_ns), copy_count, step_ns)


class Fed(NamedTuple):
    """How it went: what was written, in how many seconds, and how late the latest record was."""

    record_count: int
    span_count: int
    seconds: float
    late_s_max: float


@contextmanager
def feeding(order: Order) -> Iterator[Future[Fed]]:
    """Carry out an order in a process of its own; at the end the process is killed if it is still at it."""
    pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
    try:
        yield pool.submit(feed, order)
    finally:
        for process in list((pool._processes or {}).values()):  # noqa: SLF001 - the pool kills nobody before Python 3.14
            process.kill()
        pool.shutdown()


def watched(feed: Future[Fed], look: Callable[[float], Seen]) -> list[Seen]:
    """Look every second, given the seconds since the begin, until the order is carried out: behind it nothing more comes to be read."""
    found: list[Seen] = []
    began = time.monotonic()
    while not wait([feed], _LOOK_S).done:
        found.append(look(time.monotonic() - began))
    return found


def feed(order: Order) -> Fed:
    """Carry out an order; raises FeedError."""
    return _Feed(order).run()


class _Feed:
    def __init__(self, order: Order) -> None:
        self._order = order
        self._ids: dict[tuple[int, int], bytes] = {}
        self._begun_ns = time.time_ns() if order.began_ns is None else order.began_ns
        self._late_ns_max = 0
        self._errors: list[str] = []
        self._producer = Producer(
            {
                "bootstrap.servers": order.servers,
                "acks": "1",
                "linger.ms": 2 if order.began_ns is None else 20,
                "batch.num.messages": 100_000,
                "queue.buffering.max.messages": 4 * _QUEUED_MAX,
                "queue.buffering.max.kbytes": 1_048_576,
                "error_cb": lambda error: self._errors.append(str(error)),
            }
        )

    def run(self) -> Fed:
        order = self._order
        due = repeated(order.loop.pieces, order.copy_count, order.step_ns)
        began = time.monotonic()
        record_count = span_count = 0
        for batch in self._live(due) if order.began_ns is None else self._at_once(due):
            self._put(batch)
            record_count += len(batch)
            span_count += sum(order.loop.pieces[one.number].span_count for one in batch)
        if left := self._producer.flush(_FLUSH_S):
            raise FeedError(f"{left} records were not taken by the broker: {self._errors[-1:]}")
        return Fed(record_count, span_count, time.monotonic() - began, self._late_ns_max / NS)

    def _at_once(self, due: Iterator[Due]) -> Iterator[list[Due]]:
        while batch := list(islice(due, _BATCH)):
            yield batch

    def _live(self, due: Iterator[Due]) -> Iterator[list[Due]]:
        """Yield what is due, a few milliseconds' worth at a time."""
        batch: list[Due] = []
        for one in due:
            while (left_ns := self._begun_ns + one.offset_ns - time.time_ns()) > 0:
                if batch:
                    yield batch
                    batch = []
                time.sleep(max(_TURN_S, left_ns / NS) if left_ns > _TURN_S * NS else _TURN_S)
            self._late_ns_max = max(self._late_ns_max, -left_ns)
            batch.append(one)
            if len(batch) >= _BATCH:
                yield batch
                batch = []
        yield batch

    def _put(self, batch: list[Due]) -> None:
        order = self._order
        # A broker that does not keep up makes records late; they are not given up.
        while len(self._producer) > _QUEUED_MAX:
            self._producer.poll(0.005)
        now_ns = time.time_ns()
        for offset_ns, copy, number in batch:
            piece = order.loop.pieces[number]
            stamp_ns = now_ns if order.began_ns is None else order.began_ns + offset_ns
            fresh = self._id(copy + order.first_copy, piece.trace, stamp_ns, is_last=piece.is_last)
            # By its place in the round: every partition has its share of traces at every moment.
            partition = (copy + piece.trace) % order.partition_count
            value = piece.value.replace(order.loop.ids[piece.trace], fresh)
            self._producer.produce(order.topic, value, fresh.hex(), partition, timestamp=stamp_ns // _NS_PER_MS)
        self._producer.poll(0)

    def _id(self, copy: int, trace: int, stamp_ns: int, *, is_last: bool) -> bytes:
        """Return the id of a trace, made of the time of its first record and kept until its last."""
        if is_last and not self._ids:
            return trace_id(stamp_ns, copy, trace)
        found = self._ids.pop((copy, trace), None) or trace_id(stamp_ns, copy, trace)
        if not is_last:
            self._ids[copy, trace] = found
        return found
