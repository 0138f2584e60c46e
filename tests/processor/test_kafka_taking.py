"""Partitions that come are taken between the rounds of the consumer's thread, with a consumer that does what it is told."""

from __future__ import annotations

import time

import pytest
from confluent_kafka import TopicPartition

from processor.record import PartitionKey
from tests.processor.told_consumer import KEY, Message, Running


def test_what_partitions_that_stay_have_to_say_does_not_wait_for_others_to_be_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    running = Running(monkeypatch, checkpoint_interval_s=60).start()
    other = PartitionKey(KEY.topic, 1)

    def rebalance() -> None:
        running.handler.position = 1
        running.handler.is_urgent = True
        running.consumer.on_assign(running.consumer, [TopicPartition(*other)])

    time.sleep(0.15)
    running.consumer.polls.put(rebalance)
    running.until(lambda: ("assigned", {other: None}) in running.handler.calls)
    assert running.handler.calls.index(("commit", 1)) < running.handler.calls.index(("assigned", {other: None}))


def test_partitions_are_taken_one_after_the_other_and_those_that_are_there_go_on_in_between(monkeypatch: pytest.MonkeyPatch) -> None:
    running = Running(monkeypatch, checkpoint_interval_s=60).start()
    others = [PartitionKey(KEY.topic, number) for number in range(1, 4)]
    running.handler.seconds_per_taking = 0.1
    running.consumer.polls.put(lambda: running.consumer.on_assign(running.consumer, [TopicPartition(*key) for key in others]))
    for offset in range(4):
        running.consumer.polls.put([Message(offset)])
    running.until(lambda: running.group.owned == {KEY, *others} and running.handler.position == 4)
    names = running.handler.names()[2:]
    assert names[:6] == ["assigned", "start", "chunk", "assigned", "start", "chunk"]


def test_many_partitions_that_are_taken_soon_are_taken_together(monkeypatch: pytest.MonkeyPatch) -> None:
    running = Running(monkeypatch, checkpoint_interval_s=60).start()
    others = [PartitionKey(KEY.topic, number) for number in range(1, 100)]
    before = len(running.consumer.waits_s)
    running.consumer.polls.put(lambda: running.consumer.on_assign(running.consumer, [TopicPartition(*key) for key in others]))
    running.until(lambda: len(running.group.owned) == 100)
    assert len(running.consumer.waits_s) - before < 20
    # What takes its time again is taken one by one again.
    running.handler.seconds_per_taking = 0.1
    more = [PartitionKey(KEY.topic, number) for number in range(100, 300)]
    running.handler.calls.clear()
    running.consumer.polls.put(lambda: running.consumer.on_assign(running.consumer, [TopicPartition(*key) for key in more]))
    running.until(lambda: running.handler.names().count("assigned") == 4)
    taken = [len(call[1]) for call in running.handler.calls if isinstance(call, tuple) and call[0] == "assigned"]
    assert taken == [1, 1, 1, 1]


def test_a_partition_that_goes_before_it_was_taken_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    running = Running(monkeypatch, checkpoint_interval_s=60).start()
    first, second = (PartitionKey(KEY.topic, number) for number in (1, 2))
    running.handler.seconds_per_taking = 0.1
    partitions = [TopicPartition(*key) for key in (first, second)]
    running.consumer.polls.put(lambda: running.consumer.on_assign(running.consumer, partitions))
    running.consumer.polls.put(lambda: running.consumer.on_revoke(running.consumer, partitions[1:]))
    running.until(lambda: running.consumer.polls.empty() and running.group.owned == {KEY, first})
    running.until(lambda: not running.group.waiting)
    assert ("assigned", {second: None}) not in running.handler.calls
    assert all(call != ("released", [second], False) for call in running.handler.calls)
    assert running.consumer.assigned.keys() == {KEY.partition, first.partition}


def test_a_worker_that_drains_on_stop_takes_what_waits_for_it_first(monkeypatch: pytest.MonkeyPatch) -> None:
    running = Running(monkeypatch, drains_on_stop=True, checkpoint_interval_s=60).start()
    other = PartitionKey(KEY.topic, 1)
    running.handler.seconds_per_taking = 0.1

    def rebalance() -> None:
        running.consumer.on_assign(running.consumer, [TopicPartition(*other)])
        running.group.stop()

    running.consumer.polls.put(rebalance)
    running.consumer.polls.put([Message(9), Message(9, partition=1)])
    assert running.ended.get(timeout=10) is None
    assert ("chunk", other, [9], 10) in running.handler.calls
