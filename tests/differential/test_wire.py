"""The writer of the differential test writes what it is given as senders do, and odd records that are legal all the same."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from tests.differential.wire import Layout, Writer
from tests.topics.otlp_spans import span, spans
from topics.otlp import decode_protobuf
from topics.span import Span


@given(st.lists(spans, max_size=4), st.sampled_from((Layout.ASCENDING, Layout.COLLECTOR)))
def test_what_a_sender_writes_is_read_as_it_was(given_spans: list[Span], layout: Layout) -> None:
    decoded = decode_protobuf(Writer(layout, Random(0)).record(given_spans))
    assert not decoded.refused
    assert repr(decoded.spans) == repr(tuple(given_spans))


def test_most_spans_of_odd_records_are_read_and_some_differ() -> None:
    sent = [span(attributes={"k": 1, "v": "x"}, status=2, parent_id="ef" * 8)] * 3
    records = [Writer(Layout.ODD, Random(seed)).record(sent) for seed in range(200)]
    decoded = [decode_protobuf(record) for record in records]
    assert sum(len(found.spans) for found in decoded) > 300
    assert sum(found.spans == tuple(sent) for found in decoded) > 10
    assert len(set(records)) == 200
    assert sum(found.refused.total() for found in decoded) > 0


def test_a_collector_writes_backwards_and_says_that_there_is_no_parent_and_no_status() -> None:
    one = span(attributes={"k": "v"}, kind=2)
    wire = Writer(Layout.COLLECTOR, Random(0)).record([one])
    body = wire[wire.index(b"\x7a\x00") :]
    assert body.startswith(b"\x7a\x00\x4a\x08\x12\x03\x0a\x01v\x0a\x01k\x41")
    assert b"\x2a\x08checkout\x85\x01\x01\x01\x00\x00\x22\x00\x12\x08" in body
    assert wire.index(b"\x7a\x00") < wire.index(bytes.fromhex(one.trace_id))


def test_a_seed_gives_one_record() -> None:
    assert len({Writer(Layout.ODD, Random(7)).record([span()] * 4) for _ in range(3)}) == 1
