"""The C parser reads what the product's decoder reads, in both layouts, and nothing behind the end of a record."""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Callable, Iterator, Mapping
from random import Random

import pytest

from loadtest.corpora.corpus import Form, enough, recorded, written
from loadtest.corpora.shop_traces import shop_traces
from loadtest.corpora.wire import Layout
from loadtest.decode_only import Batch, DecodedRow, DecodeOnly
from loadtest.demand import Demand
from topics.otlp import decode_protobuf, encode_protobuf
from topics.recordings import HOTROD_PROTO_KEYED, SHOP_PROTO_BATCHED, SHOP_PROTO_KEYED
from topics.span import AttributeValue, Resource, Span

KEYS = (
    "amount",
    "approved",
    "currency",
    "db.response.returned_rows",
    "k8s.pod.name",
    "mfa",
    "risk.score",
    "service.name",
    "url.path",
    "user.id",
)
NAMES = ("GET /api/orders/{id}", "cache.get", "payment", "retry")
DEMAND = Demand(KEYS, NAMES, elements=True)


def scalars(attributes: Mapping[str, AttributeValue]) -> dict[str, AttributeValue]:
    return {key: value for key, value in attributes.items() if key in KEYS and isinstance(value, str | int | float)}


def expected(span: Span) -> DecodedRow:
    return DecodedRow(
        span.trace_id,
        span.span_id,
        span.parent_id,
        span.name if span.name in NAMES else "",
        span.start_ns,
        span.end_ns,
        span.kind,
        span.status,
        scalars(span.attributes),  # type: ignore[arg-type]  # only scalars are left
        scalars(span.resource.attributes),  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("layout", Layout)
@pytest.mark.parametrize("form", Form)
def test_every_field_is_the_one_that_the_decoder_of_the_product_reads(form: Form, layout: Layout) -> None:
    corpus = written("shop", enough(shop_traces(3), 1000), form, layout)
    parser, count = DecodeOnly(DEMAND), 0
    for record in corpus.records:
        rows = parser.rows(Batch([record]))
        assert rows == [expected(span) for span in decode_protobuf(record).spans]
        count += len(rows)
    assert parser.run(Batch(corpus.records)) == count >= 1000


@pytest.mark.parametrize("name", [SHOP_PROTO_KEYED, SHOP_PROTO_BATCHED, HOTROD_PROTO_KEYED])
def test_of_a_recording_it_counts_the_spans_that_the_product_decodes(name: str) -> None:
    corpus = recorded("recorded", name, "as recorded", 3000)
    assert DecodeOnly(DEMAND).run(Batch(corpus.records)) == corpus.facts().span_count


@pytest.mark.parametrize("collector_layout", [True, False])
@pytest.mark.parametrize("value", [-1, 2**63 - 1, -(2**63), 0, 1.5, -0.0, True, False, "", "x", "é" * 100, b"\x00", (1, "a"), {"k": 1}])
@pytest.mark.parametrize("key", ["", "a", "ab", "abc", "abcd", "a.long.key.of.many.characters"])
def test_keys_of_every_length_and_values_of_every_kind_are_read(key: str, value: AttributeValue, collector_layout: bool) -> None:
    span = Span("0a" * 16, "0b" * 8, key, 1, 2, attributes={key: value, "other": 1}, resource=Resource({key: value}))
    record = encode_protobuf([span], collector_layout=collector_layout)
    row = DecodeOnly(Demand((key,), (key,), elements=False)).rows(Batch([record]))[0]
    held = {key: value} if isinstance(value, str | int | float) else {}
    assert (row.name, row.attributes, row.resource_attributes) == (key, held, held)
    assert [type(found) for found in row.attributes.values()] == [type(found) for found in held.values()]


def test_a_record_that_is_no_otlp_is_named_by_its_place() -> None:
    good = encode_protobuf([Span("0a" * 16, "0b" * 8, "x", 1, 2)])
    parser = DecodeOnly(DEMAND)
    assert parser.run(Batch([good, good])) == 2
    assert parser.run(Batch([good, good[:-1], good])) == -2
    assert parser.run(Batch([])) == 0
    assert parser.run(Batch([b""])) == 0


@pytest.fixture
def before_the_wall() -> Iterator[Callable[[bytes], Batch]]:
    """A place for a record whose next byte no process may read: reading behind its end stops the test run."""
    size, page = 1 << 20, mmap.PAGESIZE
    memory = mmap.mmap(-1, size + page)
    held = ctypes.c_char.from_buffer(memory)
    address = ctypes.addressof(held)
    protect = ctypes.CDLL(None, use_errno=True).mprotect
    wall = ctypes.c_void_p(address + size), ctypes.c_size_t(page)
    assert protect(*wall, 0) == 0

    def batch(record: bytes) -> Batch:
        memory[size - len(record) : size] = record
        found = Batch([record])
        found.addresses[0] = address + size - len(record)  # type: ignore[call-overload]  # ctypes takes an address here
        return found

    yield batch
    assert protect(*wall, mmap.PROT_READ | mmap.PROT_WRITE) == 0
    del held
    memory.close()


def nested(*path: int, payload: bytes) -> bytes:
    """Wrap a payload in messages, each the only field of the one around it; the path begins with the outermost."""
    for tag in reversed(path):
        payload = bytes((tag, len(payload))) + payload
    return payload


@pytest.mark.parametrize("held", range(9))
@pytest.mark.parametrize(
    ("path", "tag"), [((), 0x39), ((), 0x41), ((0x4A, 0x12), 0x21), ((), 0x19)], ids=["start", "end", "double of an attribute", "unknown"]
)
def test_eight_bytes_are_read_only_where_the_message_has_eight(
    path: tuple[int, ...], tag: int, held: int, before_the_wall: Callable[[bytes], Batch]
) -> None:
    key = nested(0x0A, payload=b"amount") if path else b""
    value = nested(*path[1:], payload=bytes((tag,)) + b"\x01" * held)
    span = nested(*path[:1], payload=key + value)
    found = DecodeOnly(DEMAND).run(before_the_wall(nested(0x0A, 0x12, 0x12, payload=span)))
    assert found == (1 if held == 8 else -1)


@pytest.mark.parametrize("layout", Layout)
def test_no_truncation_of_a_record_is_read_beyond_its_end(layout: Layout, before_the_wall: Callable[[bytes], Batch]) -> None:
    record = written("shop", enough(shop_traces(5), 5)[:1], Form.TRACES, layout).records[0]
    parser, whole = DecodeOnly(DEMAND), len(decode_protobuf(record).spans)
    assert parser.run(before_the_wall(record)) == whole
    for size in range(len(record)):
        found = parser.run(before_the_wall(record[:size]))
        assert found == -1 or 0 <= found < whole


@pytest.mark.parametrize("layout", Layout)
def test_no_mutation_of_a_record_is_read_beyond_its_end(layout: Layout, before_the_wall: Callable[[bytes], Batch]) -> None:
    r = Random(11)
    records = written("shop", enough(shop_traces(6), 100), Form.TRACES, layout).records
    parser = DecodeOnly(DEMAND)
    for _ in range(3000):
        wire = bytearray(r.choice(records))
        for _ in range(r.randrange(1, 4)):
            wire[r.randrange(len(wire))] = r.choice((0, 0x7F, 0x80, 0xFF, r.randrange(256)))
        parser.run(before_the_wall(bytes(wire[: r.randrange(1, len(wire) + 1)])))
