"""What every store does: the one in memory, which defines it, and the one on Redis, on each server there is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processor.record import PartitionKey
from processor.redis_address import parse_address
from processor.redis_store import RedisStore
from processor.store import HEAD_SIZE, OPEN, Delta, Label, Snapshot, Store, Written
from tests.doubles.store import MemoryStore
from tests.redis_servers import SERVERS, binary, running

MakeStore = Callable[[], Store]
KEY = PartitionKey("otlp_spans", 3)
OTHER = PartitionKey("otlp_spans", 4)
FIRST, SECOND, THIRD = Label(10, "a" * 16), Label(20, "b" * 16), Label(30, "c" * 16)
DONE, STALE, NEWER = Written.DONE, Written.STALE, Written.NEWER


@pytest.fixture(scope="module", params=("memory", *SERVERS))
def make_store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeStore]:
    """Makes stores that hold nothing yet."""
    if request.param == "memory":
        yield MemoryStore
        return
    with running(binary(request.param), tmp_path_factory.mktemp("server")) as server:
        made = 0

        def make() -> Store:
            nonlocal made
            made += 1
            return RedisStore(parse_address(server.url), f"app-{made}", timeout_s=10)

        yield make


@pytest.fixture
def store(make_store: MakeStore) -> Store:
    """A store that holds nothing yet."""
    return make_store()


def trace(number: int) -> bytes:
    """The id of a trace."""
    return number.to_bytes(16, "big")


def whole(label: Label, states: Mapping[int, Mapping[bytes, bytes]], header: bytes = b"header") -> Delta:
    """A whole state."""
    return Delta(None, label, header, states, {}, frozenset())


def change(
    base: Label,
    label: Label,
    put: Mapping[int, Mapping[bytes, bytes]] | None = None,
    gone: Mapping[int, frozenset[bytes]] | None = None,
    passed: frozenset[int] = frozenset(),
    closed: Mapping[int, Mapping[bytes, bytes]] | None = None,
) -> Delta:
    """A change of a state."""
    return Delta(base, label, b"changed", put or {}, gone or {}, passed, closed or {})


def headed(text: bytes) -> bytes:
    """A head, or with more behind it a state: what stands before the bar, with the size in front, and what stands behind it."""
    head, _, rest = text.partition(b"|")
    return HEAD_SIZE.pack(HEAD_SIZE.size + len(head)) + head + rest


def held(store: Store, key: PartitionKey = KEY) -> Snapshot:
    """The state that a store holds, which there has to be."""
    snapshot = store.load(key)
    assert snapshot is not None
    return snapshot


def test_of_a_partition_never_written_there_is_no_state(store: Store) -> None:
    assert store.load(KEY) is None


def test_a_whole_state_is_loaded_as_it_was_written(store: Store) -> None:
    states = {OPEN: {trace(1): b"one", trace(2): b""}, 29_000_000: {trace(3): bytes(range(256))}}
    assert store.write({KEY: whole(FIRST, states, b"\r\n\0header")}) == {KEY: DONE}
    assert store.load(KEY) == Snapshot(FIRST, b"\r\n\0header", states)


def test_a_whole_state_without_a_trace_is_a_state(store: Store) -> None:
    assert store.write({KEY: whole(FIRST, {OPEN: {}}, b"")}) == {KEY: DONE}
    assert store.load(KEY) == Snapshot(FIRST, b"", {})


def test_writing_nothing_is_answered_with_nothing(store: Store) -> None:
    assert store.write({}) == {}


def test_a_change_onto_its_base_is_done(store: Store) -> None:
    store.write({KEY: whole(FIRST, {OPEN: {trace(1): b"1", trace(2): b"2"}, 7: {trace(3): b"3"}})})
    assert store.write({KEY: change(FIRST, SECOND, {OPEN: {trace(1): b"1+"}, 8: {trace(4): b"4"}}, {OPEN: frozenset({trace(2)})})}) == {
        KEY: DONE
    }
    assert store.load(KEY) == Snapshot(SECOND, b"changed", {OPEN: {trace(1): b"1+"}, 7: {trace(3): b"3"}, 8: {trace(4): b"4"}})


def test_a_change_without_a_state_there_is_stale(store: Store) -> None:
    assert store.write({KEY: change(FIRST, SECOND, {OPEN: {trace(1): b"1"}})}) == {KEY: STALE}
    assert store.load(KEY) is None


@pytest.mark.parametrize("base", [Label(9, FIRST.hash), Label(11, FIRST.hash), Label(10, "f" * 16)])
def test_a_change_onto_another_state_is_stale_and_changes_nothing(store: Store, base: Label) -> None:
    store.write({KEY: whole(FIRST, {OPEN: {trace(1): b"1"}})})
    assert store.write({KEY: change(base, SECOND, {OPEN: {trace(2): b"2"}}, {}, frozenset({OPEN}))}) == {KEY: STALE}
    assert store.load(KEY) == Snapshot(FIRST, b"header", {OPEN: {trace(1): b"1"}})


def test_nothing_is_written_over_a_later_state(store: Store) -> None:
    store.write({KEY: whole(SECOND, {OPEN: {trace(1): b"1"}})})
    assert store.write({KEY: whole(FIRST, {})}) == {KEY: NEWER}
    assert store.write({KEY: change(SECOND, FIRST, {}, {}, frozenset({OPEN}))}) == {KEY: NEWER}
    assert store.load(KEY) == Snapshot(SECOND, b"header", {OPEN: {trace(1): b"1"}})


def test_a_disowned_state_is_none_and_an_earlier_one_takes_its_place_whole(store: Store) -> None:
    store.disown(KEY)
    store.write({KEY: whole(SECOND, {OPEN: {trace(1): b"1"}, 7: {trace(2): b"2"}}), OTHER: whole(SECOND, {})})
    store.disown(KEY)
    assert store.load(KEY) is None
    assert held(store, OTHER).label == SECOND
    assert store.write({KEY: change(SECOND, THIRD, {})}) == {KEY: STALE}
    assert store.write({KEY: whole(FIRST, {OPEN: {trace(3): b"3"}})}) == {KEY: DONE}
    assert store.load(KEY) == Snapshot(FIRST, b"header", {OPEN: {trace(3): b"3"}})


def test_offsets_are_compared_as_numbers(store: Store) -> None:
    store.write({KEY: whole(Label(9, "a"), {})})
    assert store.write({KEY: whole(Label(10, "a"), {})}) == {KEY: DONE}
    assert store.write({KEY: whole(Label(9, "a"), {})}) == {KEY: NEWER}
    assert store.write({KEY: whole(Label(2**53 - 1, "a"), {})}) == {KEY: DONE}
    assert store.write({KEY: whole(Label(2**53 - 2, "a"), {})}) == {KEY: NEWER}


def test_a_whole_state_takes_the_place_of_one_with_the_same_offset(store: Store) -> None:
    store.write({KEY: whole(FIRST, {OPEN: {trace(1): b"1"}})})
    again = Label(FIRST.offset, "e" * 16)
    assert store.write({KEY: whole(again, {OPEN: {trace(2): b"2"}})}) == {KEY: DONE}
    assert store.load(KEY) == Snapshot(again, b"header", {OPEN: {trace(2): b"2"}})


def test_a_change_repeated_onto_its_base_is_stale(store: Store) -> None:
    store.write({KEY: whole(FIRST, {})})
    repeated = {KEY: change(FIRST, SECOND, {OPEN: {trace(1): b"1"}})}
    assert store.write(repeated) == {KEY: DONE}
    assert store.write(repeated) == {KEY: STALE}


def test_a_whole_state_leaves_nothing_of_the_one_before(store: Store) -> None:
    store.write({KEY: whole(FIRST, {OPEN: {trace(1): b"1", trace(2): b"2"}, 7: {trace(3): b"3"}, 8: {trace(4): b"4"}})})
    store.write({KEY: whole(SECOND, {OPEN: {trace(2): b"2+"}, 8: {trace(5): b"5"}})})
    assert held(store).states == {OPEN: {trace(2): b"2+"}, 8: {trace(5): b"5"}}
    # Buckets that come again are empty.
    store.write({KEY: change(SECOND, THIRD, {7: {trace(6): b"6"}})})
    assert held(store).states == {OPEN: {trace(2): b"2+"}, 7: {trace(6): b"6"}, 8: {trace(5): b"5"}}


def test_passed_buckets_are_removed_and_may_come_again(store: Store) -> None:
    store.write({KEY: whole(FIRST, {OPEN: {trace(1): b"1"}, 7: {trace(2): b"2"}, 8: {trace(3): b"3"}})})
    store.write({KEY: change(FIRST, SECOND, {}, {7: frozenset({trace(2)})}, frozenset({6, 7}))})
    assert held(store).states == {OPEN: {trace(1): b"1"}, 8: {trace(3): b"3"}}
    store.write({KEY: change(SECOND, THIRD, {8: {trace(4): b"4"}}, {}, frozenset({8}))})
    assert held(store).states == {OPEN: {trace(1): b"1"}, 8: {trace(4): b"4"}}


def test_a_trace_moves_from_bucket_to_bucket(store: Store) -> None:
    store.write({KEY: whole(FIRST, {OPEN: {trace(1): b"open"}})})
    store.write({KEY: change(FIRST, SECOND, {7: {trace(1): b"closed"}}, {OPEN: frozenset({trace(1)})})})
    assert held(store).states == {7: {trace(1): b"closed"}}
    store.write({KEY: change(SECOND, THIRD, {8: {trace(1): b"late"}}, {7: frozenset({trace(1), trace(2)}), 6: frozenset({trace(1)})})})
    assert held(store).states == {8: {trace(1): b"late"}}


def test_what_is_put_and_gone_at_once_is_put(store: Store) -> None:
    store.write({KEY: whole(FIRST, {OPEN: {trace(1): b"1"}})})
    store.write({KEY: change(FIRST, SECOND, {OPEN: {trace(1): b"1+"}}, {OPEN: frozenset({trace(1)})})})
    assert held(store).states == {OPEN: {trace(1): b"1+"}}


def test_a_change_may_change_the_header_only(store: Store) -> None:
    store.write({KEY: whole(FIRST, {OPEN: {trace(1): b"1"}})})
    assert store.write({KEY: change(FIRST, SECOND, {OPEN: {}, 7: {}}, {OPEN: frozenset()})}) == {KEY: DONE}
    assert store.load(KEY) == Snapshot(SECOND, b"changed", {OPEN: {trace(1): b"1"}})


def test_the_partitions_of_a_write_are_answered_each_by_itself(store: Store) -> None:
    third = PartitionKey("other", 3)
    store.write({OTHER: whole(SECOND, {}), third: whole(SECOND, {})})
    written = store.write({KEY: whole(FIRST, {}), OTHER: whole(FIRST, {}), third: change(FIRST, THIRD)})
    assert written == {KEY: DONE, OTHER: NEWER, third: STALE}
    assert [held(store, key).label for key in (KEY, OTHER, third)] == [FIRST, SECOND, SECOND]


def test_states_of_many_traces_come_and_go(store: Store) -> None:
    """More than one command's arguments, and more than a page of answers."""
    many = {trace(number): b"state %d" % number for number in range(9_001)}
    store.write({KEY: whole(FIRST, {OPEN: many})})
    assert held(store).states == {OPEN: many}
    moved = {trace_id: state + b"!" for trace_id, state in many.items()}
    store.write({KEY: change(FIRST, SECOND, {7: moved}, {OPEN: frozenset(many) - {trace(17)}})})
    assert held(store).states == {OPEN: {trace(17): b"state 17"}, 7: moved}


