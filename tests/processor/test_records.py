"""Laws of the records that are written: whatever spans hold, they are the model's own bytes."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from compiler.trace import has_times
from compiler.verdict import Comparison, Judgement, Verdict
from processor.keyring import Keyring
from processor.open_trace import NO_HANDLE, OpenTrace
from processor.record import PartitionKey
from processor.records import RecordMaker, evidence, judged_part, rule_part, service_name
from processor.trace_engine import TraceFacts
from tests.doubles.reading import reread
from tests.processor.played import NEEDS_CHECK, Played, rules
from topics.signatures import is_signed
from topics.span import Resource, Span
from topics.violation import Change, CloseReason, ComparedValues, Offender, canonical_json

if TYPE_CHECKING:
    from pydantic import BaseModel

    from topics.span import AttributeValue

_INT64 = st.integers(-(2**63), 2**63 - 1)
# Half surrogates: bytes that were no UTF-8 come as the lower ones, half a pair in JSON may be any.
_TEXTS = st.text(
    st.characters(codec="utf-8") | st.characters(categories=["Cs"]) | st.sampled_from('\x00\x1f\x7f"\\\n\u2028\U0001f600')
) | st.just("é" * 5000)
_SCALARS = st.none() | st.booleans() | _INT64 | st.floats() | st.sampled_from([1e16, 1e-5, 1e22, 5e-324, 0.1, -0.0]) | _TEXTS
_VALUES = st.recursive(
    st.booleans() | _INT64 | st.floats() | _TEXTS | st.binary(),
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=5,
)
_TIMES = st.integers(0, 2**63 - 1)
_MARGINS = st.none() | st.integers(-(2**64), 2**64) | st.floats(allow_nan=False, allow_infinity=False)
_COMPARISONS = st.builds(Comparison, _TEXTS, _SCALARS, _SCALARS, _MARGINS)
_FACTS = st.builds(
    TraceFacts,
    st.none() | _TEXTS,
    st.none() | _TEXTS,
    st.lists(_TEXTS, max_size=3).map(tuple),
    st.none() | st.integers(0, 10**18),
    st.none() | st.integers(10**18, 2**63 - 1),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
)
_SIGNING = b"s" * 32
_EVIDENCE = rules(NEEDS_CHECK.replace("[amount, customer, region]", '[amount, customer, region, "k\u00e9y"]')).enabled[0]


def _maker(facts: TraceFacts, judgement: Judgement, keyring: Keyring) -> RecordMaker:
    trace = OpenTrace(
        "0a" * 16, Played().partition.judging, NO_HANDLE, PartitionKey("spans", 3), 7, 1, 5, 5, 5, 5, 9, close_reason=CloseReason.IDLE
    )
    return RecordMaker(_EVIDENCE, rule_part(_EVIDENCE, "f" * 12), judged_part(trace, facts), judgement, facts, trace, 10**18 + 1, keyring)


def _bytes(part: BaseModel) -> bytes:
    return canonical_json(part.model_dump(mode="json"))


def _offender(name: str, value: AttributeValue, other: AttributeValue, times: tuple[int, int]) -> Span:
    attributes = {"amount": value, "customer": other, "k\u00e9y": other}
    return Span("0a" * 16, "0b" * 8, name, *times, attributes=attributes, resource=Resource({"service.name": name, "region": value}))


_OFFENDERS = st.lists(st.builds(_offender, _TEXTS, _VALUES, _VALUES, st.tuples(_TIMES, _TIMES)), max_size=2).map(tuple)
_JUDGEMENTS = st.builds(
    Judgement,
    st.just("needs-check"),
    st.just(Verdict.VIOLATED),
    st.sampled_from([(), ("always",), ("always", "never")]),
    _OFFENDERS,
    st.integers(0, 10**9),
    st.lists(_COMPARISONS, max_size=2).map(tuple),
)


@given(facts=_FACTS, judgement=_JUDGEMENTS, keyring=st.sampled_from([Keyring(), Keyring(_SIGNING, b"r" * 32)]))
def test_a_written_record_is_the_models_whatever_spans_hold(facts: TraceFacts, judgement: Judgement, keyring: Keyring) -> None:
    maker = _maker(facts, judgement, keyring)
    body = maker.body()
    written = maker.written(body, 2, Change.UPDATED)
    record = reread(written)
    assert (record.signature is not None) == (keyring.signing_key is not None)
    assert record.signature is None or is_signed(written.value, _SIGNING)
    said = record.model_dump(mode="json", exclude={"revision", "change", "decided_at", "signature"})
    assert body.digest == hashlib.sha256(canonical_json(said)).digest()


@given(_JUDGEMENTS)
def test_comparisons_and_offenders_are_written_as_the_model_shows_their_values(judgement: Judgement) -> None:
    facts = TraceFacts("root", "shop", ("shop",), 5, 10, 2, 0)
    maker = _maker(facts, judgement, Keyring())
    record = reread(maker.written(maker.body(), 1, Change.RAISED))
    wanted = [ComparedValues(text=it.text, left=it.left, right=it.right, margin=it.margin) for it in judgement.comparisons]
    assert [_bytes(it) for it in record.comparisons] == [_bytes(it) for it in wanted]
    for offender, span in zip(record.offenders, judgement.offenders, strict=True):
        plain = Offender(
            span_id=span.span_id,
            service=service_name(span),
            name=span.name,
            start_offset_ns=span.start_ns - 5 if has_times(span) else None,
            duration_ns=span.end_ns - span.start_ns if has_times(span) else None,
            attributes=evidence(span, _EVIDENCE.text),
        )
        assert _bytes(offender) == _bytes(plain)
