"""Settings from flags, the environment and a file, and the commands that take them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from api.settings import ApiSettings
from cli.settings_options import load_settings
from processor.settings import Settings
from processor.shard_settings import ShardSettings
from tests.cli.run import NEEDS_CHECK, run, written
from topics.settings import TopicSettings

if TYPE_CHECKING:
    from collections.abc import Mapping


def _loaded(file: Path | None = None, flags: Mapping[str, object] | None = None) -> Settings:
    return load_settings(Settings, file, flags or {})


def test_a_flag_goes_before_the_environment_and_that_before_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = written(tmp_path, "s.toml", 'group_id = "file"\nidle_timeout_s = 7\nhttp_port = 1\n')
    monkeypatch.setenv("BETRACE_IDLE_TIMEOUT_S", "8")
    monkeypatch.setenv("BETRACE_HTTP_PORT", "2")
    settings = _loaded(file, {"http_port": "3", "group_protocol": None})
    assert (settings.group_id, settings.idle_timeout_s, settings.http_port) == ("file", 8.0, 3)


def test_a_mapping_is_given_as_json() -> None:
    assert _loaded(flags={"client_properties": '{"security.protocol": "ssl"}'}).client_properties == {"security.protocol": "ssl"}
    with pytest.raises(click.UsageError, match="no JSON object"):
        _loaded(flags={"client_properties": "security.protocol=ssl"})


@pytest.mark.parametrize(
    ("content", "word"), [("group_id = ", "Invalid value"), ("nonsense = 1", "nonsense"), ("http_port = 99999", "http_port")]
)
def test_a_bad_file_names_what_is_wrong(tmp_path: Path, content: str, word: str) -> None:
    with pytest.raises(click.UsageError, match=word):
        _loaded(written(tmp_path, "s.toml", content))


@pytest.mark.parametrize(
    "command",
    [
        ("worker", "--http-port", "99999"),
        ("shard", "--http-port", "-1"),
        ("api", "--host", "192.0.2.1"),
        ("topics", "apply", "--partition-count", "0"),
    ],
)
def test_a_bad_value_ends_with_status_2_and_its_name(command: tuple[str, ...]) -> None:
    result = run(*command)
    assert result.exit_code == 2
    assert command[-2].removeprefix("--").replace("-", "_") in result.stderr


def test_json_in_the_environment_that_is_none_ends_with_status_2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BETRACE_CLIENT_PROPERTIES", "{bad")
    result = run("worker")
    assert result.exit_code == 2
    assert 'error parsing value for field "client_properties"' in result.stderr


def test_every_bad_value_is_named_and_none_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BETRACE_HTTP_PORT", "")
    monkeypatch.setenv("BETRACE_LOG_LEVEL", "s3cret")
    result = run("worker", "--idle-timeout-s", "nan", "--client-properties", '{"sasl.password": 5}', "--group-protocol", "new")
    assert result.exit_code == 2
    for name in ("http_port", "log_level", "idle_timeout_s", "client_properties.sasl.password", "group_protocol"):
        assert f"{name}: " in result.stderr
    assert "s3cret" not in result.stderr


def test_limits_that_contradict_each_other_are_refused() -> None:
    result = run("worker", "--idle-timeout-s", "400")
    assert result.exit_code == 2
    assert "closed_retention_s must be at least idle_timeout_s" in result.stderr


def test_a_settings_file_that_is_absent_ends_with_status_2(tmp_path: Path) -> None:
    for command in (("worker",), ("api",), ("shard",), ("topics", "apply")):
        assert run(*command, "--settings", tmp_path / "none.toml").exit_code == 2


def test_every_setting_is_a_flag_with_its_variable_in_the_help() -> None:
    for command, prefix, model in (
        (("worker",), "BETRACE_", Settings),
        (("api",), "BETRACE_API_", ApiSettings),
        (("topics", "apply"), "BETRACE_TOPICS_", TopicSettings),
        (("topics", "check"), "BETRACE_TOPICS_", TopicSettings),
        (("shard",), "BETRACE_SHARD_", ShardSettings),
    ):
        text = "".join(run(*command, "--help").output.split())
        assert [name for name in model.model_fields if f"({prefix}{name.upper()})" not in text] == []


def test_a_worker_refuses_rules_with_errors(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    bad = written(tmp_path, "a.yaml", NEEDS_CHECK.replace("never ", "nevr "))
    assert run("worker", "--rules", bad).exit_code == 2
    assert run("worker", "--rules", tmp_path / "none").exit_code == 2
    del capfd
