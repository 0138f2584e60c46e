"""What the API service counts, in Prometheus' words."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client import Counter as PrometheusCounter
from prometheus_client.core import GaugeMetricFamily

from api.projection import AsideReason
from api.view import ViewError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from prometheus_client.core import Metric

    from api.feed import Feed, FeedSource
    from api.projection import Projected
    from api.rule_files import LoadedRules, RuleFiles
    from api.view import View

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# Methods are the client's words: others would make as many series as a client likes.
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_ROW = "row"


class ApiMetrics:
    """The counters of one service, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._records = PrometheusCounter(
            "betrace_api_records",
            "Records read from the violations topic: rows of the view, or set aside for a reason.",
            ["outcome"],
            registry=self.registry,
        )
        self._expired = PrometheusCounter(
            "betrace_api_records_expired", "Records that the broker dropped before they were read.", registry=self.registry
        )
        self._failures = PrometheusCounter(
            "betrace_api_feed_failures", "Times that reading the topic failed and began again.", registry=self.registry
        )
        self._requests = PrometheusCounter("betrace_api_requests", "HTTP requests.", ["method", "route", "status"], registry=self.registry)
        self._seconds = Histogram("betrace_api_request_seconds", "Time to answer an HTTP request.", ["route"], registry=self.registry)
        for outcome in (_ROW, *AsideReason):
            self._records.labels(str(outcome))

    def read(self, projected: Sequence[Projected]) -> None:
        """Count records that were written to the view."""
        for outcome, count in Counter(str(getattr(item, "reason", _ROW)) for item in projected).items():
            self._records.labels(outcome).inc(count)

    def expired(self, count: int) -> None:
        """Count records that were gone before they were read."""
        self._expired.inc(count)

    def failed(self) -> None:
        """Count a failure of the feed."""
        self._failures.inc()

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answered request; `route` is the template of the path, never the path itself."""
        self._requests.labels(method if method in _METHODS else "other", route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def watch(self, states: States) -> None:
        """Show the states of view, feed and rules at each scrape."""
        self.registry.register(states)

    def text(self) -> bytes:
        """Return every metric in the text format."""
        return generate_latest(self.registry)


@dataclass(frozen=True, eq=False)
class States:
    """The gauges: asked for when they are scraped."""

    view: View
    feed: FeedSource | None
    rules: RuleFiles | None

    def collect(self) -> Iterable[Metric]:
        """Return what is so now; a state that nobody knows has no value."""
        yield from self._view()
        yield from _feed(None if self.feed is None else self.feed.feed())
        yield from _rules(None if self.rules is None else self.rules.loaded())

    def _view(self) -> Iterable[Metric]:
        violations = GaugeMetricFamily("betrace_api_view_violations", "Violations in the view, by verdict.", labels=["verdict"])
        try:
            counts = self.view.verdict_counts()
        except ViewError:
            counts = None
        for verdict, count in (counts or {}).items():
            violations.add_metric([verdict], count)
        return violations, GaugeMetricFamily("betrace_api_view_up", "1 where the view can be read.", value=int(counts is not None))


def _rules(loaded: LoadedRules | None) -> Iterable[Metric]:
    diagnostics = GaugeMetricFamily(
        "betrace_api_rule_diagnostics", "Diagnostics of the rule files as they are now.", labels=["severity", "code"]
    )
    found = Counter((it.severity.value, it.code.value) for it in loaded.diagnostics) if loaded else Counter[tuple[str, str]]()
    for labels, count in found.items():
        diagnostics.add_metric(list(labels), count)
    yield diagnostics
    yield _gauge("betrace_api_rules", "Rules of the last set that compiled.", len(loaded.rules) if loaded else None)
    yield _gauge("betrace_api_rules_compiled", "1 where the rule files as they are now compile.", loaded.is_compiled if loaded else None)


def _feed(feed: Feed | None) -> Iterable[Metric]:
    lag = GaugeMetricFamily("betrace_api_lag_records", "Records of the violations topic not yet in the view.", labels=["partition"])
    for partition, count in sorted(feed.lag_records.items() if feed else ()):
        lag.add_metric([str(partition)], count)
    yield lag
    yield _gauge("betrace_api_caught_up", "1 once the end of every partition was reached.", feed.is_caught_up if feed else None)
    yield _gauge("betrace_api_topic_up", "1 while the violations topic is read.", not feed.problem if feed else None)


def _gauge(name: str, sentence: str, value: int | None) -> Metric:
    return GaugeMetricFamily(name, sentence, value=None if value is None else int(value))
