"""`betrace shard` as a command: what it refuses before it reads anything."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from processor.settings import Settings
from processor.shard_settings import ShardSettings
from tests.cli.run import run

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        port: int = listening.getsockname()[1]
        yield port


@pytest.mark.parametrize(
    "arguments",
    [
        ("--sharded-spans-topic", "otlp_spans"),
        ("--spans-topic", "betrace.spans"),
        ("--dead-letters-topic", "betrace.spans"),
    ],
)
def test_a_sharder_that_would_feed_itself_is_refused(arguments: tuple[str, ...]) -> None:
    result = run("shard", *arguments)
    assert result.exit_code == 2
    assert "round for ever" in " ".join(result.stderr.split())


def test_a_port_that_is_taken_ends_with_status_2(taken_port: int, capfd: pytest.CaptureFixture[str]) -> None:
    assert run("shard", "--http-port", taken_port).exit_code == 2
    del capfd


def test_what_group_and_publisher_share_with_a_worker_is_that_of_the_sharder(monkeypatch: pytest.MonkeyPatch) -> None:
    # The worker's own environment, even a broken one, is none of a sharder's business.
    monkeypatch.setenv("BETRACE_GROUP_ID", "a worker's")
    monkeypatch.setenv("BETRACE_IDLE_TIMEOUT_S", "no number")
    settings = ShardSettings(group_id="mine", delivery_timeout_s=7, client_properties={"client.id": "set", "acks": "1"})
    found = settings.as_worker(message_max_bytes="5")
    assert (found.group_id, found.delivery_timeout_s, found.spans_topic) == ("mine", 7, "otlp_spans")
    assert found.client_properties == {"client.id": "set", "acks": "1", "message.max.bytes": "5"}
    assert ShardSettings().as_worker().client_properties == {"client.id": "betrace-shard"}
    assert not found.drains_on_stop
    assert found.poll_timeout_s == Settings.model_fields["poll_timeout_s"].default
