"""The table of metrics as Prometheus reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, CollectorRegistry, Counter, Gauge, generate_latest

from processor.metrics import METRICS, Kind, Tally

if TYPE_CHECKING:
    from processor.metrics import Metric

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4


class PrometheusMetrics:
    """Metrics of one worker; safe to use from several threads."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._counters = {
            it.name: Counter(it.name, it.sentence, it.labels, registry=self._registry) for it in METRICS if it.kind is Kind.COUNTER
        }
        self._gauges = {it.name: Gauge(it.name, it.sentence, it.labels, registry=self._registry) for it in METRICS if it.kind is Kind.GAUGE}
        # Counters by name and labels: to look one up in its family costs more than to let it grow.
        self._children: dict[tuple[str, ...], Counter] = {}
        self._tally = Tally()

    def add(self, metric: Metric, amount: int = 1, *labels: str) -> None:
        """Let a counter grow."""
        key = (metric.name, *labels)
        child = self._children.get(key)
        if child is None:
            counter = self._counters[metric.name]
            child = self._children[key] = counter.labels(*labels) if labels else counter
        child.inc(amount)
        self._tally.add(metric, amount, *labels)

    def set(self, metric: Metric, value: float, *labels: str) -> None:
        """Set a gauge."""
        gauge = self._gauges[metric.name]
        (gauge.labels(*labels) if labels else gauge).set(value)

    def replace(self, metric: Metric, value: float, *labels: str) -> None:
        """Set a gauge, and let go of what it was for other labels."""
        self._gauges[metric.name].clear()
        self.set(metric, value, *labels)

    def total(self, metric: Metric) -> int:
        """Return a counter's sum over its labels."""
        return self._tally.count(metric)

    def by_label(self, metric: Metric) -> dict[str, int]:
        """Return a counter with one label as a table, sorted by the label."""
        return self._tally.by_label(metric)

    def page(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self._registry)