def test_a_trace_that_closes_keeps_what_is_behind_its_head(store: Store) -> None:
    store.write({KEY: whole(FIRST, {OPEN: {trace(n): headed(b"open|engine %d" % n) for n in range(4)}, 7: {trace(9): b"9"}})})
    closed = {7: {trace(1): headed(b"closed, violated")}, 8: {trace(2): headed(b""), trace(3): headed(b"3")}}
    assert store.write({KEY: change(FIRST, SECOND, {OPEN: {trace(0): b"0+"}, 8: {trace(4): b"4"}}, closed=closed)}) == {KEY: DONE}
    assert held(store).states == {
        OPEN: {trace(0): b"0+"},
        7: {trace(9): b"9", trace(1): headed(b"closed, violated|engine 1")},
        8: {trace(4): b"4", trace(2): headed(b"|engine 2"), trace(3): headed(b"3|engine 3")},
    }


@pytest.mark.parametrize("there", [{}, {trace(1): b""}, {trace(1): b"\x04\0\0"}, {trace(1): b"\x06\0\0\0a"}, {trace(1): b"\xff" * 9}])
def test_closing_what_is_not_there_or_has_no_head_is_stale_and_changes_nothing(store: Store, there: Mapping[bytes, bytes]) -> None:
    states = {OPEN: {trace(2): headed(b"2|2"), **there}, 7: {trace(3): b"3"}}
    store.write({KEY: whole(FIRST, states)})
    closed = {7: {trace(2): headed(b"2+"), trace(1): headed(b"1+")}}
    assert store.write({KEY: change(FIRST, SECOND, {7: {trace(3): b"3+"}}, {OPEN: frozenset(there)}, closed=closed)}) == {KEY: STALE}
    assert store.load(KEY) == Snapshot(FIRST, b"header", states)


