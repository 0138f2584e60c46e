"""What stands on topics, from the first record to the last, and what a consumer group has committed."""

from __future__ import annotations

import struct
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

if TYPE_CHECKING:
    from collections.abc import Sequence

    from confluent_kafka import Message

OFFSETS_TOPIC = "__consumer_offsets"
_NS_PER_MS = 1_000_000
_READ_AT_ONCE = 2_000
_TIMEOUT_S = 60.0


class Found(NamedTuple):
    """A record where it stands."""

    partition: int
    offset: int
    timestamp_ns: int
    key: bytes | None
    value: bytes
    headers: Sequence[tuple[str, bytes]] = ()


class Committed(NamedTuple):
    """An offset that a group committed, and when the broker took note of it."""

    topic: str
    partition: int
    offset: int
    timestamp_ns: int


@dataclass
class Follower:
    """Reads a topic from its first record on, and goes on where it was."""

    servers: str
    topic: str
    found: dict[int, list[Found]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": self.servers,
                "group.id": "reader",
                "enable.auto.commit": False,
                "log_level": 0,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": 20,
            }
        )
        self._partitions = sorted(self._consumer.list_topics(self.topic, timeout=_TIMEOUT_S).topics[self.topic].partitions)
        self._next = dict.fromkeys(self._partitions, OFFSET_BEGINNING)
        self._consumer.assign([TopicPartition(self.topic, *at) for at in self._next.items()])

    def read_on(self) -> None:
        """Read what is there by now, to the end of each partition."""
        until = time.monotonic() + _TIMEOUT_S
        ends = {partition: self._end(partition, until) for partition in self._partitions}
        while any(self._next[partition] < end for partition, end in ends.items()):
            assert time.monotonic() < until, f"{self.topic} cannot be read: {self._next} of {ends}"
            for message in self._consumer.consume(_READ_AT_ONCE, 0.2):
                self._take(message)

    def close(self) -> None:
        """Let go of the broker."""
        self._consumer.close()

    def _end(self, partition: int, until: float) -> int:
        """Return where a partition ends, which no broker knows while its leader is new."""
        while True:
            try:
                return int(self._consumer.get_watermark_offsets(TopicPartition(self.topic, partition), timeout=_TIMEOUT_S)[1])
            except KafkaException:
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)

    def _take(self, message: Message) -> None:
        error, partition, offset = message.error(), message.partition(), message.offset()
        assert partition is not None
        assert offset is not None
        if error is None:
            at_ns = message.timestamp()[1] * _NS_PER_MS
            headers: Any = message.headers() or []
            self.found[partition].append(Found(partition, offset, at_ns, message.key(), message.value() or b"", headers))
            self._next[partition] = offset + 1
        elif error.code() == KafkaError._PARTITION_EOF:
            # What is gone, or was never a record, is behind as well.
            self._next[partition] = max(self._next[partition], offset)
        else:
            raise KafkaException(error)


def read_topic(servers: str, topic: str) -> list[Found]:
    """Return all records of a topic, partition by partition."""
    follower = Follower(servers, topic)
    try:
        follower.read_on()
    finally:
        follower.close()
    return [record for _, records in sorted(follower.found.items()) for record in records]


def read_commits(servers: str, group: str, topics: Sequence[str]) -> list[Committed]:
    """Return every offset that a group ever committed of these topics, in the order of the broker's log."""
    commits = []
    for record in read_topic(servers, OFFSETS_TOPIC):
        key = None if record.key is None else _commit_key(record.key)
        # A value begins with its version and, in every version so far, the offset; one without is what remains of a group that is gone.
        if key is not None and record.value and key[0] == group and key[1] in topics:
            _, offset = struct.unpack_from(">hq", record.value)
            commits.append(Committed(key[1], key[2], offset, record.timestamp_ns))
    return commits


def _commit_key(key: bytes) -> tuple[str, str, int] | None:
    """Read group, topic and partition out of a key of the broker's topic; None where it speaks of something else than an offset."""
    (version,) = struct.unpack_from(">h", key)
    if version not in {0, 1}:
        return None
    at, words = 2, []
    for _ in range(2):
        (size,) = struct.unpack_from(">h", key, at)
        words.append(key[at + 2 : at + 2 + size].decode())
        at += 2 + size
    return words[0], words[1], struct.unpack_from(">i", key, at)[0]
