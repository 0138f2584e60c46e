"""The consumer's thread, with a consumer that does what it is told: what a real broker seldom does when a test wants it."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Iterator
from itertools import pairwise

import pytest
from confluent_kafka import OFFSET_BEGINNING, KafkaError, KafkaException, TopicPartition

from processor import metrics
from processor.group_handler import Bounds
from processor.record import PartitionKey
from tests.processor.told_consumer import KEY, PARTITION, Running, message


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    made = Running(monkeypatch)
    yield made
    made.group.stop()
    if made.group.is_alive():
        made.group.join(10)


def test_a_partition_starts_where_the_handler_says_who_knows_what_was_committed(running: Running) -> None:
    running.stored = 7
    running.handler.start = 5
    running.start()
    assert running.handler.calls[:3] == [("commit", 7), ("assigned", {KEY: 7}), ("start", 5)]


def test_a_partition_of_which_the_handler_says_nothing_starts_where_its_log_does(running: Running) -> None:
    running.start()
    assert running.handler.calls[:2] == [("assigned", {KEY: None}), ("start", OFFSET_BEGINNING)]


def test_records_come_in_chunks_and_an_end_of_partition_moves_the_position(running: Running) -> None:
    running.start()
    running.consumer.polls.put([message(0), message(1)])
    running.consumer.polls.put([message(5, KafkaError(KafkaError._PARTITION_EOF))])
    running.until(lambda: running.handler.position == 5)
    chunks = [call for call in running.handler.calls if isinstance(call, tuple) and call[0] == "chunk"]
    assert chunks == [("chunk", KEY, [0, 1], 2), ("chunk", KEY, [], 5)]
    assert [record.timestamp_ns for record in running.handler.records] == [1_000_000_000, 1_001_000_000]


def test_a_stop_hands_over_commits_and_then_releases_what_was_owned(monkeypatch: pytest.MonkeyPatch) -> None:
    running = Running(monkeypatch, checkpoint_interval_s=60).start()
    running.consumer.polls.put([message(0)])
    running.until(lambda: running.handler.position == 1)
    assert running.stop() is None
    assert running.handler.calls[-3:] == [("hand over", [KEY]), ("commit", 1), ("released", [KEY], False)]
    assert running.consumer.commits == [(1, False)]


def test_a_hand_over_that_fails_commits_nothing_and_ends_the_thread_with_its_error(running: Running) -> None:
    running.start()
    running.handler.breaks_on_hand_over = True
    running.until(lambda: bool(running.consumer.commits))
    before = len(running.consumer.commits)
    reason = running.stop()
    assert str(reason) == "the journal does not answer"
    assert running.handler.calls[-1] == ("released", [KEY], True)
    assert len(running.consumer.commits) == before


def test_an_unchanged_commit_is_not_sent_again(running: Running) -> None:
    running.start()
    running.consumer.polls.put([message(0)])
    running.until(lambda: (1, True) in running.consumer.commits)
    time.sleep(0.2)
    assert running.consumer.commits.count((1, True)) == 1


@pytest.mark.timed
def test_checkpoints_come_at_their_interval_and_soon_after_the_last_when_it_is_urgent(monkeypatch: pytest.MonkeyPatch) -> None:
    running = Running(monkeypatch, checkpoint_interval_s=0.8, poll_timeout_s=0.01).start()
    running.until(lambda: len(running.handler.checkpoints) == 2)
    first, second = running.handler.checkpoints
    assert second - first >= 0.8
    running.handler.is_urgent = True
    running.until(lambda: len(running.handler.checkpoints) == 4)
    third, fourth = running.handler.checkpoints[2:4]
    assert third - second < 0.5
    assert 0.1 <= fourth - third < 0.5


@pytest.mark.timed
@pytest.mark.parametrize(("count_max", "least_s"), [(1, 0.4), (2, 0.18)])
def test_what_is_urgent_does_not_take_all_the_time_of_a_worker_that_is_behind(
    count_max: int, least_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = Running(monkeypatch, checkpoint_interval_s=60, poll_timeout_s=0.01, records_per_chunk_max=count_max)
    running.handler.seconds_per_checkpoint, running.handler.seconds_per_chunk = 0.08, 0.005
    running.handler.is_urgent = True
    running.start()
    # A poll that gives all that was asked for says that there may be more.
    for offset in range(1_000):
        running.consumer.polls.put([message(offset)])
    # Until they came it was not behind.
    running.handler.checkpoints.clear()
    running.until(lambda: len(running.handler.checkpoints) == 4)
    _, second, third, fourth = running.handler.checkpoints
    for between in (third - second, fourth - third):
        assert least_s <= between < least_s + 0.2


@pytest.mark.timed
def test_a_poll_waits_only_if_the_last_round_was_short(monkeypatch: pytest.MonkeyPatch) -> None:
    running = Running(monkeypatch, checkpoint_interval_s=60, poll_timeout_s=0.2).start()
    running.until(lambda: len(running.consumer.waits_s) > 2)
    assert 0.1 < running.consumer.waits_s[-1] <= 0.2
    running.handler.seconds_per_chunk = 0.3
    before = len(running.consumer.waits_s)
    running.consumer.polls.put([message(0)])
    running.until(lambda: len(running.consumer.waits_s) > before + 5)
    assert 0.0 in running.consumer.waits_s[before:]
    assert 0.1 < running.consumer.waits_s[-1] <= 0.2


def test_what_one_partition_has_to_say_does_not_wait_for_the_work_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    running = Running(monkeypatch, checkpoint_interval_s=60).start()
    other = PartitionKey(KEY.topic, 1)
    running.group.owned.add(other)
    running.handler.is_urgent = True
    running.handler.seconds_per_chunk = 0.15
    running.consumer.polls.put([message(0), message(0, partition=1)])
    running.until(lambda: running.handler.names().count("chunk") == 2 and ("commit", 1) in running.handler.calls)
    calls = running.handler.calls
    first, second = (calls.index(("chunk", key, [0], 1)) for key in (KEY, other))
    assert first < calls.index(("commit", 1)) < second
    assert True in running.handler.amid


def test_what_was_said_amid_a_round_is_not_said_again_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    running = Running(monkeypatch, checkpoint_interval_s=60).start()
    running.group.owned |= {PartitionKey(KEY.topic, 1), PartitionKey(KEY.topic, 2)}
    running.handler.is_urgent = True
    running.handler.seconds_per_chunk = 0.03
    for offset in range(20):
        running.consumer.polls.put([message(offset, partition=partition) for partition in range(3)])
    running.until(lambda: running.handler.names().count("chunk") == 60)
    said = list(running.handler.checkpoints)
    assert True in running.handler.amid
    assert all(later - earlier >= 0.1 for earlier, later in pairwise(said))


def test_what_partitions_that_stay_have_to_say_does_not_wait_for_others_to_be_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    running = Running(monkeypatch, checkpoint_interval_s=60).start()
    other = PartitionKey(KEY.topic, 1)

    def rebalance() -> None:
        running.handler.position = 1
        running.handler.is_urgent = True
        running.consumer.give([TopicPartition(*other)])

    time.sleep(0.15)
    running.consumer.polls.put(rebalance)
    running.until(lambda: ("assigned", {other: None}) in running.handler.calls)
    assert running.handler.calls.index(("commit", 1)) < running.handler.calls.index(("assigned", {other: None}))


def test_what_another_worker_takes_amid_a_round_is_read_no_further_and_taken_anew_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    running = Running(monkeypatch, checkpoint_interval_s=60).start()
    running.group.owned.add(PartitionKey(KEY.topic, 1))
    running.handler.calls.clear()
    running.handler.seconds_per_chunk = 0.3
    running.consumer.polls.put([message(0, partition=1), message(0)])
    running.until(lambda: "chunk" in running.handler.names())
    running.handler.retake = [KEY]
    running.handler.is_urgent = True
    running.until(lambda: "assigned" in running.handler.names())
    assert running.handler.names()[:3] == ["chunk", "released", "assigned"]


def test_what_another_worker_has_taken_is_dropped_and_taken_anew_at_the_new_start(running: Running) -> None:
    running.stored = 7
    running.start()
    running.handler.calls.clear()
    running.handler.start = 4
    running.handler.retake = [KEY]
    running.until(lambda: ("start", 4) in running.handler.calls)
    # The commit is the one that is there: it asks the group whether the partition is still ours.
    assert [call for call in running.handler.calls if call != ("commit", 0)][:4] == [
        ("released", [KEY], True),
        ("commit", 7),
        ("assigned", {KEY: 7}),
        ("start", 4),
    ]
    running.until(lambda: KEY in running.group.owned)
    running.consumer.polls.put([message(4)])
    running.until(lambda: running.handler.position == 5)
    running.until(lambda: (5, True) in running.consumer.commits)


def test_a_partition_is_not_taken_anew_while_the_group_refuses_our_word(running: Running) -> None:
    running.stored = 7
    running.start()
    running.consumer.refuses_commits = True
    running.handler.retake = [KEY]
    running.until(lambda: ("released", [KEY], True) in running.handler.calls)
    running.consumer.polls.put([message(8)])
    time.sleep(0.2)
    assert running.handler.names().count("assigned") == 1
    assert running.handler.records == []
    running.consumer.refuses_commits = False
    running.until(lambda: running.handler.names().count("assigned") == 2)


@pytest.mark.parametrize("event", ["on_lost", "on_revoke"])
def test_a_partition_that_is_taken_away_meanwhile_is_not_taken_anew(running: Running, event: str) -> None:
    running.stored = 7
    running.start()
    running.consumer.refuses_commits = True
    running.handler.retake = [KEY]
    running.until(lambda: ("released", [KEY], True) in running.handler.calls)
    running.consumer.polls.put(lambda: getattr(running.consumer, event)(running.consumer, [PARTITION]))
    running.until(lambda: not running.consumer.assigned)
    running.consumer.refuses_commits = False
    time.sleep(0.2)
    assert running.handler.names().count("assigned") == 1
    assert running.handler.names().count("released") == 1
    assert running.stop() is None


def test_what_is_found_to_be_taken_in_a_hand_over_is_dropped_for_good(running: Running) -> None:
    running.stored = 7
    running.start()

    def revoke() -> None:
        running.handler.retake = [KEY]
        running.consumer.on_revoke(running.consumer, [PARTITION])

    running.consumer.polls.put(revoke)
    running.until(lambda: not running.consumer.assigned)
    time.sleep(0.2)
    assert [name for name in running.handler.names() if name != "chunk"] == ["assigned", "start", "hand over", "released"]
    assert running.handler.calls[-1] == ("released", [KEY], True)


def test_a_handler_that_fails_is_treated_as_lost_and_nothing_of_it_is_committed(running: Running) -> None:
    running.start()
    running.handler.breaks = True
    running.consumer.polls.put([message(0)])
    reason = running.ended.get(timeout=10)
    assert isinstance(reason, RuntimeError)
    assert running.handler.calls[-1] == ("released", [KEY], True)
    assert all(offset == 0 for offset, _asynchronous in running.consumer.commits)


def test_the_fatal_error_that_says_it_is_not_fatal_ends_the_thread(running: Running) -> None:
    running.start()
    error = KafkaError(KafkaError._FATAL)
    assert not error.fatal()
    running.consumer.polls.put(lambda: running.consumer.properties["error_cb"](error))
    assert isinstance(running.ended.get(timeout=10), KafkaException)


def test_a_client_that_raises_what_is_no_exception_ends_the_thread_all_the_same(running: Running) -> None:
    raised = ctypes.pythonapi.PyErr_SetObject
    raised.argtypes, raised.restype = [ctypes.py_object, ctypes.py_object], None
    error = KafkaError(KafkaError._TIMED_OUT)
    assert not isinstance(error, BaseException)
    running.start().consumer.on_close = lambda: raised(KafkaError, error)
    running.group.stop()
    reason = running.ended.get(timeout=10)
    assert isinstance(reason, KafkaException)
    assert reason.args[0].code() == KafkaError._TIMED_OUT


def test_partitions_that_come_while_the_client_closes_are_not_taken(running: Running) -> None:
    running.start()
    running.until(lambda: running.group.has_joined)
    consumer = running.consumer
    consumer.on_close = lambda: consumer.give([TopicPartition(KEY.topic, KEY.partition + 1)])
    assert running.stop() is None
    assert consumer.assigned == set()


def test_other_errors_of_the_client_are_warned_of_once_and_survived(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    running.start()
    error = KafkaError(KafkaError._ALL_BROKERS_DOWN)
    for _ in range(5):
        running.consumer.polls.put(lambda: running.consumer.properties["error_cb"](error))
    running.consumer.polls.put([message(0)])
    running.until(lambda: running.handler.position == 1)
    assert caplog.text.count("_ALL_BROKERS_DOWN") <= 1
    assert running.stop() is None


def test_a_refused_commit_is_counted_and_tried_again(running: Running) -> None:
    running.start()
    running.consumer.refuses_commits = True
    running.consumer.polls.put([message(0)])
    running.until(lambda: running.tally.count(metrics.COMMITS_REFUSED) > 1)
    running.consumer.refuses_commits = False
    running.until(lambda: bool(running.consumer.commits))


def test_lost_partitions_are_released_without_a_checkpoint(running: Running) -> None:
    running.start()
    running.consumer.polls.put(lambda: running.consumer.on_lost(running.consumer, [PARTITION]))
    running.until(lambda: ("released", [KEY], True) in running.handler.calls)
    assert running.group.owned == set()


def test_records_of_a_partition_that_is_not_owned_are_left_alone(running: Running) -> None:
    running.start()
    running.consumer.polls.put(lambda: running.consumer.on_lost(running.consumer, [PARTITION]))
    running.consumer.polls.put([message(0)])
    running.until(running.consumer.polls.empty)
    running.stop()
    assert running.handler.records == []


def test_a_submitted_call_runs_in_the_thread_and_gives_its_answer_or_its_error(running: Running) -> None:
    running.start()
    assert running.group.submit(lambda: running.group.log_bounds([KEY])).result(10) == {KEY: Bounds(3, 10)}
    with pytest.raises(ZeroDivisionError):
        running.group.submit(lambda: 1 // 0).result(10)


def test_where_a_log_begins_is_taken_from_the_last_fetch_where_there_was_one(running: Running) -> None:
    running.start()
    running.consumer.fetched_first = 6
    assert running.group.submit(lambda: running.group.log_bounds([KEY])).result(10) == {KEY: Bounds(6, 10)}
    # Of a partition that is not read there was none, whatever an earlier one left behind.
    other = PartitionKey(KEY.topic, 1)
    assert running.group.submit(lambda: running.group.log_bounds([KEY, other])).result(10) == {KEY: Bounds(6, 10), other: Bounds(3, 10)}


def test_where_a_log_begins_and_ends_is_asked_again_while_a_partition_has_no_leader(running: Running) -> None:
    running.start()
    running.consumer.leaderless = 2
    assert running.group.submit(lambda: running.group.log_bounds([KEY])).result(10) == {KEY: Bounds(3, 10)}
    running.consumer.leaderless = 1_000
    assert running.group.submit(lambda: running.group.log_bounds([KEY])).result(10) == {}


def test_progress_is_a_position_that_moves_or_has_reached_the_end(running: Running) -> None:
    running.start()
    begun = running.group.reading()[KEY]
    assert (begun.position, begun.end, begun.is_caught_up) == (None, None, False)
    running.consumer.polls.put([message(0), message(5, KafkaError(KafkaError._PARTITION_EOF))])
    running.until(lambda: running.handler.position == 5)
    caught_up = running.group.reading()[KEY]
    assert (caught_up.position, caught_up.end, caught_up.is_caught_up) == (5, 5, True)
    assert caught_up.moved > begun.moved
    running.group.submit(lambda: running.group.log_bounds([KEY])).result(10)
    behind = running.group.reading()[KEY]
    assert (behind.position, behind.end, behind.is_caught_up, behind.moved) == (5, 10, False, caught_up.moved)
    running.consumer.polls.put(lambda: running.consumer.on_lost(running.consumer, [PARTITION]))
    running.until(lambda: running.group.reading() == {})


def test_a_worker_that_drains_on_stop_reads_to_the_end_closes_its_traces_and_makes_that_durable(monkeypatch: pytest.MonkeyPatch) -> None:
    running = Running(monkeypatch, drains_on_stop=True, checkpoint_interval_s=60).start()
    running.group.stop()
    running.consumer.polls.put([message(9)])
    assert running.ended.get(timeout=10) is None
    assert running.handler.names() == ["assigned", "start", "chunk", "drain", "hand over", "released"]
    assert len(running.handler.checkpoints) == 2
    assert running.consumer.commits == [(10, True)]
