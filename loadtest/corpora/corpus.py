"""Corpora: what a measurement reads, and the facts that are printed with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from itertools import chain
from random import Random
from typing import TypeAlias

from loadtest.corpora.draft import SpanDraft, Trace
from loadtest.corpora.wire import Layout, Writer
from processor.inputs import InputRecord, read_inputs
from topics.otlp import decode_protobuf
from topics.recordings import recording

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

    def as_json(self) -> dict[str, str | int | float]:
        """Return the facts by their names."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Corpus:
    """Records to be judged, every trace at their end, and the spans they hold."""

    name: str
    form: str
    layout: str
    records: Records

    def facts(self) -> Facts:
        """Decode the records and count."""
        spans = [span for record in self.records for span in decode_protobuf(record).spans]
        size, count = sum(map(len, self.records)), max(1, len(spans))
        return Facts(
            name=self.name,
            form=self.form,
            layout=self.layout,
            record_count=len(self.records),
            span_count=len(spans),
            trace_count=len({span.trace_id for span in spans}),
            spans_per_record=round(len(spans) / max(1, len(self.records)), 1),
            attributes_per_span=round(sum(len(span.attributes) for span in spans) / count, 1),
            bytes_per_span=round(size / count, 1),
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