def test_the_last_open_trace_may_close(store: Store) -> None:
    store.write({KEY: whole(FIRST, {OPEN: {trace(1): headed(b"|1")}})})
    store.write({KEY: change(FIRST, SECOND, closed={7: {trace(1): headed(b"")}})})
    assert held(store).states == {7: {trace(1): headed(b"|1")}}
    assert store.write({KEY: change(SECOND, THIRD, {OPEN: {trace(2): b"2"}})}) == {KEY: DONE}
    assert held(store).states == {OPEN: {trace(2): b"2"}, 7: {trace(1): headed(b"|1")}}


def test_many_traces_close_at_once(store: Store) -> None:
    """More than one command's arguments."""
    store.write({KEY: whole(FIRST, {OPEN: {trace(number): headed(b"|%d" % number) for number in range(9_001)}})})
    store.write({KEY: change(FIRST, SECOND, closed={7: {trace(number): headed(b"closed") for number in range(1, 9_001)}})})
    assert held(store).states == {
        OPEN: {trace(0): headed(b"|0")},
        7: {trace(number): headed(b"closed|%d" % number) for number in range(1, 9_001)},
    }


BUCKETS = st.sampled_from([OPEN, 7, 8])
IDS = st.integers(0, 5).map(trace)
STATES = st.one_of(st.binary(max_size=4).map(headed), st.binary(max_size=4))
LABELS = st.builds(Label, st.integers(0, 6), st.sampled_from(["a", "b"]))
DELTAS = st.builds(
    Delta,
    st.one_of(st.none(), LABELS),
    LABELS,
    st.binary(max_size=4),
    st.dictionaries(BUCKETS, st.dictionaries(IDS, STATES, max_size=4), max_size=3),
    st.dictionaries(BUCKETS, st.frozensets(IDS, max_size=4), max_size=3),
    st.frozensets(BUCKETS, max_size=2),
    st.dictionaries(BUCKETS, st.dictionaries(IDS, st.binary(max_size=4).map(headed), max_size=2), max_size=2),
)
# Whether a change is made onto what is there, as a worker that is alone would.
WRITES = st.dictionaries(st.sampled_from([KEY, OTHER]), st.tuples(DELTAS, st.booleans()), max_size=2)


@given(st.lists(WRITES, max_size=12))
@settings(max_examples=150)
def test_any_sequence_of_writes_leaves_what_it_leaves_in_memory(
    make_store: MakeStore, writes: list[dict[PartitionKey, tuple[Delta, bool]]]
) -> None:
    store, memory = make_store(), MemoryStore()
    for some in writes:
        deltas = {key: _onto(memory.load(key), delta) if fits else delta for key, (delta, fits) in some.items()}
        assert store.write(deltas) == memory.write(deltas)
        assert [store.load(key) for key in (KEY, OTHER)] == [memory.load(key) for key in (KEY, OTHER)]


def _onto(there: Snapshot | None, delta: Delta) -> Delta:
    """A change of what is there, to a later label."""
    return delta if there is None else delta._replace(base=there.label, label=Label(there.label.offset + 1, delta.label.hash))
