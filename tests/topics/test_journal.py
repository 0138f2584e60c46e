"""The journal's records: bytes, what counts, what is void."""

from __future__ import annotations

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.journals import LIMITS, checkpoint
from topics.journal import Fence, Mark, RuleCounts, encode, journal_schema, read_entry, record_hash, valid

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
)


@given(st.lists(marks, max_size=4))
def test_an_entry_is_read_back_as_it_was_written_and_fits_its_schema(some: list[Mark]) -> None:
    record = checkpoint(3, marks=tuple(some), counts=(RuleCounts(rule="a", version="1", violated=-2, satisfied=2),))
    value = encode(record)
    assert read_entry(value) == record
    assert encode(read_entry(value)) == value
    jsonschema.validate(read_entry(value).model_dump(mode="json"), journal_schema())


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
