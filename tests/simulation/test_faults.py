"""What goes wrong goes wrong where and how it was said, and nowhere else."""

from __future__ import annotations

import threading

import pytest

from processor.journal import JournalError
from processor.record import PartitionKey
from processor.store import Delta, Label, StoreUnavailableError, Written
from tests.simulation.broker import Broker
from tests.simulation.faults import Answer, Died, Fault, Points, Standing
from tests.simulation.stores import FailingStore, StoreOf
from tests.simulation.worker import JournalOf, NoAnswerError, PublisherOf
from topics.dead_letter import DeadLetter
from topics.journal import Fence, encode

KEY, OTHER = PartitionKey("otlp_spans", 0), PartitionKey("otlp_spans", 1)
FENCE = encode(Fence(worker="one"))
RECORD = b'{"counts":[]}'
LETTER = DeadLetter("malformed", "otlp_spans", 0, 7, None, b"")


def armed(point: str, answer: Answer, nth: int = 0) -> Points:
    points = Points()
    points.arm(Fault(point, nth, answer))
    return points


def delta(offset: int, base: Label | None = None, state: bytes = b"s") -> Delta:
    return Delta(base, Label(offset, str(offset)), b"", {-1: {b"id": state}}, {}, frozenset())


def test_a_fault_meets_the_point_and_the_time_it_was_meant_for() -> None:
    points = armed("here", Answer.LOST, nth=1)
    assert [points.at(name) for name in ("there", "here", "here", "here")] == [None, None, Answer.LOST, None]
    with pytest.raises(Died):
        armed("here", Answer.CRASH).at("here")


def test_a_paused_call_stands_until_it_is_gone_on_with() -> None:
    seen: list[str] = []
    points = Points()

    def call() -> None:
        seen.append("before")
        points.at("here")
        seen.append("after")

    standing = Standing(call)
    points.arm(Fault("here", 0, Answer.PAUSE), standing)
    assert not standing.go_on()
    assert seen == ["before"]
    assert standing.go_on()
    assert seen == ["before", "after"]


def test_a_call_that_is_killed_while_it_stands_dies_there_and_leaves_no_thread() -> None:
    points, seen = Points(), list[str]()
    before = threading.active_count()

    def call() -> None:
        points.at("here")
        seen.append("after")

    standing = Standing(call)
    points.arm(Fault("here", 0, Answer.PAUSE), standing)
    standing.go_on()
    standing.kill()
    assert isinstance(standing.error, Died)
    assert not seen
    assert threading.active_count() == before


@pytest.mark.parametrize(
    ("point", "answer", "error", "count"),
    [
        ("append.before", Answer.CRASH, Died, 0),
        ("append.after", Answer.CRASH, Died, 1),
        ("append.before", Answer.REFUSED, JournalError, 0),
        ("append.before", Answer.LOST, JournalError, 2),
        ("fence.before", Answer.CRASH, None, 2),
    ],
)
def test_an_append_is_there_or_not_as_the_fault_says(point: str, answer: Answer, error: type[BaseException] | None, count: int) -> None:
    broker = Broker(2, tells_append_time=True)
    journal = JournalOf(broker, armed(point, answer))
    entries = [(KEY, RECORD), (OTHER, RECORD)]
    if error is None:
        assert [ack.offset for ack in journal.append(entries)] == [0, 0]
    else:
        with pytest.raises(error):
            journal.append(entries)
    assert sum(map(len, broker.journal.logs.values())) == count


def test_a_fence_has_points_of_its_own() -> None:
    broker = Broker(1, tells_append_time=True)
    with pytest.raises(JournalError):
        JournalOf(broker, armed("fence.before", Answer.LOST)).append([(KEY, FENCE)])
    assert broker.journal.logs[KEY] == [FENCE]


def test_an_eager_publisher_delivers_at_once_another_with_the_flush() -> None:
    broker = Broker(1, tells_append_time=True)
    PublisherOf(broker, Points(), is_eager=True).dead_letter(LETTER)
    assert len(broker.letters) == 1
    publisher = PublisherOf(broker, Points(), is_eager=False)
    publisher.dead_letter(LETTER)
    assert len(broker.letters) == 1
    publisher.flush()
    assert len(broker.letters) == 2


@pytest.mark.parametrize(("answer", "count"), [(Answer.REFUSED, 0), (Answer.LOST, 2)])
def test_a_flush_without_an_answer_raises_be_it_delivered_or_not(answer: Answer, count: int) -> None:
    broker = Broker(1, tells_append_time=True)
    publisher = PublisherOf(broker, armed("flush.before", answer), is_eager=False)
    publisher.dead_letter(LETTER)
    publisher.dead_letter(LETTER)
    with pytest.raises(NoAnswerError):
        publisher.flush()
    assert len(broker.letters) == count


def test_a_worker_that_dies_while_it_delivers_has_delivered_a_part() -> None:
    broker = Broker(1, tells_append_time=True)
    publisher = PublisherOf(broker, armed("publish.before", Answer.CRASH, nth=1), is_eager=False)
    publisher.dead_letter(LETTER)
    publisher.dead_letter(LETTER)
    with pytest.raises(Died):
        publisher.flush()
    assert len(broker.letters) == 1


def test_a_fail_over_takes_back_the_last_writes_and_a_wipe_all() -> None:
    store = FailingStore()
    first, second = delta(1), delta(2, Label(1, "1"), b"t")
    assert [store.write(KEY, one) for one in (first, second)] == [Written.DONE, Written.DONE]
    store.roll_back(1)
    there = store.load(KEY)
    assert there is not None
    assert (there.label, there.states) == (first.label, {-1: {b"id": b"s"}})
    assert store.write(KEY, delta(3, Label(2, "2"))) is Written.STALE
    store.wipe()
    assert store.load(KEY) is None


@pytest.mark.parametrize(("answer", "is_there"), [(Answer.REFUSED, False), (Answer.LOST, True)])
def test_a_write_without_an_answer_is_whole_or_did_not_happen(answer: Answer, is_there: bool) -> None:
    store = FailingStore()
    with pytest.raises(StoreUnavailableError):
        StoreOf(store, armed("write.before", answer)).write({KEY: delta(1)})
    assert (store.load(KEY) is not None) is is_there


def test_a_store_that_is_down_answers_nobody() -> None:
    store = FailingStore(is_down=True)
    with pytest.raises(StoreUnavailableError):
        StoreOf(store, Points()).load(KEY)
    with pytest.raises(StoreUnavailableError):
        StoreOf(store, Points()).write({KEY: delta(1)})
