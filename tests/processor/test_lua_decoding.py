"""What the decoder takes short ways for: resources that come again, names that are guessed from a span's end, values of every size."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import product
from random import Random
from typing import TypeVar

import pytest

from compiler import Closing, wanted_keys
from processor.lua_traces import LuaTraceEngine
from processor.reference_traces import ReferenceTraceEngine
from processor.trace_engine import Asked, TakenRecord, TakePolicy, TraceEngine, batch_of
from tests.differential.wire import Layout, Writer
from tests.processor.played import rules, span
from topics.otlp import encode_protobuf
from topics.span import AttributeValue, Event, Resource, Span

LAYOUTS = pytest.mark.parametrize("layout", [Layout.ASCENDING, Layout.COLLECTOR])
KNOWN_RESOURCES = 256
SET_SIZE_SUM_MAX = wanted_keys.SET_SIZE_SUM_MAX


Made = TypeVar("Made")


def answers(engine: TraceEngine, batches: Sequence[Sequence[Made]], write: Callable[[Made], bytes]) -> list[bytes]:
    """Take one batch after the other; return what each trace touched is judged, in order of first touch.

    Records are written when they are taken and gone afterwards, so that the next ones come to lie where they lay.
    """
    handles: list[int] = []
    for batch in batches:
        taken = engine.take(0, batch_of(TakenRecord(write(made), "protobuf", 0) for made in batch), TakePolicy(100_000))
        assert not taken.refused
        handles += [touch.handle for touch in taken.touches if touch.opened]
    return engine.judge([Asked(handle, Closing.COMPLETE, None) for handle in handles])


def both(text: str, batches: Sequence[Sequence[Sequence[Span]]], layout: Layout) -> list[bytes]:
    """Return the answers of LuaJIT to records of these spans, after they were found to be those of the reference engine."""
    return both_of(text, batches, lambda: Writer(layout, Random(0)).record)


def both_of(text: str, batches: Sequence[Sequence[Made]], writer: Callable[[], Callable[[Made], bytes]]) -> list[bytes]:
    """Return the same of what a new writer makes records of."""
    rule_set = rules(text)
    found = answers(LuaTraceEngine(rule_set), batches, writer())
    assert found == answers(ReferenceTraceEngine(rule_set), batches, writer())
    return found


def of_resource(number: int, one: Span) -> Span:
    padding = {"k8s.pod.uid": "0" * 40, "host": "h" * 30, "os": "linux"}
    pod = f"checkout-{number:06}"
    return replace(one, attributes={"pod": pod}, resource=Resource({"pod": pod, **padding, "service.name": "checkout"}))


POD = """
rules:
  - id: one
    rule: never { span.where(resource.pod == "checkout-000007") }
  - id: each
    rule: always { span.where(resource.pod == span.pod) }
"""


@LAYOUTS
def test_resources_that_differ_in_little_are_told_apart_however_often_they_come(layout: Layout) -> None:
    """More of them in one batch than are remembered, in another order the second time, each a trace."""
    numbers = list(range(KNOWN_RESOURCES + 100))
    batches = []
    for turn in range(3):
        Random(turn).shuffle(numbers)
        batches.append([[of_resource(number, span("a", 1, of=1 + turn * 1000 + number))] for number in numbers])
    found = both(POD, batches, layout)
    assert len(found) == 3 * len(numbers)
    assert len({codes[0] for codes in found}) == 2
    assert len({codes[1] for codes in found}) == 1


@LAYOUTS
def test_a_span_has_no_attribute_of_the_resource_before_its_own(layout: Layout) -> None:
    text = 'rules: [{id: bare, rule: "never { span.where(resource.pod exists) }"}]'
    bare = replace(span("a", 1, of=2), resource=Resource({"service.name": "bare", "note": "x" * 60}))
    turns = [[[of_resource(1, span("a", 1, of=1))], [bare]], [[of_resource(1, span("a", 1, of=3))], [replace(bare, trace_id="f" * 32)]]]
    first, second, third, fourth = both(text, turns, layout)
    assert first == third != second == fourth


def forged(name: str) -> str:
    """Return a name that ends like the header of a Collector's span of this name, as far as one can tell from its end."""
    return "A" + "t" * 8 + "9" + "t" * 8 + "0" + "\x01" + "*" + chr(len(name)) + name


