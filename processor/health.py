"""What the worker says of itself over HTTP: alive, ready, and why not."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from processor.metrics import RECORDS_UNKEYED
from processor.metrics_page import CONTENT_TYPE, PrometheusMetrics
from processor.settings import GroupProtocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from compiler import RuleSet
    from processor.kafka_group import PartitionGroup
    from processor.settings import Settings

_OK, _UNAVAILABLE = 200, 503


@dataclass(frozen=True, slots=True)
class Page:
    """An answer over HTTP."""

    status: int
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Health:
    """Looks at the parts of a worker, or of a sharder, which has no rules; changes nothing."""

    settings: Settings
    rule_set: RuleSet | None
    group: PartitionGroup
    metrics: PrometheusMetrics

    def pages(self) -> Mapping[str, Callable[[], Page]]:
        """Return the pages by path."""
        return {"/healthz": self.alive, "/readyz": self.ready, "/metrics": self.exposed}

    def alive(self) -> Page:
        """200 while the work goes round; 503 where it hangs, so that a supervisor starts the worker anew."""
        still_s = time.monotonic() - self.group.progress
        is_alive = still_s < self.settings.progress_timeout_s
        return _json(_OK if is_alive else _UNAVAILABLE, {"alive": is_alive, "seconds_since_progress": round(still_s, 3)})

    def ready(self) -> Page:
        """200 once the group has given this worker its share, be it none; 503 with the reasons until then."""
        reasons = self.reasons()
        body: dict[str, object] = {
            "ready": not reasons,
            "reasons": reasons,
            "notices": self.notices(),
            "partitions": [f"{key.topic}[{key.partition}]" for key in sorted(self.group.owned.copy())],
        }
        if self.rule_set is not None:
            body["rules"] = {"fingerprint": self.rule_set.fingerprint, "enabled": len(self.rule_set.enabled)}
        return _json(_UNAVAILABLE if reasons else _OK, body)

    def exposed(self) -> Page:
        """All metrics in Prometheus' text format."""
        return Page(_OK, CONTENT_TYPE, self.metrics.page())

    def reasons(self) -> list[str]:
        """Return why the worker is not ready."""
        if self.group.has_joined:
            return []
        waited_s = time.monotonic() - self.group.started
        if waited_s < self.settings.assignment_timeout_s:
            return ["waiting for the group to assign partitions"]
        given = self.settings
        reason = f"no assignment for {waited_s:.0f} s: is {given.bootstrap_servers} reachable, does topic {given.spans_topic} exist?"
        if given.group_protocol is GroupProtocol.CONSUMER:
            reason += " group_protocol=consumer needs Kafka 4; other brokers stay silent: use classic there"
        return [self.group.refusal.explain(reason)]

    def notices(self) -> list[str]:
        """Return what does not stop the worker but spoils its verdicts."""
        unkeyed = self.metrics.total(RECORDS_UNKEYED)
        if not unkeyed:
            return []
        notice = f"{unkeyed} records of {self.settings.spans_topic} are not keyed by trace id: their traces are judged as incomplete. "
        return [notice + "Set partition_traces_by_id in the Collector's Kafka exporter"]


def _json(status: int, body: Mapping[str, object]) -> Page:
    return Page(status, "application/json", json.dumps(body).encode())
