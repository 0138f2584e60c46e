"""The HTTP face over a real view, without a broker."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fastapi.testclient import TestClient

from api.app import Parts, create_app
from api.feed import Feed
from api.metrics import ApiMetrics
from api.rule_files import RuleFiles
from api.settings import ApiSettings
from api.view import View

if TYPE_CHECKING:
    from pathlib import Path

RULES = """\
rules:
  - id: payment-check
    name: Payments are checked
    severity: high
    tags: [payments]
    controls: ["SOC2:CC7.2"]
    evidence: [amount]
    redact: {amount: mask}
    rule: |
      when  { payment.charge }
      always { payment.fraud_check }
    exceptions:
      - {name: load test, when: root.where(kind == load), owner: sre, reason: synthetic, expires: 2199-01-31}
  - id: no-orphans
    enabled: false
    rule: never { debug.dump }
"""


@dataclass
class StillFeed:
    """A feed that stands as a test says."""

    state: Feed = field(default_factory=lambda: Feed("betrace.violations", problem="", lag_records={0: 0}, is_caught_up=True))

    def feed(self) -> Feed:
        """Return what the test said."""
        return self.state


@dataclass
class Service:
    """A client and what it talks to."""

    client: TestClient
    view: View
    feed: StillFeed


@contextmanager
def service(rules: Path | None = None, settings: ApiSettings | None = None) -> Iterator[Service]:
    """Serve an empty view."""
    feed = StillFeed()
    with closing(View(None)) as view:
        parts = Parts(view, feed, None if rules is None else RuleFiles(rules), ApiMetrics())
        app = create_app(settings or ApiSettings(), parts)
        with TestClient(app, base_url="http://127.0.0.1:8080", raise_server_exceptions=False) as client:
            yield Service(client, view, feed)
