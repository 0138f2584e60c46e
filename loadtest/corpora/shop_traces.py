"""Traces of the generated shop: 12 services, 5 to 40 spans, about 13.5 attributes a span, events on 10 % and links on 2 % of the spans."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from loadtest.corpora import attributes
from loadtest.corpora import vocabulary as v
from loadtest.corpora.draft import EventDraft, LinkDraft, Source, SpanDraft, Trace

START_NS = 1_753_000_000_000_000_000
_SCHEMA_URL = "https://opentelemetry.io/schemas/1.27.0"
_POD_COUNT = 3
_SERVER = 2


@dataclass(frozen=True, slots=True)
class Shape:
    """What sets a corpus apart: attributes are padded to `attribute_count` (0: as they come), two texts of `text_size` are added."""

    attribute_count: int = 0
    text_size: int = 0


def shop_traces(seed: int, shape: Shape = Shape()) -> Iterator[Trace]:
    """Yield traces without end, the same ones for the same seed and shape."""
    r = Random(seed)
    sources = [[source(r, service, number) for _ in range(_POD_COUNT)] for number, service in enumerate(v.SERVICES)]
    by_service = dict(zip(v.SERVICES, sources, strict=True))
    while True:
        yield _trace(r, by_service, shape)


def source(r: Random, service: str, number: int) -> Source:
    """Return one pod of a service, with the ten resource attributes that a cluster's Collector knows."""
    resource = (
        ("service.name", service),
        ("service.version", f"2.{r.randrange(9)}.{r.randrange(20)}"),
        ("service.instance.id", attributes.hexadecimal(r, 32)),
        ("deployment.environment.name", "production"),
        ("host.name", f"ip-10-0-{r.randrange(256)}-{r.randrange(256)}"),
        ("k8s.namespace.name", "shop"),
        ("k8s.pod.name", f"{service}-{attributes.hexadecimal(r, 9)}-{attributes.hexadecimal(r, 5)}"),
        ("telemetry.sdk.name", "opentelemetry"),
        ("telemetry.sdk.language", "python"),
        ("telemetry.sdk.version", "1.27.0"),
    )
    return Source(resource, f"io.opentelemetry.{service}", f"1.{number}.0", scope_schema_url=_SCHEMA_URL)


def _trace(r: Random, sources: dict[str, list[Source]], shape: Shape) -> Trace:
    trace_id, began_ns = r.randbytes(16), START_NS + r.randrange(10**15)
    others = [service for service in v.SERVICES if service != v.ENTRY]
    services = [v.ENTRY, *r.sample(others, r.randrange(2, 6))]
    # Of a service one pod serves a trace.
    pods = {service: r.choice(sources[service]) for service in services}
    spans: list[SpanDraft] = []
    for number in range(r.randrange(5, 41)):
        service = v.ENTRY if number == 0 else r.choice(services)
        parent_id = r.choice(spans).span_id if spans else b""
        spans.append(_span(r, (trace_id, r.randbytes(8), parent_id), service, pods[service], began_ns, shape))
    return tuple(spans)


def _span(r: Random, ids: tuple[bytes, bytes, bytes], service: str, pod: Source, began_ns: int, shape: Shape) -> SpanDraft:
    name = _name(r, service)
    start_ns = began_ns + r.randrange(200_000_000)
    failed = r.random() < 0.04
    pairs = attributes.drawn(r, service, name, r.randrange(12, 16))
    if shape.attribute_count:
        pairs = attributes.padded(r, pairs, shape.attribute_count)
    if shape.text_size:
        pairs = attributes.lengthened(r, pairs, shape.text_size)
    return SpanDraft(
        pod,
        *ids,
        name,
        start_ns,
        start_ns + int(r.lognormvariate(15, 1.5)),
        kind=_SERVER if v.family(name) in v.HTTP_VERBS else r.choice((1, 1, 3)),
        status=2 if failed else r.choice((0, 0, 0, 1)),
        status_message="deadline exceeded" if failed else "",
        trace_state="vendor=abc:1" if r.random() < 0.03 else "",
        attributes=pairs,
        events=_events(r, start_ns, failed=failed),
        links=(LinkDraft(ids[0], r.randbytes(8)),) if r.random() < 0.02 else (),
    )


def _name(r: Random, service: str) -> str:
    while True:
        name = r.choice(v.SERVICES[service])
        if r.random() < v.KEPT.get(name, 1):
            return name


def _events(r: Random, start_ns: int, *, failed: bool) -> tuple[EventDraft, ...]:
    if failed and r.random() < 0.5:
        texts = (("exception.message", "upstream timed out after 2000 ms"), ("exception.stacktrace", v.STACK_TRACE))
        return (EventDraft(start_ns + 1000, "exception", (("exception.type", "TimeoutError"), *texts)),)
    if r.random() < 0.08:
        return (EventDraft(start_ns + 500, "message", (("message.id", r.randrange(1000)), ("message.type", "SENT"))),)
    return ()
