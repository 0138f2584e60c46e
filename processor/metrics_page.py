"""The table of metrics as Prometheus reads it."""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, CollectorRegistry, Gauge, generate_latest
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from processor.metrics import METRICS, Kind, Tally

if TYPE_CHECKING:
    from collections.abc import Iterator

    from processor.metrics import Metric

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4


class PrometheusMetrics(Collector):
    """Metrics of one worker; safe to use from several threads.

    Counters are kept in a tally and become Prometheus' own when somebody reads the page: they grow far more often than that.
    """

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(self)
        self._gauges = {it.name: Gauge(it.name, it.sentence, it.labels, registry=self._registry) for it in METRICS if it.kind is Kind.GAUGE}
        self._tally = Tally()
        self._lock = threading.Lock()

    def add(self, metric: Metric, amount: int = 1, *labels: str) -> None:
        """Let a counter grow."""
        with self._lock:
            self._tally.add(metric, amount, *labels)

    def set(self, metric: Metric, value: float, *labels: str) -> None:
        """Set a gauge."""
        gauge = self._gauges[metric.name]
        (gauge.labels(*labels) if labels else gauge).set(value)

    def forget(self, metric: Metric, *labels: str) -> None:
        """Show a gauge no longer for these labels."""
        self._gauges[metric.name].remove(*labels)

    def replace(self, metric: Metric, value: float, *labels: str) -> None:
        """Set a gauge, and let go of what it was for other labels."""
        self._gauges[metric.name].clear()
        self.set(metric, value, *labels)

    def total(self, metric: Metric) -> int:
        """Return a counter's sum over its labels."""
        with self._lock:
            return self._tally.count(metric)

    def by_label(self, metric: Metric) -> dict[str, int]:
        """Return a counter with one label as a table, sorted by the label."""
        with self._lock:
            return self._tally.by_label(metric)

    def page(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self._registry)

    def describe(self) -> list[CounterMetricFamily]:
        """Return the counters of the table, as the registry asks for them when it is told of this."""
        return [_family(it) for it in METRICS if it.kind is Kind.COUNTER]

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Yield every counter: 0 where it has no labels and nothing was counted."""
        with self._lock:
            counts = dict(self._tally.counts)
        by_name: defaultdict[str, dict[tuple[str, ...], int]] = defaultdict(dict)
        for (name, *labels), amount in counts.items():
            by_name[name][tuple(labels)] = amount
        for family, metric in zip(self.describe(), (it for it in METRICS if it.kind is Kind.COUNTER), strict=True):
            for values, amount in (by_name[metric.name] or ({} if metric.labels else {(): 0})).items():
                family.add_metric(values, amount)
            yield family


def _family(metric: Metric) -> CounterMetricFamily:
    return CounterMetricFamily(metric.name, metric.sentence, labels=metric.labels)
