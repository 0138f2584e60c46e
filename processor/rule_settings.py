"""Settings of whoever reads or writes the rules topic."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from processor.closing import SECOND_NS
from processor.made_programs import JudgedWith
from topics import names
from topics.connection import ConnectionSettings
from topics.rules_log import RulesLog
from topics.settings import TopicName


class RuleSettings(ConnectionSettings):
    """What `betrace rules apply` and `betrace rules diff` need to know; each field is read from the environment as `BETRACE_…`."""

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

    @property
    def judged_with(self) -> JudgedWith:
        """What verdicts hang on besides the rules."""
        return JudgedWith(self.skew_tolerance_ns, self.offender_count_max)

    def rules_log(self) -> RulesLog:
        """Return the rules topic."""
        return RulesLog(self.connection_properties(), self.rules_topic, timeout_s=self.rules_timeout_s)
