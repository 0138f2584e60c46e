"""Rules topics of a test's own, and rule sets to write to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from compiler import SourceFile
from processor.made_programs import JudgedWith, OfferedSet, compiled
from tests.processor.played import NO_BYPASS
from topics import admin
from topics.names import TOPICS, Role
from topics.rules_log import RulesLog
from topics.settings import TopicSettings

if TYPE_CHECKING:
    from tests.e2e.brokers import Broker
    from topics.rule_records import RuleSetRecord

LONG_AGO = "2026-01-01T00:00:00.000000000Z"


@dataclass(frozen=True)
class RulesTopic:
    """Topics of a test's own on a broker, and what to write to that of the rules."""

    broker: Broker
    name: str
    timeout_s: float = 20.0

    @property
    def connection(self) -> dict[str, str]:
        return {"bootstrap.servers": self.broker.servers}

    @property
    def rules(self) -> str:
        return f"{self.name}.rules"

    @property
    def journal(self) -> str:
        return f"{self.name}.rule-stats"

    @property
    def log(self) -> RulesLog:
        return RulesLog(self.connection, self.rules, timeout_s=self.timeout_s)

    def make(self) -> None:
        """Create the topics."""
        named = {f"{role.name.lower()}_topic": f"{self.name}.{role}" for role in Role}
        settings = TopicSettings(bootstrap_servers=self.broker.servers, partition_count=2, **named)  # type: ignore[arg-type]  # names of topics
        states = admin.apply(settings, [topic for topic in TOPICS if topic.role in {Role.RULES, Role.RULE_STATS}])
        assert {state.state for state in states} == {admin.State.CREATED}

    def write(self, record: RuleSetRecord) -> None:
        """Write a set as it is."""
        self.log.write([(record.key, record.canonical_json())])


def named(*names: str, versions: dict[str, int] | None = None, **given: object) -> RuleSetRecord:
    """Return the record of a set of rules of these names, each of which never allows a span of its name."""
    sources = tuple(
        SourceFile(f"{name}.yaml", NO_BYPASS.replace("no-bypass", name).replace("{ bypass }", f"{{ {name.replace('-', '.')} }}").encode())
        for name in names
    )
    offered = OfferedSet(sources, JudgedWith(), versions or {})
    record = offered.record(compiled(offered).program_id, LONG_AGO)
    return record.model_copy(update=given)


def broken(record: RuleSetRecord) -> RuleSetRecord:
    """Return a set under another id whose first rule does not compile."""
    sources = (record.sources[0].model_copy(update={"text": record.sources[0].text.replace("never {", "never [")}), *record.sources[1:])
    return record.model_copy(update={"program": "f" * 16, "sources": sources})
