"""Corpora: what a measurement reads, and the facts that are printed with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from random import Random
from typing import TypeAlias

from loadtest.corpora.draft import SpanDraft, Trace
from loadtest.corpora.wire import Layout, Writer
from processor.inputs import InputRecord, read_inputs
from topics.otlp import decode_protobuf
from topics.recordings import recording
from topics.span import Span

Records: TypeAlias = tuple[bytes, ...]

_BATCH_SIZE = (500, 1000)


class Form(StrEnum):
    """How spans come in records."""

    TRACES = "a record per trace"
    BATCHES = "batches of many traces"


@dataclass(frozen=True, slots=True)
class Facts:
    """What a corpus is made of, counted in its bytes."""

    name: str
    form: str
    layout: str
    record_count: int
    span_count: int
    trace_count: int
    spans_per_record: float
    attributes_per_span: float
    bytes_per_span: float


@dataclass(frozen=True, slots=True)
class Survey:
    """A corpus as the product's decoder reads it: the ids of all its traces, and whole traces from all over it with their spans."""

    facts: Facts
    trace_ids: frozenset[str]
    sample: Mapping[str, Sequence[Span]]


@dataclass(frozen=True, slots=True)
class Corpus:
    """Records to be judged, every trace at their end, and the spans they hold."""

    name: str
    form: str
    layout: str
    records: Records

    def facts(self) -> Facts:
        """Decode the records and count."""
        return self.survey(0).facts

    def survey(self, span_count: int) -> Survey:
        """Decode the records, count, and keep traces with about so many spans, at least one trace."""
        traces: dict[str, list[Span]] = {}
        for record in self.records:
            for span in decode_protobuf(record).spans:
                traces.setdefault(span.trace_id, []).append(span)
        ids = list(traces)
        facts = self._facts(traces)
        step = max(1, facts.span_count // max(1, span_count))
        return Survey(facts, frozenset(ids), {trace_id: traces[trace_id] for trace_id in ids[::step]})

    def _facts(self, traces: Mapping[str, Sequence[Span]]) -> Facts:
        count = max(1, sum(map(len, traces.values())))
        attribute_count = sum(len(span.attributes) for spans in traces.values() for span in spans)
        return Facts(
            name=self.name,
            form=self.form,
            layout=self.layout,
            record_count=len(self.records),
            span_count=sum(map(len, traces.values())),
            trace_count=len(traces),
            spans_per_record=round(count / max(1, len(self.records)), 1),
            attributes_per_span=round(attribute_count / count, 1),
            bytes_per_span=round(sum(map(len, self.records)) / count, 1),
        )

    def prefix(self, span_count: int) -> Corpus:
        """Return the first records with about so many spans, at least one record."""
        share = span_count / max(1, self.facts().span_count)
        count = max(1, min(len(self.records), round(len(self.records) * share)))
        return Corpus(self.name, self.form, self.layout, self.records[:count])


def written(name: str, traces: Iterable[Trace], form: Form, layout: Layout) -> Corpus:
    """Return a corpus of these traces."""
    writer = Writer(layout)
    grouped = map(_by_source, traces) if form is Form.TRACES else _batches(traces)
    return Corpus(name, form.value, f"{layout} layout", tuple([writer.record(spans) for spans in grouped]))


def enough(traces: Iterator[Trace], span_count: int) -> list[Trace]:
    """Take traces until they have so many spans."""
    taken: list[Trace] = []
    while span_count > 0:
        taken.append(next(traces))
        span_count -= len(taken[-1])
    return taken


def recorded(name: str, file: str, form: str, span_count: int) -> Corpus:
    """Return the first records of a recording that a Collector wrote as protobuf, with at least so many spans where it has them."""
    records: list[bytes] = []
    for item in read_inputs([str(recording(file))]):
        if span_count <= 0:
            break
        if isinstance(item, InputRecord):
            records.append(item.value)
            span_count -= len(decode_protobuf(item.value).spans)
    return Corpus(name, form, "collector layout", tuple(records))


def _by_source(spans: Iterable[SpanDraft]) -> list[SpanDraft]:
    """Put the spans of one source together, sources in the order of their first span."""
    sources: dict[int, list[SpanDraft]] = {}
    for span in spans:
        sources.setdefault(id(span.source), []).append(span)
    return list(chain.from_iterable(sources.values()))


def _batches(traces: Iterable[Trace]) -> Iterator[list[SpanDraft]]:
    """Yield what a Collector's batch processor sends: windows of spans, traces mixed and cut by the edges, an export at a time."""
    r = Random(1)
    window: list[SpanDraft] = []
    target = r.randint(*_BATCH_SIZE)
    for span in chain.from_iterable(traces):
        window.append(span)
        if len(window) >= target:
            yield _mixed(r, window)
            window, target = [], r.randint(*_BATCH_SIZE)
    if window:
        yield _mixed(r, window)


def _mixed(r: Random, window: list[SpanDraft]) -> list[SpanDraft]:
    r.shuffle(window)
    return _by_source(window)
