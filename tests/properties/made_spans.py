"""Spans and traces at random, small and nasty: duplicates, orphans, cycles, bad times, values of every kind, ill-formed text.

Names, keys and values come from short lists that `made_rules` knows too, so that rules meet spans.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from hypothesis import strategies as st

from topics.span import Attributes, AttributeValue, Event, Link, Resource, Scope, Span

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
NAMES = ("a", "b", "payment.charge", "GET /x")
KEYS = ("k", "v", "order", "http.status")
WORDS = ("x", "y", "Y", "", "a")
INSTANT_NS = 1_767_225_600 * 10**9
_UINT64_MAX = 2**64 - 1
_ID_COUNT = 8
_ILL_FORMED = b"x\xff".decode("utf-8", "surrogateescape")

_numbers: st.SearchStrategy[int | float] = st.sampled_from(
    [0, 1, 1.0, 2, 2.5, -0.0, -1, 9007199254740993, 9007199254740992.0, 2**63 - 1, -(2**63), 1e308, math.nan, math.inf, -math.inf, 0.1]
)
_plain: st.SearchStrategy[AttributeValue] = st.one_of(
    st.sampled_from([0, 1, 2, 1.0, 2.5]), _numbers, st.booleans(), st.sampled_from([*WORDS, "1", "true", _ILL_FORMED, "\u00e9"])
)
_arrays: st.SearchStrategy[AttributeValue] = st.lists(st.one_of(_plain, st.none()), max_size=3).map(tuple)
_values: st.SearchStrategy[AttributeValue] = st.one_of(
    _plain, _plain, _plain, _arrays, st.just(b"x"), st.just({"k": 1}), st.just((("x",), 1)), st.text(max_size=3)
)
attributes: st.SearchStrategy[Attributes] = st.dictionaries(st.sampled_from(KEYS), _values, max_size=3)


def span_id(number: int) -> str:
    """The id of the span of a number: 16 hex digits, in the order of the numbers."""
    return f"{number + 1:016x}"


@st.composite
def _times(draw: st.DrawFn) -> tuple[int, int]:
    """A start and an end close to those of the others, so that they touch; sometimes such that the span has no times."""
    start = INSTANT_NS + draw(_starts) * 1_000_000
    end = start + draw(_lengths) * 1_000_000
    bad = [(start, 0), (0, end), (start, start - 1), (start, 2**63), (start, _UINT64_MAX)]
    return draw(st.sampled_from(bad)) if draw(_sometimes) == 0 else (start, end)


_events = st.builds(
    Event,
    name=st.sampled_from(["exception", "x"]),
    time_ns=st.sampled_from([0, INSTANT_NS, INSTANT_NS + 5_000_000, 2**63]),
    attributes=attributes,
)
_links = st.builds(Link, trace_id=st.just(TRACE_ID), span_id=st.integers(0, _ID_COUNT).map(span_id), attributes=attributes)
_resources = st.builds(Resource, attributes=st.dictionaries(st.sampled_from(("service.name", *KEYS)), _values, max_size=2))
_scopes = st.builds(Scope, name=st.sampled_from(("", "lib", _ILL_FORMED)), version=st.sampled_from(("", "1")), attributes=attributes)
# What is drawn again and again is made once: hypothesis looks into each new strategy before it draws from it.
_sometimes, _starts, _lengths = st.integers(0, 7), st.integers(0, 6), st.integers(0, 4)
_numbered, _counts = st.integers(0, _ID_COUNT - 1), st.integers(1, _ID_COUNT)
_names, _messages = st.sampled_from(NAMES), st.sampled_from(WORDS)
_parents = st.one_of(st.just(""), st.integers(0, _ID_COUNT).map(span_id))
_kinds, _statuses = st.sampled_from((0, 1, 2, 3, 5, 6, -1)), st.sampled_from((0, 1, 2, 3, -1))
_events_of_span, _links_of_span = st.lists(_events, max_size=2), st.lists(_links, max_size=1)


@st.composite
def spans(draw: st.DrawFn, number: int | None = None) -> Span:
    """A span: of this number, or of any of a few so that ids meet; its parent is none, any id there may be, or absent."""
    start_ns, end_ns = draw(_times())
    return Span(
        trace_id=TRACE_ID,
        span_id=span_id(draw(_numbered) if number is None else number),
        name=draw(_names),
        start_ns=start_ns,
        end_ns=end_ns,
        parent_id=draw(_parents),
        kind=draw(_kinds),
        status=draw(_statuses),
        status_message=draw(_messages),
        attributes=draw(attributes),
        events=tuple(draw(_events_of_span)),
        links=tuple(draw(_links_of_span)),
        resource=draw(_resources),
        scope=draw(_scopes),
    )


arrivals: st.SearchStrategy[list[Span]] = st.lists(spans(), min_size=1, max_size=_ID_COUNT)
"""Spans in order of arrival; some share an id and differ in content."""


@st.composite
def _different(draw: st.DrawFn) -> list[Span]:
    return [draw(spans(number)) for number in range(draw(_counts))]


traces: st.SearchStrategy[list[Span]] = _different()
"""Spans no two of which share an id."""


@st.composite
def redelivered(draw: st.DrawFn, trace: Sequence[Span]) -> list[Span]:
    """The spans of a trace in any order, some of them more than once."""
    again = draw(st.lists(st.sampled_from(list(trace)), max_size=4))
    return draw(st.permutations([*trace, *again]))
