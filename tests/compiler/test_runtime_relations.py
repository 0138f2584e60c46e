"""Relations in Lua: which spans have such a partner, against what the reference engine says of every pair."""

from __future__ import annotations

import math
import random
import struct
from collections.abc import Iterable, Sequence
from functools import cache
from typing import NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from compiler import ir
from compiler.interpreter import Trace
from compiler.relations import holds
from compiler.trace import INT64_MAX, TraceView, has_times
from compiler.trace import Span as AnySpan
from tests.compiler.lua_runtime import MODES, Lua, lua, relations
from topics.span import AttributeValue, Span

IN_TIME = ("before", "after", "during", "overlaps")
OF_PARENTS = ("child of", "sibling of", "under")
KEY = ir.Attribute(ir.AttributeScope.SPAN, "k")
ROW = struct.Struct("<16xQQqq16x16x12xi")
KEYS: tuple[AttributeValue | None, ...] = (None, True, False, 1, 1.0, 2.5, math.nan, "1", "x", "")

# The row of memory.lua as far as relations read it.
ASK = b"""
local ffi = require('ffi')
local row = ffi.typeof[[struct { uint64_t tid0, tid1, sid, pid; int64_t t0, t1; int32_t name, trace, kind, status;
    const uint8_t *p, *np; int32_t plen, nlen, res, timed; }]]
local rows_of, ids_of = ffi.typeof('$[?]', row), ffi.typeof('uint64_t[?]')
local function list_of(t) t.n = #t; return t end
return function(R, relation, packed, count, ids, pids, id_count, as, bs, skew, within, keys_a, keys_b)
  local rows = rows_of(count + 1)
  ffi.copy(rows, packed, #packed)
  local known, bound = {}, 0
  local function numbered(keys)
    local ids = ffi.new('int32_t[?]', count + 1)
    for r = 0, count - 1 do
      local key = keys[r + 1]
      ids[r] = -1
      if key ~= nil and key == key then
        if not known[key] then known[key], bound = bound, bound + 1 end
        ids[r] = known[key]
      end
    end
    return { ids = ids, bound = bound }
  end
  local keya = keys_a and numbered(keys_a) or nil
  local keyb = keys_b and numbered(keys_b) or nil
  local int = function(digits) return digits and loadstring('return ' .. digits .. 'LL')() or nil end
  local found
  if relation == 'under' then
    local all, parents = ids_of(id_count + 1), ids_of(id_count + 1)
    ffi.copy(all, ids, #ids)
    ffi.copy(parents, pids, #pids)
    local tree = R.tree(all, parents, id_count)
    found = R.under(rows, list_of(as), list_of(bs), tree, keya, keyb)
  else
    found = R[relation](rows, list_of(as), list_of(bs), int(skew), int(within), keya, keyb)
  end
  assert(found.n == #found)
  return unpack(found)
end
"""


@cache
def asking(mode: str) -> Lua:
    return lua(mode).execute(ASK)


def lua_int(number: int) -> bytes:
    """A literal of an int64; the least one has no literal of its own."""
    return b"-9223372036854775807LL-1" if number == -(2**63) else b"%d" % number


def row(span: AnySpan) -> bytes:
    timed = has_times(span)
    times = (span.start_ns, span.end_ns) if timed else (0, 0)
    return ROW.pack(little(span.span_id), little(span.parent_id), *times, int(timed))


def little(digits: str) -> int:
    return int.from_bytes(bytes.fromhex(digits), "little")


class Question(NamedTuple):
    """Which of `as_` have a partner in `bs`: places in the view of `spans`, which come in order of arrival."""

    link: ir.Link
    spans: Sequence[Span]
    as_: Sequence[int]
    bs: Sequence[int]
    skew_ns: int = 0


def in_lua(mode: str, asked: Question, rows: Sequence[AnySpan] | None = None) -> list[int]:
    """Ask Lua, which says the same whether it looks at each pair or sweeps.

    `rows`, if not all spans of the view in its order, are those that `as_` and `bs` speak of.
    """
    by_pairs, by_sweep = (_asked(relations(mode, few), mode, asked, rows) for few in (2**31, 0))
    assert by_pairs == by_sweep
    return by_sweep


