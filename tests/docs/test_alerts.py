"""The page about alerts: its alerting rules are sound and wake for what they should, its consumer forwards what it should."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import TYPE_CHECKING, ClassVar

import pytest
from confluent_kafka import Producer

from processor.metrics import METRICS
from tests.skipping import missing
from tests.topics.embedded import embedded_broker
from tests.topics.records import violation
from topics.admin import apply
from topics.names import VIOLATIONS
from topics.settings import TopicSettings
from topics.violation import Change, RuleMode, RuleSeverity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from topics.violation import Violation

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "alert-on-violations.md"
WAIT_S = 30.0
# Every counter stands at what it counted in each minute; `_`: the series is not there yet.
UNIT_TESTS = """
rule_files: [betrace-alerts.yaml]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - {{series: 'betrace_partitions_owned{{instance="a"}}', values: '4x30'}}
      - {{series: 'betrace_violations_total{{{labels}, instance="a"}}', values: '{values}'}}
    alert_rule_test:
      - eval_time: {minute}m
        alertname: BeTraceViolation
        exp_alerts: [{alert}]
      - {{eval_time: {minute}m, alertname: BeTraceJudgesNothing, exp_alerts: []}}
"""
RAISED = 'rule="r", severity="critical", mode="enforce", change="raised"'


def block(name: str) -> str:
    """What the page says stands in a file."""
    found = re.search(rf"^( *)```\w+ {re.escape(name)}\n(.*?)^\1```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert found is not None
    return "".join(line.removeprefix(found[1]) for line in found[2].splitlines(keepends=True))


@pytest.fixture
def promtool(tmp_path: Path) -> str:
    program = shutil.which("promtool")
    if program is None:
        missing("promtool checks the alerting rules")
    (tmp_path / "betrace-alerts.yaml").write_text(block("betrace-alerts.yaml"), "utf-8")
    return program


def ran(program: str, *arguments: str, folder: Path) -> None:
    done = subprocess.run([program, *arguments], cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_alerting_rules_speak_of_metrics_and_labels_that_there_are() -> None:
    labels = {metric.name: set(metric.labels) for metric in METRICS}
    named = re.findall(r"(betrace_\w+)(?:\{([^}]*)\})?", re.sub(r"summary:.*|description:.*", "", block("betrace-alerts.yaml")))
    assert {name for name, _matchers in named} <= labels.keys()
    assert len(named) > len(METRICS[:4])
    for name, matchers in named:
        assert set(re.findall(r"(\w+)=", matchers)) <= labels[name]
    for change in re.findall(r'change="(\w+)"', block("betrace-alerts.yaml")):
        assert change in set(Change)
    for mode in re.findall(r'mode="(\w+)"', block("betrace-alerts.yaml")):
        assert mode in set(RuleMode)


def test_the_alerting_rules_are_sound(promtool: str, tmp_path: Path) -> None:
    ran(promtool, "check", "rules", "--lint-fatal", "betrace-alerts.yaml", folder=tmp_path)


@pytest.mark.parametrize(
    ("labels", "values", "minute", "fires"),
    [
        (RAISED, "_x14 1x15", 16, True),
        (RAISED, "_x14 1x15", 27, False),
        (RAISED, "3x15 4x15", 18, True),
        (RAISED, "3x30", 18, False),
        (RAISED, "9x15 1x15", 18, True),
        (RAISED.replace("enforce", "shadow"), "3x15 9x15", 18, False),
        (RAISED.replace("raised", "updated"), "3x15 9x15", 18, False),
    ],
    ids=["the first ever", "the first, long ago", "one more", "none for long", "after a restart", "a shadow rule", "a revision"],
)
def test_an_alert_fires_on_new_violations_of_rules_in_force(
    promtool: str, tmp_path: Path, labels: str, values: str, minute: int, *, fires: bool
) -> None:
    alert = "{exp_labels: {rule: r, severity: critical}}" if fires else ""
    text = UNIT_TESTS.format(labels=labels, values=values, minute=minute, alert=alert)
    # How many times, an extrapolation of Prometheus' own, is not the test's business.
    rules = re.sub(r"^ *annotations:\n(?: +(?:summary|description):.*\n)+", "", block("betrace-alerts.yaml"), flags=re.MULTILINE)
    (tmp_path / "betrace-alerts.yaml").write_text(rules, "utf-8")
    (tmp_path / "tests.yaml").write_text(text, "utf-8")
    ran(promtool, "test", "rules", "tests.yaml", folder=tmp_path)


class Pager(BaseHTTPRequestHandler):
    """Takes events."""

    events: ClassVar[Queue[dict[str, object]]] = Queue()
    answers: ClassVar[list[int]] = []

    def do_POST(self) -> None:  # http.server's own name
        """Keep the event, or refuse it."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = self.answers.pop() if self.answers else 202
        if status == 202:
            self.events.put(json.loads(body))
        self.send_response(status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def pager() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Pager) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def of(number: int, change: Change, severity: RuleSeverity = RuleSeverity.CRITICAL, mode: RuleMode = RuleMode.ENFORCE) -> Violation:
    revision = 1 if change is Change.RAISED else 2
    changes = {"verdict": "satisfied", "clauses": [], "comparisons": [], "offenders": [], "offender_count": 0}
    more = changes if change is Change.WITHDRAWN else {}
    return violation(id=f"{number:032x}", revision=revision, change=change, rule__severity=severity, rule__mode=mode, **more)


def test_the_consumer_forwards_critical_violations_and_goes_on_where_a_failed_one_was(tmp_path: Path) -> None:
    (tmp_path / "forward.py").write_text(block("forward.py"), "utf-8")
    said = [
        of(1, Change.RAISED, severity=RuleSeverity.HIGH),
        of(2, Change.RAISED, mode=RuleMode.SHADOW),
        of(3, Change.RAISED),
        of(3, Change.UPDATED),
        of(3, Change.WITHDRAWN),
        of(4, Change.RAISED),
    ]
    with embedded_broker() as servers, pager() as url:
        apply(TopicSettings(bootstrap_servers=servers, partition_count=1), [VIOLATIONS])
        producer = Producer({"bootstrap.servers": servers})
        for one in said:
            producer.produce(VIOLATIONS.name, key=one.trace.id, value=one.canonical_json())
        assert producer.flush(WAIT_S) == 0
        environment = {**os.environ, "BOOTSTRAP_SERVERS": servers, "PAGER_URL": url, "PAGER_KEY": "key", "START": "earliest"}
        command = [sys.executable, str(tmp_path / "forward.py")]
        Pager.answers.append(500)
        failed = subprocess.run(command, env=environment, capture_output=True, timeout=WAIT_S, check=False)
        assert failed.returncode == 1
        assert Pager.events.empty()
        with subprocess.Popen(command, env=environment) as running:
            try:
                found = [Pager.events.get(timeout=WAIT_S) for _ in range(3)]
                time.sleep(0.2)
            finally:
                running.send_signal(signal.SIGTERM)
            assert running.wait(WAIT_S) == 0
    assert Pager.events.empty()
    assert [(event["event_action"], event["dedup_key"]) for event in found] == [
        ("trigger", f"{3:032x}"),
        ("resolve", f"{3:032x}"),
        ("trigger", f"{4:032x}"),
    ]
    assert str(found[0]["payload"]["summary"]).endswith(said[0].trace.id)  # type: ignore[index]  # of JSON
