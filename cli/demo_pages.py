"""What the parts of a demo say of themselves over HTTP: the pages of a worker, the violations of the API."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from processor.metrics import Metric
from topics.violation import Violation

_TIMEOUT_S = 10.0
_WORKER_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class WorkerPages:
    """What a worker said last: why it is not ready, its partitions, its metrics by name and values of labels.

    The values stand in the order of the labels' names.
    """

    reasons: frozenset[str] = frozenset()
    partitions: tuple[int, ...] = ()
    samples: Mapping[tuple[str, ...], float] = field(default_factory=dict)

    def value(self, metric: Metric, *labels: str) -> float | None:
        """Return a metric with these labels; None where it was never set."""
        return self.samples.get((metric.name, *(value for _, value in sorted(zip(metric.labels, labels, strict=True)))))

    def by_label(self, metric: Metric) -> Counter[str]:
        """Return a counter with one label as a table."""
        return Counter({key[1]: int(value) for key, value in self.samples.items() if key[0] == metric.name and len(key) > 1})


def worker_pages(address: str) -> WorkerPages:
    """Return what a worker says of itself. Raises OSError where it does not answer, ValueError where what it says is cut off."""
    body = json.loads(_text(f"{address}/readyz", _WORKER_TIMEOUT_S))
    families = text_string_to_metric_families(_text(f"{address}/metrics", _WORKER_TIMEOUT_S))
    samples = [sample for family in families for sample in family.samples]
    return WorkerPages(
        reasons=frozenset(reason["reason"] for reason in body["reasons"]),
        partitions=tuple(sorted(int(name.rpartition("[")[2].rstrip("]")) for name in body["partitions"])),
        samples={(it.name, *(value for _, value in sorted(it.labels.items()))): it.value for it in samples},
    )


def api_violations(address: str) -> list[Violation]:
    """Return every violation record that the API has, newest first, over all its pages. Raises OSError, ValueError."""
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = json.loads(_text(f"{address}/v1/violations?limit=200{cursor}", _TIMEOUT_S))
        found += page["items"]
        if page["next"] is None:
            return [Violation.model_validate(body) for body in found]
        cursor = f"&cursor={page['next']}"


def _text(url: str, timeout_s: float) -> str:
    """Return what a page answers, also where its status says that something is wrong."""
    try:
        with urllib.request.urlopen(url, timeout=timeout_s) as answer:  # noqa: S310 - our own loopback address
            body: bytes = answer.read()
    except urllib.error.HTTPError as error:
        with error:
            body = error.read()
    return body.decode()