def _asked(library: Lua, mode: str, asked: Question, rows: Sequence[AnySpan] | None) -> list[int]:
    rows = rows or TraceView(asked.spans).spans
    table = lua(mode).table_from
    keys = {place: key for place, span in enumerate(rows, 1) if (key := lua_key(span)) is not None}
    found = asking(mode)(
        library,
        asked.link.relation.replace(" ", "_").encode(),
        b"".join(map(row, rows)),
        len(rows),
        ids(span.span_id for span in asked.spans),
        ids(span.parent_id for span in asked.spans),
        len(asked.spans),
        table(asked.as_),
        table(asked.bs),
        lua_int(asked.skew_ns),
        None if asked.link.within_ns is None else lua_int(asked.link.within_ns),
        table(keys) if asked.link.on else None,
        table(keys) if asked.link.on else None,
    )
    if found is None:
        return []
    return list(found) if isinstance(found, tuple) else [found]


def ids(all_digits: Iterable[str]) -> bytes:
    return b"".join(struct.pack("<Q", little(digits)) for digits in all_digits)


def lua_key(span: AnySpan) -> object:
    key = span.attributes.get("k")
    return key.encode() if isinstance(key, str) else key


def by_meaning(asked: Question) -> list[int]:
    view = TraceView(asked.spans)
    trace = Trace(view, is_open=False, skew_tolerance_ns=asked.skew_ns)
    return [a for a in asked.as_ if any(a != b and holds(asked.link, view.spans[a], view.spans[b], trace) for b in asked.bs)]


def span(number: int, start_ns: int, end_ns: int, parent: int | None = None, key: AttributeValue | None = None) -> Span:
    # The digits of an id do not come in the order of its bytes in memory, so both orders are met.
    digits, parent_digits = (f"{0 if of is None else (of * 0x0100000000000003 + 1) % 2**64:016x}" for of in (number, parent))
    attributes = {} if key is None else {"k": key}
    return Span("0" * 31 + "1", digits, "s", start_ns, end_ns, "" if parent is None else parent_digits, attributes=attributes)


# ---- small nasty traces --------------------------------------------------------------------------------------------------------------

_moments = st.one_of(st.integers(1, 6), st.integers(INT64_MAX - 4, INT64_MAX), st.sampled_from([0, 2**63, 2**62]))
_tolerances = st.sampled_from([0, 1, 2, 10, 60 * 10**9, INT64_MAX])
_within = st.sampled_from([None, 0, 1, 2, 3, -1, -2, -4, INT64_MAX - 1, INT64_MAX, -INT64_MAX, -(2**63), 2**62])


@st.composite
def _traces(draw: st.DrawFn) -> list[Span]:
    count = draw(st.integers(0, 9))
    numbers = st.integers(0, 9)
    return [
        span(draw(numbers), draw(_moments), draw(_moments), draw(st.none() | numbers), draw(st.sampled_from(KEYS))) for _ in range(count)
    ]


@st.composite
def _links(draw: st.DrawFn, relation: str) -> ir.Link:
    within = draw(_within) if relation in {"before", "after"} else None
    return ir.Link(relation, ir.Selector(ir.AnySpan()), draw(st.sampled_from([(), (KEY,)])), within)


def _some(draw_from: st.DataObject, count: int) -> list[int]:
    return [place for place in range(count) if draw_from.draw(st.integers(0, 3)) > 0]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("relation", IN_TIME + OF_PARENTS)
@settings(deadline=None)
@given(spans=_traces(), skew_ns=_tolerances, data=st.data())
def test_a_span_is_selected_exactly_where_the_reference_engine_finds_a_partner(
    mode: str, relation: str, spans: list[Span], skew_ns: int, data: st.DataObject
) -> None:
    link = data.draw(_links(relation))
    count = len(TraceView(spans).spans)
    as_, bs = _some(data, count), _some(data, count)
    asked = Question(link, spans, as_, bs, skew_ns)
    assert in_lua(mode, asked) == by_meaning(asked)


def link_of(relation: str, within_ns: int | None = None, *, keyed: bool = False) -> ir.Link:
    return ir.Link(relation, ir.Selector(ir.AnySpan()), (KEY,) if keyed else (), within_ns)


# ---- long traces ---------------------------------------------------------------------------------------------------------------------


# The latest start and the greatest duration. In a sparse trace a few long spans lie over many that meet nothing else.
TIMES = {"crowded": (5, 3), "sparse": (1500, 400)}


def long_trace(shape: str, count: int) -> list[Span]:
    """A trace of several hundred spans: crowded or sparse times, deep chains, rings, or ids that differ in one bit only."""
    draw = random.Random(f"{shape} {count}")
    spans = []
    for number in range(count):
        latest, longest = TIMES.get(shape, (count, 9))
        start = draw.randint(1, latest)
        end = start + draw.choice([-1, 0, draw.randint(0, longest), draw.randint(0, 3)])
        parent = {
            "deep": number - 1 if number else None,
            "rings": draw.choice([number ^ 1, number, draw.randrange(count)]),
        }.get(shape, draw.choice([None, draw.randrange(count), draw.randrange(2 * count)]))
        spans.append(span(number, start, end, parent, draw.choice([*KEYS, *range(20)])))
    draw.shuffle(spans)
    return spans


