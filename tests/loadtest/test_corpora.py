"""Corpora are the same for the same seed, look like what they stand for, and are written as senders write."""

from __future__ import annotations

from itertools import islice

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from loadtest.corpora.corpus import Corpus, Form, enough, recorded, written
from loadtest.corpora.draft import Trace
from loadtest.corpora.order_traces import order_traces
from loadtest.corpora.shop_traces import Shape, shop_traces
from loadtest.corpora.wire import Layout, Writer
from loadtest.workloads import LONG_TEXTS, MANY_ATTRIBUTES
from processor.inputs import read_inputs
from tests.loadtest.drafts import drafts
from topics.otlp import decode_protobuf
from topics.recordings import HOTROD_PROTO_KEYED, SHOP_PROTO_BATCHED, SHOP_PROTO_KEYED, recording
from topics.span import Span

PLAIN = Shape()


def shop(span_count: int, shape: Shape = PLAIN) -> list[Trace]:
    return enough(shop_traces(7, shape), span_count)


def spans_of(corpus: Corpus) -> list[Span]:
    decoded = [decode_protobuf(record) for record in corpus.records]
    assert not any(found.refused for found in decoded)
    return [span for found in decoded for span in found.spans]


@pytest.mark.parametrize("layout", Layout)
@pytest.mark.parametrize("form", Form)
def test_the_same_seed_gives_the_same_bytes_and_another_seed_gives_others(form: Form, layout: Layout) -> None:
    def corpus(seed: int) -> Corpus:
        return written("shop", enough(shop_traces(seed), 1500), form, layout)

    assert corpus(7) == corpus(7)
    assert corpus(7).records != corpus(8).records


def test_traces_of_orders_are_the_same_for_the_same_seed_and_have_the_length_asked_for() -> None:
    for length in (20, 2000):
        traces = list(islice(order_traces(3, length), 2))
        assert traces == list(islice(order_traces(3, length), 2))
        assert [len(trace) for trace in traces] == [length, length]
        assert all(len({span.span_id for span in trace}) == length for trace in traces)


def test_the_shop_has_the_size_and_the_mixture_that_the_figures_are_quoted_for() -> None:
    spans = [span for trace in shop(20_000) for span in trace]
    assert 13.3 < sum(len(span.attributes) for span in spans) / len(spans) < 13.7
    assert 0.09 < sum(bool(span.events) for span in spans) / len(spans) < 0.11
    assert 0.015 < sum(bool(span.links) for span in spans) / len(spans) < 0.025
    assert len({dict(span.source.resource)["service.name"] for span in spans}) == 12


def test_many_attributes_are_sixty_and_long_texts_are_thousands_of_characters() -> None:
    wide = [span for trace in shop(200, MANY_ATTRIBUTES) for span in trace]
    assert {len(span.attributes) for span in wide} == {60}
    long = [span for trace in shop(200, LONG_TEXTS) for span in trace]
    assert all(len(str(dict(span.attributes)["gen_ai.prompt"])) > 1500 for span in long)


def test_both_layouts_and_both_forms_hold_the_same_spans() -> None:
    held = [
        sorted(spans_of(written("shop", shop(2000), form, layout)), key=lambda span: (span.trace_id, span.span_id))
        for form in Form
        for layout in Layout
    ]
    assert held[0] == held[1] == held[2] == held[3]


def test_batches_hold_500_to_1000_spans_of_traces_that_go_on_in_the_next_one() -> None:
    records = written("shop", shop(5000), Form.BATCHES, Layout.COLLECTOR).records
    held = [decode_protobuf(record).spans for record in records]
    assert all(500 <= len(spans) <= 1000 for spans in held[:-1])
    assert {span.trace_id for span in held[0]} & {span.trace_id for span in held[1]}


@pytest.mark.parametrize("name", [SHOP_PROTO_KEYED, HOTROD_PROTO_KEYED])
def test_what_a_collector_recorded_is_written_byte_for_byte(name: str) -> None:
    writer, count = Writer(Layout.COLLECTOR), 0
    for item in islice(read_inputs([str(recording(name))]), 900):
        record: bytes = item.value  # type: ignore[union-attr]  # nothing of a recording is refused
        if (found := drafts(record)) is not None:
            assert writer.record(found) == record
            count += 1
    assert count == 900


def test_the_ascending_layout_is_the_one_of_protobufs_own_serializer() -> None:
    for record in written("shop", shop(500), Form.TRACES, Layout.ASCENDING).records:
        assert ExportTraceServiceRequest.FromString(record).SerializeToString() == record


def test_a_recording_ends_at_the_spans_asked_for_and_a_prefix_is_about_as_long_as_asked_for() -> None:
    corpus = recorded("shop", SHOP_PROTO_BATCHED, "batches", 500)
    assert 500 <= corpus.facts().span_count < 1200
    shorter = written("shop", shop(2000), Form.TRACES, Layout.COLLECTOR).prefix(500)
    assert 400 < shorter.facts().span_count < 600


def test_a_survey_keeps_whole_traces_from_all_over_a_corpus_and_the_ids_of_all() -> None:
    traces = shop(3000)
    survey = written("shop", traces, Form.BATCHES, Layout.COLLECTOR).survey(300)
    size_by_id = {trace[0].trace_id.hex(): len(trace) for trace in traces}
    assert survey.trace_ids == set(size_by_id)
    assert {trace_id: len(spans) for trace_id, spans in survey.sample.items()} == {
        trace_id: size_by_id[trace_id] for trace_id in survey.sample
    }
    assert 150 < sum(map(len, survey.sample.values())) < 600
    assert not survey.sample.keys() <= {trace[0].trace_id.hex() for trace in traces[: len(traces) // 2]}
