"""Every setting of the API service, typed, with its unit in its name."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import SettingsConfigDict

from topics import names
from topics.connection import ConnectionSettings
from topics.settings import TopicName

LOOPBACK_NAME = "localhost"


class ApiSettings(ConnectionSettings):
    """What `betrace api` needs to know; each field is read from the environment as `BETRACE_API_` and its name."""

    model_config = SettingsConfigDict(env_prefix="BETRACE_API_")

    host: Annotated[
        str,
        Field(description="Address to listen on. Loopback only (127.0.0.1, ::1, localhost): there is no authentication yet."),
    ] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535, description="Port to listen on; 0: a free one, named on standard output.")] = 8080
    rules: Annotated[
        Path | None, Field(description="A rule file, or a directory whose .yaml and .yml files are read, subdirectories too.")
    ] = None
    violations_topic: Annotated[TopicName, Field(description="The topic of violation records.")] = names.VIOLATIONS.name
    view_path: Annotated[
        Path | None,
        Field(
            description="SQLite file of the view, one process at a time. Without it the view is built anew from the topic at each start."
        ),
    ] = None
    records_per_batch_max: Annotated[
        int, Field(ge=1, le=100_000, description="Records written to the view in one transaction at most.")
    ] = 1_000
    poll_timeout_s: Annotated[float, Field(gt=0, le=10, description="How long a poll waits for records.")] = 0.2
    probe_interval_s: Annotated[
        float, Field(gt=0, le=3_600, description="How often the topic is asked for new partitions, and whether it is there.")
    ] = 5.0
    probe_timeout_s: Annotated[
        float, Field(gt=0, le=60, description="A broker that does not answer a probe for so long counts as out of reach.")
    ] = 3.0
    retry_interval_s: Annotated[float, Field(gt=0, le=600, description="Pause before the topic is read again after an error.")] = 1.0
    lag_records_max: Annotated[int, Field(ge=0, description="Not ready when more records than this are unread.")] = 10_000
    records_aside_max: Annotated[
        int,
        Field(ge=0, le=1_000_000, description="Records that are no violations and are kept for inspection, the newest; all are counted."),
    ] = 1_000
    stop_timeout_s: Annotated[
        int, Field(ge=0, le=600, description="Requests under way may end within this time when the service stops.")
    ] = 5

    @field_validator("host")
    @classmethod
    def _loopback_only(cls, host: str) -> str:
        if not is_loopback(host):
            raise ValueError(
                f"{host!r} is no loopback address: there is no authentication yet, so the API listens on 127.0.0.1, ::1 or localhost only"
            )
        return host


def is_loopback(host: str) -> bool:
    """Return whether a host name or address can be reached from this machine alone; names other than `localhost` count as not."""
    if host.lower() == LOOPBACK_NAME:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