@pytest.mark.parametrize("keyed", [False, True], ids=["", "on"])
@pytest.mark.parametrize("relation", IN_TIME + OF_PARENTS)
@pytest.mark.parametrize("shape", ["plain", "crowded", "sparse", "deep", "rings"])
def test_a_long_trace_means_what_a_short_one_does(shape: str, relation: str, *, keyed: bool) -> None:
    spans = long_trace(shape, 150)
    draw = random.Random(relation)
    as_, bs = (sorted(draw.sample(range(150), 100)) for _ in range(2))
    if relation in {"under", "child of"} or shape == "sparse":
        bs = bs[::4]
    for within_ns in (None, 2, -1) if relation in {"before", "after"} else (None,):
        link = link_of(relation, within_ns, keyed=keyed)
        asked = Question(link, spans, as_, bs, 1)
        assert [in_lua(mode, asked) for mode in MODES] == [by_meaning(asked)] * len(MODES)


# ---- corners -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("relation", IN_TIME + OF_PARENTS)
def test_of_no_span_or_no_partner_nothing_is_selected(mode: str, relation: str) -> None:
    spans = [span(1, 1, 1, 2), span(2, 1, 1, 2)]
    for as_, bs in (([], []), ([0, 1], []), ([], [0, 1])):
        assert in_lua(mode, Question(link_of(relation), spans, as_, bs)) == []


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("relation", IN_TIME)
def test_a_span_is_no_partner_of_itself_but_its_double_is(mode: str, relation: str) -> None:
    assert in_lua(mode, Question(link_of(relation), [span(1, 5, 5)], [0], [0], 1)) == []
    assert in_lua(mode, Question(link_of(relation), [span(1, 5, 5), span(2, 5, 5)], [0, 1], [0, 1], 1)) == [0, 1]


@pytest.mark.parametrize("mode", MODES)
def test_what_is_further_than_int64_from_skew_and_within_does_not_wrap_round(mode: str) -> None:
    spans = [span(1, 1, 1), span(2, INT64_MAX, INT64_MAX)]
    assert in_lua(mode, Question(link_of("before", INT64_MAX), spans, [0, 1], [0, 1], INT64_MAX)) == [0, 1]
    assert in_lua(mode, Question(link_of("after", INT64_MAX), spans, [0, 1], [0, 1], 1)) == [1]
    assert in_lua(mode, Question(link_of("before", -(2**63)), spans, [0, 1], [0, 1], 1)) == []


@pytest.mark.parametrize("mode", MODES)
def test_spans_that_no_rule_names_are_links_of_the_chain(mode: str) -> None:
    spans = [span(3, 1, 1, 2), span(2, 1, 1, 1), span(1, 1, 1)]
    named = [spans[2], spans[0]]
    assert in_lua(mode, Question(link_of("under"), spans, [0, 1], [0, 1]), named) == [1]
    assert in_lua(mode, Question(link_of("under"), [spans[0], spans[2]], [0, 1], [0, 1]), named) == []


@pytest.mark.parametrize("mode", MODES)
def test_more_rings_than_spans_asked_about_do_no_harm(mode: str) -> None:
    spans = [span(number, 1, 1, number ^ 1) for number in range(1000)]
    rows = TraceView(spans).spans
    by_id = {one.span_id: place for place, one in enumerate(rows)}
    asked = sorted(by_id[span(number, 1, 1).span_id] for number in (998, 999))
    assert in_lua(mode, Question(link_of("under"), spans, asked, asked)) == asked
    assert in_lua(mode, Question(link_of("under"), spans, asked[:1], asked[:1])) == []


@pytest.mark.parametrize("mode", MODES)
@settings(deadline=None)
@given(spans=_traces())
@example(spans=[span(1, 1, 1, 1)])
@example(spans=[span(1, 1, 1, 2), span(1, 1, 1, 3), span(2, 1, 1), span(3, 1, 1)])
def test_of_one_id_the_first_to_arrive_is_the_link_of_the_chain(mode: str, spans: list[Span]) -> None:
    everything = list(range(len(TraceView(spans).spans)))
    for place in everything:
        asked = Question(link_of("under"), spans, everything, [place])
        assert in_lua(mode, asked) == by_meaning(asked)
