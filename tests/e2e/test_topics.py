"""`betrace topics` on real brokers: creates all, finds drift that others made, mends what is safe, and what is not when told to."""

from __future__ import annotations

import json
import time
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # it exports these without saying so to type checkers
    AdminClient,
    AlterConfigOpType,
    ClusterMetadata,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from tests.cli.run import run
from topics.names import Role

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result

    from tests.e2e.brokers import Broker


@pytest.fixture
def name() -> str:
    return uuid.uuid4().hex[:8]


@pytest.fixture
def topics(broker: Broker, name: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run `betrace topics` on this broker with topics of the test's own."""
    monkeypatch.setenv("BETRACE_TOPICS_BOOTSTRAP_SERVERS", broker.servers)
    monkeypatch.setenv("BETRACE_TOPICS_PARTITION_COUNT", "3")
    for role in Role:
        monkeypatch.setenv(f"BETRACE_TOPICS_{role.name}_TOPIC", f"{name}.{role}")
    return lambda *arguments: run("topics", *arguments)


def found(result: Result) -> dict[str, dict[str, Any]]:
    return {it["role"]: it for it in json.loads(result.stdout)}


def alter(broker: Broker, topic: str, **config: str) -> None:
    """Do by hand what somebody else did to a topic."""
    entries = [ConfigEntry(word.replace("_", "."), value, incremental_operation=AlterConfigOpType.SET) for word, value in config.items()]
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=entries)
    client = AdminClient({"bootstrap.servers": broker.servers})
    client.incremental_alter_configs([resource])[resource].result()
    asked = ConfigResource(ResourceType.TOPIC, topic)
    until = time.monotonic() + 10
    while any(client.describe_configs([asked])[asked].result()[entry.name].value != entry.value for entry in entries):
        assert time.monotonic() < until, f"the broker does not show {config}"


def wait_until_forgotten(client: AdminClient, topic: str) -> None:
    asked, until = ConfigResource(ResourceType.TOPIC, topic), time.monotonic() + 10
    while client.describe_configs([asked])[asked].exception() is None:
        assert time.monotonic() < until, f"the broker still describes {topic}"


def test_all_topics_are_missing_then_made_then_as_wanted(topics: Callable[..., Result], name: str) -> None:
    before = topics("check")
    assert before.exit_code == 1
    assert before.stdout.count("--- /dev/null") == len(Role)
    assert f"{name}.rules: missing" in before.stdout
    made = topics("apply", "-o", "json")
    assert made.exit_code == 0, made.output
    assert {it["state"] for it in found(made).values()} == {"created"}
    after = topics("check")
    assert (after.exit_code, after.stdout.splitlines()) == (0, [f"{name}.{role}: as_wanted" for role in Role])


def test_drift_is_shown_and_only_what_is_safe_is_mended(topics: Callable[..., Result], broker: Broker, name: str) -> None:
    topics("apply")
    alter(broker, f"{name}.spans", retention_ms="3600000")
    alter(broker, f"{name}.violations", cleanup_policy="compact", retention_ms=str(100 * 86_400_000))
    alter(broker, f"{name}.rules", max_message_bytes="1048588")
    shown = topics("check")
    assert shown.exit_code == 1
    for line in ("-retention.ms = 3600000", "+retention.ms = 86400000", "-cleanup.policy = compact", "-max.message.bytes = 1048588"):
        assert line in shown.stdout.splitlines()
    assert f"[--alter --accept-loss {name}.violations:cleanup.policy]" in shown.stdout
    left = topics("apply")
    assert (left.exit_code, topics("check").stdout) == (0, shown.stdout)

    altered = found(topics("apply", "--alter", "-o", "json"))
    assert {role: it["state"] for role, it in altered.items() if it["state"] != "as_wanted"} == {
        "spans": "altered",
        "rules": "altered",
        "violations": "different",
    }
    assert [it["property"] for it in altered["violations"]["changes"]] == ["cleanup.policy", "retention.ms"]
    assert altered["violations"]["altered"] == []

    accepted = topics("apply", "--alter", "--accept-loss", f"{name}.violations:cleanup.policy")
    assert accepted.exit_code == 0
    assert "    altered cleanup.policy: compact -> delete" in accepted.stdout.splitlines()
    last = found(topics("apply", "--alter", "--accept-loss", f"{name}.violations:retention.ms", "-o", "json"))
    assert last["violations"]["state"] == "altered"
    assert topics("check").exit_code == 0


