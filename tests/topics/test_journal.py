"""The journal's records: bytes, what counts, what is void."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.journals import LIMITS, checkpoint, standing
from topics.journal import Checkpoint, Fence, Mark, RuleCounts, encode, journal_schema, read_entry, record_hash, shed_share, valid

optional = st.none() | st.integers(0, 2**62)
marks = st.builds(
    Mark,
    position=st.integers(0, 2**62),
    time_ns=st.integers(0, 2**62),
    clamp_ns=optional,
    drain=st.booleans(),
    evict_before=optional,
    cut=st.lists(st.integers(0, 2**128 - 1).map("{:032x}".format), max_size=3).map(tuple),
    program=st.none() | st.just("0" * 16),
    limits=st.none() | st.just(LIMITS),
    lost_until_ns=optional,
    shed_level=st.none() | st.integers(0, 256),
)


@given(st.lists(marks, max_size=4))
def test_an_entry_is_read_back_as_it_was_written_and_fits_its_schema(some: list[Mark]) -> None:
    record = checkpoint(3, marks=tuple(some), counts=(RuleCounts(rule="a", version="1", violated=-2, satisfied=2),))
    value = encode(record)
    assert read_entry(value) == record
    assert encode(read_entry(value)) == value
    jsonschema.validate(read_entry(value).model_dump(mode="json"), journal_schema())


def test_a_record_from_before_there_was_shedding_sheds_nothing() -> None:
    value = encode(checkpoint(3, marks=(Mark(position=1, time_ns=1),)))
    assert b"shed" not in value
    read = read_entry(value)
    assert isinstance(read, Checkpoint)
    assert (read.standing.shed_level, read.marks[0].shed_level, read.traces_shed, read.records_shed) == (0, None, 0, 0)
    assert encode(checkpoint(3, standing=standing().model_copy(update={"shed_level": 7}))) != value


_EPOCH_S = 1_700_000_000
# By how ids are made: at random; as AWS X-Ray does, the time before 96 random bits; counted up; 64 bits wide behind zeros.
_IDS: dict[str, Callable[[Random, int], str]] = {
    "random": lambda chance, _: f"{chance.getrandbits(128):032x}",
    "X-Ray": lambda chance, number: f"{_EPOCH_S + number // 100:08x}{chance.getrandbits(96):024x}",
    "counted": lambda _, number: f"{number:032x}",
    "64 bits": lambda chance, _: f"{chance.getrandbits(64):032x}",
    "64 bits before": lambda chance, _: f"{chance.getrandbits(64):016x}" + "0" * 16,
    "by hundreds": lambda _, number: f"{number * 100:032d}",
}


def _murmur2(key: bytes) -> int:
    """Return Kafka's hash of a key: what the default partitioner of Java's clients, and ours, goes by."""
    factor, mask = 0x5BD1E995, 0xFFFFFFFF
    found = (0x9747B28C ^ len(key)) & mask
    for at in range(0, len(key), 4):
        word = int.from_bytes(key[at : at + 4], "little") * factor & mask
        found = found * factor & mask ^ (word ^ word >> 24) * factor & mask
    found = (found ^ found >> 13) * factor & mask
    return (found ^ found >> 15) & 0x7FFFFFFF


@pytest.mark.parametrize("kind", _IDS)
def test_however_ids_are_made_each_level_sheds_its_share_in_every_partition(kind: str) -> None:
    chance, count = Random(kind), 16_000
    keys = [_IDS[kind](chance, number).encode() for number in range(count)]
    shares = [[shed_share(key) for key in keys]] + [[] for _ in range(8)]
    for key, share in zip(keys, shares[0], strict=True):
        shares[1 + _murmur2(key) % 8].append(share)
    for some in shares:
        assert len(some) > count // 16
        for level in (16, 32, 64, 128, 192, 240):
            assert sum(share < level for share in some) / len(some) == pytest.approx(level / 256, abs=0.05)


def test_a_fence_is_read_back_as_it_was_written() -> None:
    fence = Fence(worker="shop-0")
    assert read_entry(encode(fence)) == fence


@pytest.mark.parametrize("value", [b"", b"{}", b'{"kind":"fence"}', b'{"kind":"other","worker":"x"}', b"\xff", b'{"kind":"checkpoint"}'])
def test_what_is_no_entry_is_refused(value: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_entry(value)


def test_only_records_of_the_newest_fence_before_them_count() -> None:
    fence = encode(Fence(worker="w"))
    log = [fence, encode(checkpoint(0)), fence, encode(checkpoint(0)), b"noise", encode(checkpoint(2)), encode(checkpoint(7)), fence]
    assert [placed.offset for placed in valid(enumerate(log))] == [1, 5]
    assert [placed.hash for placed in valid(enumerate(log))] == [record_hash(log[1]), record_hash(log[5])]


def test_a_reader_that_starts_in_the_middle_is_told_the_epoch() -> None:
    log = [(10, encode(checkpoint(4))), (11, encode(checkpoint(4))), (12, encode(Fence(worker="w"))), (13, encode(checkpoint(4)))]
    assert [placed.offset for placed in valid(log, 4)] == [10, 11]
    assert list(valid(log)) == []


def test_applicable_counts_all_verdicts_but_not_applicable() -> None:
    counts = RuleCounts(rule="a", version="1", satisfied=5, violated=-2, excused=1, inconclusive=1, not_applicable=9)
    assert counts.applicable == 5
