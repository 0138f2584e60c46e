"""Repeated rounds have fresh ids that can be read, and come in the order of their times."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from loadtest.loops import Copied, Due, Loop, Piece, copied, repeated, trace_id

U32 = st.integers(0, 2**32 - 1)


@given(st.integers(0, 2**63), U32, U32)
def test_an_id_says_what_it_was_made_of(began_ns: int, copy: int, trace: int) -> None:
    assert copied(trace_id(began_ns, copy, trace)) == Copied(began_ns, copy, trace)


def test_ids_differ_in_every_byte_as_drawn_ones_do() -> None:
    ids = [trace_id(1_753_000_000_000_000_000, copy, trace) for copy in range(64) for trace in range(64)]
    assert len(set(ids)) == len(ids)
    assert all(len({one[place] for one in ids}) > 200 for place in range(16))


@given(
    st.lists(st.integers(0, 1000), min_size=1, max_size=6).map(sorted),
    st.integers(1, 6),
    st.integers(1, 1500),
)
def test_rounds_overlap_and_every_record_comes_once_in_time(offsets: list[int], copy_count: int, step_ns: int) -> None:
    pieces = [Piece(number, offset, b"", 1) for number, offset in enumerate(offsets)]
    found = list(repeated(pieces, copy_count, step_ns))
    wanted = [Due(copy * step_ns + offset, copy, number) for copy in range(copy_count) for number, offset in enumerate(offsets)]
    assert sorted(found) == sorted(wanted)
    assert [due.offset_ns for due in found] == sorted(due.offset_ns for due in wanted)


def test_a_restricted_round_has_its_traces_numbered_anew() -> None:
    loop = Loop((b"a", b"b", b"c"), tuple(Piece(trace, trace, b"%d" % trace, 1) for trace in range(3)))
    found = loop.restricted([0, 2])
    assert found.ids == (b"a", b"c")
    assert [(piece.trace, piece.value) for piece in found.pieces] == [(0, b"0"), (1, b"2")]


def test_a_paced_round_has_its_records_at_even_distances() -> None:
    loop = Loop((b"a",), (Piece(0, 7, b"", 2, is_last=False), Piece(0, 9, b"", 1)))
    assert [(piece.offset_ns, piece.span_count, piece.is_last) for piece in loop.paced(5).pieces] == [(0, 2, False), (5, 1, True)]
