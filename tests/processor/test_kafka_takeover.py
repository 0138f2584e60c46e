"""How the group's thread takes partitions: in steps, and those that stay go on in between."""

from __future__ import annotations

import time
from itertools import groupby

import pytest
from confluent_kafka import TopicPartition

from processor.record import PartitionKey
from tests.processor.told_consumer import KEY, Running, message


def test_partitions_are_taken_in_steps_and_those_that_stay_go_on_in_between(monkeypatch: pytest.MonkeyPatch) -> None:
    running = Running(monkeypatch, checkpoint_interval_s=60).start()
    running.handler.calls.clear()
    running.handler.steps, running.handler.seconds_per_step = 20, 0.03
    new = [TopicPartition(KEY.topic, number) for number in (1, 2)]
    running.consumer.polls.put(lambda: running.consumer.give(new))
    for number in range(20):
        running.consumer.polls.put([message(number)])
    running.until(lambda: len(running.group.owned) == 3)
    names = running.handler.names()
    assert names.count("assigned") == 1
    # 0.6 s of work, some 0.1 s of it at a time.
    runs = [len(list(some)) for name, some in groupby(names) if name == "step"]
    assert sum(runs) == 20
    assert max(runs) <= 6
    assert names.count("start") == 2
    assert names.index("start") > max(at for at, name in enumerate(names) if name == "step")
    assert running.consumer.assigned == {0, 1, 2}


@pytest.mark.parametrize("event", ["on_lost", "on_revoke"])
def test_a_partition_that_goes_amid_the_steps_is_given_up_and_the_others_begin_anew(monkeypatch: pytest.MonkeyPatch, event: str) -> None:
    running = Running(monkeypatch).start()
    running.handler.steps, running.handler.seconds_per_step = 30, 0.03
    new = [TopicPartition(KEY.topic, number) for number in (1, 2)]
    running.consumer.polls.put(lambda: running.consumer.give(new))
    running.until(lambda: "step" in running.handler.names())
    running.handler.steps = 1
    running.consumer.polls.put(lambda: getattr(running.consumer, event)(running.consumer, new[:1]))
    running.until(lambda: len(running.group.owned) == 2)
    calls = [call for call in running.handler.calls if call != ("step",)]
    stays, other = PartitionKey(KEY.topic, 2), PartitionKey(KEY.topic, 1)
    given_up = calls.index(("given up",))
    assert calls.index(("assigned", {other: None, stays: None})) < given_up < calls.index(("assigned", {stays: None}))
    assert running.group.owned == {KEY, stays}
    assert ("released", [other], event == "on_lost") not in calls


def test_partitions_that_wait_are_not_read_and_the_worker_says_which_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    running = Running(monkeypatch, checkpoint_interval_s=60).start()
    running.stored = running.consumer.stored = 7
    running.consumer.refuses_commits = True
    other = PartitionKey(KEY.topic, 1)
    running.consumer.polls.put(lambda: running.consumer.give([TopicPartition(*other)]))
    running.until(lambda: running.group.waiting == [other])
    assert running.consumer.assigned == {0}
    assert other not in running.group.owned
    running.consumer.polls.put(lambda: running.consumer.on_revoke(running.consumer, [TopicPartition(*other)]))
    running.until(lambda: running.group.waiting == [])
    running.consumer.refuses_commits = False
    time.sleep(0.2)
    assert ("released", [other], False) not in running.handler.calls
    assert running.handler.names().count("assigned") == 1
