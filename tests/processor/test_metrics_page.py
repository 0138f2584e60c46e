"""The table of metrics as Prometheus reads it."""

from __future__ import annotations

from processor import metrics as m
from processor.metrics_page import PrometheusMetrics


def test_a_gauge_that_is_forgotten_for_some_labels_is_shown_for_the_others() -> None:
    metrics = PrometheusMetrics()
    for partition in ("0", "1"):
        metrics.set(m.LAG_SECONDS, 400, "otlp_spans", partition)
    for _ in range(2):
        metrics.forget(m.LAG_SECONDS, "otlp_spans", "0")
    lines = [line for line in metrics.page().decode().splitlines() if line.startswith("betrace_lag_seconds{")]
    assert lines == ['betrace_lag_seconds{partition="1",topic="otlp_spans"} 400.0']


def test_a_violation_is_counted_under_the_labels_of_the_table() -> None:
    metrics = PrometheusMetrics()
    metrics.add(m.VIOLATIONS, 1, "r", "critical", "shadow", "raised")
    assert 'betrace_violations_total{change="raised",mode="shadow",rule="r",severity="critical"} 1.0' in metrics.page().decode()
