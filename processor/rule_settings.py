"""Settings of whoever reads or writes the rules topic."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import SettingsConfigDict

from processor.closing import SECOND_NS
from processor.keyring import Keyring
from processor.made_programs import JudgedWith
from topics import names
from topics.connection import ConnectionSettings
from topics.rules_log import RulesLog
from topics.settings import TopicName
from topics.signatures import KEY_BYTES_MIN


class RuleSettings(ConnectionSettings):
    """What `betrace rules apply`, `betrace rules diff` and a worker need to know; read from the environment as `BETRACE_…`."""

    model_config = SettingsConfigDict(env_prefix="BETRACE_")

    rules_topic: Annotated[TopicName, Field(description="The topic of rules and rule sets.")] = names.RULES.name
    rule_stats_topic: Annotated[
        TopicName, Field(description="The journal: what workers decided and counted. It needs as many partitions as the spans topic.")
    ] = names.RULE_STATS.name
    rules_timeout_s: Annotated[
        float, Field(gt=0, le=600, allow_inf_nan=False, description="How long to wait for the broker when rules are read or written.")
    ] = 30.0
    skew_tolerance_ns: Annotated[
        int,
        Field(ge=0, le=SECOND_NS * 60, description="How far the clocks of services may differ before an order of spans counts as broken."),
    ] = 0
    offender_count_max: Annotated[
        int, Field(ge=1, le=10_000, description="Offenders named in a violation; the full number is always given.")
    ] = 16
    redaction_key_file: Annotated[
        Path | None,
        Field(
            description="File with the key for values that rules redact by hash; without it these are left out. Equal for all workers and, "
            "where they follow the topic, for betrace rules apply."
        ),
    ] = None

    @field_validator("redaction_key_file")
    @classmethod
    def _hashes(cls, file: Path | None) -> Path | None:
        return checked_key(file)

    @property
    def judged_with(self) -> JudgedWith:
        """What is said of a trace hangs on this besides the rules."""
        key_id = Keyring(redaction_key=key_of(self.redaction_key_file)).redaction_key_id
        return JudgedWith(self.skew_tolerance_ns, self.offender_count_max, key_id)

    def rules_log(self) -> RulesLog:
        """Return the rules topic."""
        return RulesLog(self.connection_properties(), self.rules_topic, timeout_s=self.rules_timeout_s)


def key_of(file: Path | None) -> bytes | None:
    """Return a file's bytes without the line break that editors put at the end."""
    return None if file is None else file.read_bytes().rstrip(b"\r\n")


def checked_key(file: Path | None) -> Path | None:
    """Return the file; raises ValueError where it cannot be read or holds too short a key."""
    try:
        size = KEY_BYTES_MIN if file is None else len(key_of(file) or b"")
    except OSError as error:
        raise ValueError(f"cannot read {file}: {error.strerror}") from None
    if size < KEY_BYTES_MIN:
        raise ValueError(f"{file} holds {size} bytes; a key has at least {KEY_BYTES_MIN}")
    return file