@LAYOUTS
@pytest.mark.parametrize("name", ["charge", "ab", "a", "n" * 127, "n" * 128, "n" * 300, "é"])
def test_a_name_is_the_whole_name_whatever_it_ends_with(layout: Layout, name: str) -> None:
    text = f'rules: [{{id: named, rule: "always {{ span.where(span:name == \\"{name}\\" and paid == true) }}"}}]'
    by_name = f'rules: [{{id: named, rule: "always {{ \\"{name}\\".where(paid == true) }}"}}]'
    names = [name, forged(name), name + name, "x" + name, name[1:], name + "x"]
    records = [[span(one, 1, of=1 + at, attributes={"paid": True})] for at, one in enumerate(names)]
    for rule in (text, by_name):
        verdicts = both(rule, [records], layout)
        assert [codes == verdicts[0] for codes in verdicts] == [one == name for one in names]


@LAYOUTS
def test_whole_numbers_of_every_size_are_read_to_the_last_bit(layout: Layout) -> None:
    values = [0, 1, 127, 128, 129, 16383, 16384, 2**21 - 1, 2**21, 2**28 - 1, 2**28, 2**35, 2**53 + 1, 2**63 - 1, -1, -(2**63)]
    for value in values:
        text = f'rules: [{{id: it, rule: "always {{ a.where(n == {value}) }}"}}]'
        verdicts = both(text, [[[span("a", 1, of=1 + at, attributes={"n": other})] for at, other in enumerate(values)]], layout)
        assert [codes == verdicts[values.index(value)] for codes in verdicts] == [other == value for other in values]


def of_event(value: int, of: int) -> Span:
    return replace(span("a", 1, of=of), events=(Event("tick", 0, {"n": value}),))


@LAYOUTS
def test_whole_numbers_of_events_are_read_to_the_last_bit(layout: Layout) -> None:
    values = [0, 1, 127, 128, 16384, 2**21, 2**28, 2**35, 2**42, 2**49, 2**56, 2**63 - 1, -1, -(2**63)]
    for value in values:
        text = f'rules: [{{id: it, rule: "always {{ a.where(event(n == {value})) }}"}}]'
        verdicts = both(text, [[[of_event(other, 1 + at)] for at, other in enumerate(values)]], layout)
        assert [codes == verdicts[values.index(value)] for codes in verdicts] == [other == value for other in values]


def largest_varint(size: int) -> bytes:
    """Return the varint of the largest number that takes so many bytes."""
    return b"\xff" * (size - 1) + (b"\x01" if size == 10 else b"\x7f")


def varint_damaged(size: int) -> Iterator[bytes]:
    """Yield what is no varint of so many bytes in its usual form: one ends too soon, not at all, or with nothing."""
    usual = largest_varint(size)
    for at in range(size - 1):
        yield usual[:at] + b"\x05" + usual[at + 1 :]
    yield usual[:-1] + b"\x80"
    if size > 1:
        yield usual[:-1] + b"\0"
    if size == 10:
        yield usual[:-1] + b"\x02"


@pytest.mark.parametrize("size", range(1, 11))
def test_a_number_of_an_event_that_is_written_oddly_is_read_as_the_careful_decoder_reads_it(size: int) -> None:
    rule_set = rules('rules: [{id: it, rule: "always { a.where(event(n > 5)) }"}]')
    number = -1 if size == 10 else 2 ** (7 * size) - 1
    record = encode_protobuf([of_event(number, 1)])
    usual = b"\x18" + largest_varint(size)
    assert record.count(usual) == 1
    for damaged in varint_damaged(size):
        batch = batch_of([TakenRecord(record.replace(usual, b"\x18" + damaged), "protobuf", 0)])
        taken = [engine.take(0, batch, TakePolicy(100_000)) for engine in (LuaTraceEngine(rule_set), ReferenceTraceEngine(rule_set))]
        assert taken[0].refused == taken[1].refused
        assert len(taken[0].touches) == len(taken[1].touches)


@LAYOUTS
def test_texts_around_the_sizes_of_their_lengths_are_compared_whole(layout: Layout) -> None:
    sizes = [0, 1, 2, 6, 7, 12, 13, 14, 126, 127, 128, 129, 255, 16383, 16384]
    for size in sizes:
        text = f'rules: [{{id: it, rule: "always {{ a.where(t == \\"{"t" * size}\\") }}"}}]'
        verdicts = both(text, [[[span("a", 1, of=1 + at, attributes={"t": "t" * other})] for at, other in enumerate(sizes)]], layout)
        assert [codes == verdicts[sizes.index(size)] for codes in verdicts] == [other == size for other in sizes]


KEYS_BY_NAME = """
rules:
  - id: charge
    rule: always { charge.where(paid == true) }
  - id: refund
    rule: always { refund.where(approved == true) }
"""
UNNAMED = """
  - id: unnamed
    rule: always { %s.where(tenant exists) }
"""


