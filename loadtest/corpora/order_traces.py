"""Traces of orders for relations, joins and `for each`: of whatever length, the same story told as often as it takes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from loadtest.corpora import attributes
from loadtest.corpora import vocabulary as v
from loadtest.corpora.draft import Source, SpanDraft, Trace, Value
from loadtest.corpora.shop_traces import START_NS, source

# What one order does, in this order; each step is a child of the order but for those that run inside of the step before.
STEPS = (
    *("cache.get", "stock.reserve", "db.query", "db.query", "fraud.check", "db.query", "payment.authorize", "payment.charge"),
    *("retry", "db.query", "audit.log", "cache.get", "db.query", "stock.release", "mail.render", "mail.send", "db.query", "cache.set"),
)
_INSIDE = frozenset({"db.query", "cache.get", "cache.set", "retry"})
_SERVICE_BY_FAMILY = {"stock": "inventory", "fraud": "fraud", "payment": "payments", "mail": "notify", "order": "checkout"}
_STEP_NS = 2_000_000
# How often an order leaves a step out: what the rules find.
_LEFT_OUT = {"fraud.check": 0.05, "audit.log": 0.05, "stock.release": 0.08, "payment.authorize": 0.03}
_DEPTH_MAX = 12


def order_traces(seed: int, span_count: int) -> Iterator[Trace]:
    """Yield traces of exactly `span_count` spans without end, the same ones for the same seed."""
    r = Random(seed)
    sources = {service: source(r, service, number) for number, service in enumerate(v.SERVICES)}
    while True:
        yield _Story(r, sources, r.randbytes(16), START_NS + r.randrange(10**15)).told(span_count)


@dataclass(slots=True)
class _Story:
    """One trace under way; `now_ns` moves on with every step."""

    r: Random
    sources: dict[str, Source]
    trace_id: bytes
    now_ns: int
    spans: list[SpanDraft] = field(default_factory=list)

    def told(self, span_count: int) -> Trace:
        root = self._add("POST /api/checkout", b"", ())
        parent_id, depth = root.span_id, 0
        while len(self.spans) < span_count:
            # Orders follow from orders up to some depth, so that a chain of parents is long but no trace is one chain.
            order = self._order(parent_id)
            parent_id, depth = (order.span_id, depth + 1) if depth < _DEPTH_MAX else (root.span_id, 0)
        return tuple(self.spans[:span_count])

    def _order(self, parent_id: bytes) -> SpanDraft:
        r = self.r
        amount = round(r.lognormvariate(5, 1.4), 2)
        about: tuple[tuple[str, Value], ...] = (("order.id", f"ord-{attributes.hexadecimal(r, 8)}"), ("amount", amount))
        order = last = self._add("order.process", parent_id, about)
        steps = [step for step in STEPS if r.random() >= _LEFT_OUT.get(step, 0)]
        if r.random() < 0.04:
            steps.insert(r.randrange(len(steps)), "payment.charge")
        for step in steps:
            inside = step in _INSIDE
            made = self._add(step, last.span_id if inside else order.span_id, about)
            last = last if inside else made
        return order

    def _add(self, name: str, parent_id: bytes, about: tuple[tuple[str, Value], ...]) -> SpanDraft:
        r = self.r
        service = _SERVICE_BY_FAMILY.get(v.family(name), v.ENTRY)
        start_ns = self.now_ns + r.randrange(_STEP_NS // 2)
        self.now_ns += _STEP_NS
        pairs = attributes.drawn(r, service, name if " " not in name else "gateway.answer", r.randrange(11, 14))
        own = tuple(pair for pair in pairs if pair[0] not in {"order.id", "amount"})
        rows: tuple[tuple[str, Value], ...] = (("db.rows", r.randrange(1000)),) if name == "db.query" else ()
        end_ns = start_ns + min(int(r.lognormvariate(13.5, 1)), 20 * _STEP_NS)
        span = SpanDraft(
            self.sources[service], self.trace_id, r.randbytes(8), parent_id, name, start_ns, end_ns, attributes=(*own, *about, *rows)
        )
        self.spans.append(span)
        return span