def test_partitions_are_added_only_where_that_is_accepted_and_never_removed(
    topics: Callable[..., Result], broker: Broker, name: str
) -> None:
    topics("apply")
    grown = found(topics("apply", "--alter", "--partition-count", "5", "-o", "json"))
    if not broker.is_kafka:
        assert grown["dead-letters"]["state"] == "refused"
        assert "not supported by broker" in grown["dead-letters"]["error"]
        return
    assert {role: it["state"] for role, it in grown.items()} == {
        "spans": "different",
        "sharded-spans": "different",
        "rules": "as_wanted",
        "violations": "different",
        "rule-stats": "different",
        "dead-letters": "altered",
    }
    accepted = [word for role in ("spans", "rule-stats") for word in ("--accept-loss", f"{name}.{role}:partitions")]
    grown = found(topics("apply", "--alter", "--partition-count", "5", *accepted, "-o", "json"))
    assert (grown["spans"]["state"], grown["rule-stats"]["state"]) == ("altered", "altered")
    # Of five partitions none is ever removed; the journal stands beside them and is no drift of its own.
    fewer = topics("apply", "--alter", *accepted, "-o", "json")
    assert {role: (it["state"], it["altered"]) for role, it in found(fewer).items() if role != "dead-letters"} == {
        "spans": ("different", []),
        "sharded-spans": ("as_wanted", []),
        "rules": ("as_wanted", []),
        "violations": ("as_wanted", []),
        "rule-stats": ("as_wanted", []),
    }
    counts = AdminClient({"bootstrap.servers": broker.servers}).list_topics(timeout=10).topics
    assert [len(counts[f"{name}.{role}"].partitions) for role in ("spans", "rule-stats", "rules")] == [5, 5, 1]


# The embedded broker creates a topic with any number of replicas.
@pytest.mark.parametrize("broker", [pytest.param("kafka", marks=pytest.mark.kafka)], indirect=True)
def test_a_broker_that_refuses_to_create_a_topic_is_quoted(topics: Callable[..., Result], broker: Broker) -> None:
    assert broker.is_kafka
    refused = topics("apply", "--replication-factor", "3")
    assert refused.exit_code == 1
    assert refused.stdout.count("refused: ") == len(Role)
    assert "Replication" in refused.stdout or "replication" in refused.stdout


# The embedded broker describes topics that are not there.
@pytest.mark.parametrize("broker", [pytest.param("kafka", marks=pytest.mark.kafka)], indirect=True)
def test_what_one_broker_shows_and_the_next_does_not_know_is_missing_or_waited_for(
    topics: Callable[..., Result], broker: Broker, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert broker.is_kafka
    spans, listed = f"{name}.spans", AdminClient.list_topics

    def list_then_delete(client: AdminClient, timeout: float) -> ClusterMetadata:
        there = listed(client, timeout=timeout)
        if spans in there.topics:
            client.delete_topics([spans])[spans].result()
            wait_until_forgotten(client, spans)
        return there

    topics("apply")
    monkeypatch.setattr(AdminClient, "list_topics", list_then_delete)
    assert f"{spans}: missing" in topics("check").stdout
    made = topics("apply", "-o", "json", "--timeout-ms", "1000")
    assert (made.exit_code, found(made)["spans"]["state"]) == (0, "created"), made.output