@LAYOUTS
@pytest.mark.parametrize("most", [SET_SIZE_SUM_MAX, 0], ids=["a set for each class", "one set for all"])
@pytest.mark.parametrize("more", ["", UNNAMED % "root", UNNAMED % "span"], ids=["named", "roots", "all"])
def test_what_is_wanted_of_a_span_depends_on_its_name_however_it_was_guessed(
    layout: Layout, more: str, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name may end like another one with a header before it: keys are those of the name that the span has."""
    monkeypatch.setattr(wanted_keys, "SET_SIZE_SUM_MAX", most)
    names = ["charge", "refund", forged("charge") + "refund", "refund" + forged("charge"), "other"]
    attributes: list[dict[str, AttributeValue]] = [{"paid": True}, {"approved": True}, {"paid": True, "approved": True, "tenant": "t"}, {}]
    parent = None if "root" in more else 99
    traces = enumerate(product(names, attributes), 1)
    spans = [replace(span(name, 1, of=at, parent=parent, attributes=some), kind=2) for at, (name, some) in traces]
    found = both(KEYS_BY_NAME + more, [[spans]], layout)
    by_span = dict(zip(product(names, range(len(attributes))), found, strict=True))
    assert by_span["charge", 0] != by_span["charge", 1] == by_span["charge", 3]
    assert by_span["refund", 1] != by_span["refund", 0] == by_span["refund", 3]
    assert by_span["other", 0] == by_span["other", 1]
    assert bool(more) is (by_span["other", 1] != by_span["other", 2])


@LAYOUTS
def test_keys_are_told_apart_by_every_byte(layout: Layout) -> None:
    """Keys of every size that differ in one byte only, so many that their places in the table overlap."""
    sizes = [*range(1, 28), 127, 128]
    keys = ["k" * size for size in sizes] + ["k" * at + "x" + "k" * (size - at - 1) for size in sizes[:27] for at in range(size)]
    text = "rules:\n" + "".join(f'  - {{id: r{at}, rule: "always {{ a.where(`{key}` exists) }}"}}\n' for at, key in enumerate(keys))
    records = [[span("a", 1, of=1 + at, attributes={key: 1})] for at, key in enumerate(keys)]
    verdicts = both(text, [records], layout)
    satisfied = verdicts[0][0]
    for at, codes in enumerate(verdicts):
        assert [place for place, code in enumerate(codes) if code == satisfied] == [at]


@LAYOUTS
@pytest.mark.parametrize("count", [63, 64, 65, 130])
def test_a_span_may_have_any_number_of_wanted_attributes(layout: Layout, count: int) -> None:
    text = "rules:\n" + "".join(f"  - id: k{n}\n    rule: never {{ charge.where(key.k{n} == {n}) }}\n" for n in range(count))
    spans = [span("charge", number, of=number, attributes={f"key.k{n}": n + (number > 1) for n in range(count)}) for number in (1, 2)]
    found = both(text, [[spans]], layout)
    assert len(found) == 2
    assert found[0] != found[1]


@LAYOUTS
@pytest.mark.parametrize("most", [SET_SIZE_SUM_MAX, 0], ids=["a set for each class", "one set for all"])
@pytest.mark.parametrize("count", [1, 70])
def test_features_that_were_made_for_a_name_that_was_foreseen_are_those_of_the_name_it_has(
    layout: Layout, count: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names that end like the header of a span of another wanted name, and attributes of which some are settled before the name comes."""
    monkeypatch.setattr(wanted_keys, "SET_SIZE_SUM_MAX", most)
    foreseen = "r" * ord("*")
    names = [foreseen, *(f"{letter}**{foreseen}" for letter in "abcdefgh")]
    rules = [f"never {{ `{name}`.where({'l' if at else 'k'} == {at}) }}" for at, name in enumerate(names)]
    text = "rules:\n" + "".join(f"  - {{id: r{at}, rule: '{rule}'}}\n" for at, rule in enumerate(rules))
    text += "".join(f"  - {{id: k{n}, rule: 'never {{ `{foreseen}`.where(key.k{n} == 1) }}'}}\n" for n in range(count))
    filled = {f"key.k{n}": 2 for n in range(count)}
    sent = list(product(names, range(len(names)), ("k", "l")))
    spans = [span(name, 1, of=of, attributes={"l": -1, key: value} | filled) for of, (name, value, key) in enumerate(sent, 1)]
    found = both(text, [[spans]], layout)
    own = {(name, at, "l" if at else "k") for at, name in enumerate(names)}
    violated = {codes for one, codes in zip(sent, found, strict=True) if one in own}
    assert len(violated) == len(names)
    assert len(set(found) - violated) == 1
