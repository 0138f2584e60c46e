"""Makes a failing example small: leaves out what it can do without, until nothing more can go."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, replace
from itertools import chain
from typing import TypeVar

from processor.trace_engine import TakenRecord
from tests.differential.example import Example, Step, compiled_file
from topics.otlp import decode, encode_protobuf
from topics.span import Resource, Scope, Span

Item = TypeVar("Item")

_CUTS = (256, 64, 16, 4, 1)


def reduced(example: Example, fails: Callable[[Example], bool], seconds: float) -> Example:
    """Return the smallest example found that fails too."""
    until = time.monotonic() + seconds
    found: Example | None = example
    while found is not None:
        example = found
        found = next((one for one in _smaller(example) if time.monotonic() < until and fails(one)), None)
    return example


def _smaller(example: Example) -> Iterator[Example]:
    plain = Example(example.rule_file, example.steps)
    for name in [field.name for field in fields(Example)]:
        if getattr(example, name) != getattr(plain, name):
            yield replace(example, **{name: getattr(plain, name)})
    yield from (replace(example, rule_file=text) for text in _smaller_rules(example.rule_file) if compiled_file(text) is not None)
    yield from (_with_steps(example, steps) for steps in _fewer(example.steps) if steps)
    for index, step in enumerate(example.steps):
        smaller = chain((records for records in _fewer(step.records) if records), _each_smaller(step.records))
        before, after = example.steps[:index], example.steps[index + 1 :]
        yield from (replace(example, steps=(*before, Step(step.partition, records), *after)) for records in smaller)


def _with_steps(example: Example, steps: tuple[Step, ...]) -> Example:
    lost = len(example.steps) - len(steps)
    move_before, drop_before = (None if at is None else max(0, at - lost) for at in (example.move_before, example.drop_before))
    return replace(example, steps=steps, move_before=move_before, drop_before=drop_before)


def _fewer(items: tuple[Item, ...]) -> Iterator[tuple[Item, ...]]:
    """Yield the items without their first or second half, then without each."""
    half = len(items) // 2
    if half > 1:
        yield items[half:]
        yield items[:half]
    yield from (items[:index] + items[index + 1 :] for index in range(len(items)))


# ---- rules --------------------------------------------------------------------------------------------------------------------------


def _smaller_rules(rule_file: str) -> Iterator[str]:
    content: dict[str, list[dict[str, object]]] = json.loads(rule_file)
    entries = tuple(content["rules"])
    yield from (_file(content, fewer) for fewer in _fewer(entries) if fewer)
    if "let" in content:
        yield json.dumps({"rules": content["rules"]})
    for index, entry in enumerate(entries):
        yield from (_file(content, (*entries[:index], less, *entries[index + 1 :])) for less in _less_of(entry))


def _less_of(entry: Mapping[str, object]) -> Iterator[dict[str, object]]:
    yield from ({**{key: value for key, value in entry.items() if key != left}} for left in entry if left not in {"id", "rule"})
    lines = tuple(str(entry["rule"]).splitlines())
    yield from ({**entry, "rule": "\n".join(fewer)} for fewer in _fewer(lines) if fewer)


def _file(content: Mapping[str, object], entries: tuple[dict[str, object], ...]) -> str:
    return json.dumps({**content, "rules": entries})


# ---- records ------------------------------------------------------------------------------------------------------------------------


def _each_smaller(records: tuple[TakenRecord, ...]) -> Iterator[tuple[TakenRecord, ...]]:
    for index, record in enumerate(records):
        yield from ((*records[:index], smaller, *records[index + 1 :]) for smaller in _smaller_record(record))


def _smaller_record(record: TakenRecord) -> Iterator[TakenRecord]:
    refused, spans = (decoded := decode(record.value, record.format)).refused, decoded.spans
    plain = record._replace(value=encode_protobuf(spans), format="protobuf")
    if record != plain:
        yield plain
        if record.format == "protobuf":
            # What is refused must stay so, or another failure than this one is made small.
            cuts = (value for value in _cut(record.value) if decode(value, "protobuf").refused == refused)
            yield from (record._replace(value=value) for value in cuts)
        return
    for fewer in chain(_fewer(spans), _each_plainer(spans)):
        yield record._replace(value=encode_protobuf(fewer))


def _cut(value: bytes) -> Iterator[bytes]:
    for size in _CUTS:
        if size < len(value):
            yield from (value[:at] + value[at + size :] for at in range(0, len(value) - size + 1, size))


def _each_plainer(spans: tuple[Span, ...]) -> Iterator[tuple[Span, ...]]:
    for index, span in enumerate(spans):
        yield from ((*spans[:index], plainer, *spans[index + 1 :]) for plainer in _plainer(span) if repr(plainer) != repr(span))


def _plainer(span: Span) -> Iterator[Span]:
    yield replace(span, attributes={}, events=(), links=(), resource=Resource(), scope=Scope(), status=0, status_message="", kind=0)
    yield replace(span, events=())
    yield replace(span, links=())
    yield replace(span, resource=Resource())
    yield replace(span, scope=Scope())
    yield replace(span, status=0, status_message="", kind=0)
    for key in span.attributes:
        yield replace(span, attributes={other: value for other, value in span.attributes.items() if other != key})
