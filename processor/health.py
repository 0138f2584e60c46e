"""What the worker says of itself over HTTP: alive, ready, and why not."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from processor import metrics as m
from processor.closing import SECOND_NS
from processor.metrics_page import CONTENT_TYPE, PrometheusMetrics
from processor.readiness import Facts, NotReady, not_ready, notices
from processor.rules_in_force import RulesInForce, RulesStanding
from processor.settings import GroupProtocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from processor.handler import Handler
    from processor.kafka_group import PartitionGroup
    from processor.record import PartitionKey
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
    """Looks at the parts of a worker, or of a sharder, which has neither rules nor a core that judges; changes nothing."""

    settings: Settings
    rules: RulesInForce | None
    group: PartitionGroup
    metrics: PrometheusMetrics
    core: Handler | None = None

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
        facts = self.facts()
        reasons, notes = not_ready(facts), notices(facts)
        body: dict[str, object] = {
            "ready": not reasons,
            "reasons": [{"reason": reason, "text": text} for reason, text in reasons.items()],
            "notices": [{"notice": notice, "text": text} for notice, text in notes.items()],
            "partitions": [_named(key) for key in sorted(self.group.owned.copy())],
        }
        program = None if self.rules is None else self.rules.standing.program
        if program is not None:
            body["rules"] = {"program": program.id, "fingerprint": program.rule_set.fingerprint, "enabled": len(program.rule_set.enabled)}
        return _json(_UNAVAILABLE if reasons else _OK, body)

    def exposed(self) -> Page:
        """All metrics in Prometheus' text format."""
        reasons = not_ready(self.facts())
        if self.rules is not None:
            self._show_rules(self.rules.standing)
        for reason in NotReady:
            self.metrics.set(m.NOT_READY, reason in reasons, reason)
        return Page(_OK, CONTENT_TYPE, self.metrics.page())

    def facts(self) -> Facts:
        """Return how the parts stand now."""
        standing = RulesStanding() if self.rules is None else self.rules.standing
        is_clock_off = self.core is not None and self.core.is_clock_off
        return Facts(
            waited_s=None if self.group.has_joined else time.monotonic() - self.group.started,
            assignment_timeout_s=self.settings.assignment_timeout_s,
            assignment_hint=self._assignment_hint(),
            spans_topic=self.settings.spans_topic,
            has_rules=self.rules is None or standing.program is not None,
            refused=[fault.text for fault in standing.refused],
            rules_trouble=standing.trouble,
            not_kept=standing.not_kept,
            taking=[_named(key) for key in self.group.waiting],
            replaying=[] if self.core is None else [_named(key) for key in self.core.replaying],
            stuck=self._stuck(),
            unkeyed_count=self.metrics.total(m.RECORDS_UNKEYED),
            store_trouble=None if self.core is None else self.core.store_trouble,
            clock_offset_s=self.core.clock_offset_ns / SECOND_NS if self.core is not None and is_clock_off else None,
            losses=self.metrics.by_label(m.PARTITIONS_STATE_LOST),
            evicted_count=self.metrics.total(m.TRACES_EVICTED),
            shed_count=self.metrics.total(m.TRACES_SHED),
            shed_shares={} if self.core is None else {_named(key): level / 256 for key, level in self.core.shed_levels.items()},
        )

    def _show_rules(self, standing: RulesStanding) -> None:
        self.metrics.set(m.RULES_REFUSED, len(standing.refused))
        self.metrics.set(m.RULE_SETS, standing.taken_count, "taken")
        self.metrics.set(m.RULE_SETS, standing.refused_count, "refused")
        if standing.program is not None:
            rule_set = standing.program.rule_set
            self.metrics.replace(m.RULES_IN_FORCE, len(rule_set.enabled), rule_set.fingerprint, standing.program.id)

    def _assignment_hint(self) -> str:
        given = self.settings
        hint = f"is {given.bootstrap_servers} reachable, does topic {given.spans_topic} exist?"
        if given.group_protocol is GroupProtocol.CONSUMER:
            hint += " group_protocol=consumer needs Kafka 4; other brokers stay silent: use classic there"
        return self.group.refusal.explain(hint)

    def _stuck(self) -> dict[str, float]:
        now = time.monotonic()
        still = {_named(key): now - it.moved for key, it in self.group.reading().items() if not it.is_caught_up}
        return {name: seconds for name, seconds in still.items() if seconds >= self.settings.progress_timeout_s}


def _named(key: PartitionKey) -> str:
    return f"{key.topic}[{key.partition}]"


def _json(status: int, body: Mapping[str, object]) -> Page:
    return Page(status, "application/json", json.dumps(body).encode())
