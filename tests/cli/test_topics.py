"""`betrace topics` as a command: exit statuses, messages and both output forms."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from cli.embedded_broker import embedded_broker
from tests.cli.run import run
from topics.schemas import SCHEMAS

if TYPE_CHECKING:
    from pathlib import Path


def test_check_and_apply_tell_what_is_missing_made_and_different(tmp_path: Path) -> None:
    with embedded_broker(tmp_path / "broker.log") as servers:
        given = ("--bootstrap-servers", servers, "--partition-count", "2")
        missing = run("topics", "check", *given)
        assert missing.exit_code == 1
        assert missing.stdout.splitlines()[:4] == [
            "otlp_spans: missing",
            "--- /dev/null",
            "+++ otlp_spans as wanted",
            "+partitions = 2",
        ]
        first = run("topics", "apply", *given, "-o", "json")
        assert first.exit_code == 0, first.output
        assert {found["name"]: found["state"] for found in json.loads(first.stdout)} == {
            "otlp_spans": "created",
            "betrace.spans": "created",
            "betrace.rules": "created",
            "betrace.violations": "created",
            "betrace.rule-stats": "created",
            "betrace.dead-letters": "created",
        }
        assert run("topics", "check", *given).exit_code == 0
        assert "created" not in run("topics", "apply", *given).output
        drift = run("topics", "check", "--bootstrap-servers", servers, "--partition-count", "1", "-o", "json")
        assert drift.exit_code == 1
        spans = json.loads(drift.stdout)[0]
        assert (spans["state"], spans["changes"][0]["safety"]) == ("different", "by_hand")
        assert run("topics", "apply", "--bootstrap-servers", servers, "--partition-count", "1").exit_code == 0


@pytest.mark.parametrize("command", ["check", "apply"])
def test_no_broker_ends_with_status_2(command: str) -> None:
    result = run("topics", command, "--bootstrap-servers", "127.0.0.1:1", "--timeout-ms", "300")
    assert result.exit_code == 2
    assert "no broker answers at 127.0.0.1:1" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--accept-loss", "otlp_spans:partitions"), "--accept-loss goes with --alter"),
        (("--alter", "--accept-loss", "otlp_spans"), "write TOPIC:PROPERTY"),
        (("--alter", "--accept-loss", "nothing:partitions"), "no topic of BeTrace"),
        (("--alter", "--accept-loss", "otlp_spans:max.message.bytes"), "no change of max.message.bytes loses anything"),
        (("--retention-days", '{"rules": 1}'), "rules are kept for ever"),
        (("--retention-days", '{"span": 1}'), "retention_days"),
        (("--rules-topic", "otlp_spans"), "two topics cannot both be called otlp_spans"),
    ],
)
def test_wrong_usage_ends_with_status_2_before_any_broker_is_asked(arguments: tuple[str, ...], message: str) -> None:
    result = run("topics", "apply", *arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_printed_by_its_name(name: str) -> None:
    result = run("topics", "schema", name)
    assert result.exit_code == 0
    assert json.loads(result.stdout) == SCHEMAS[name]()


def test_a_schema_of_another_name_is_refused_with_those_there_are() -> None:
    result = run("topics", "schema", "invented")
    assert result.exit_code == 2
    assert "rule-set" in result.stderr
