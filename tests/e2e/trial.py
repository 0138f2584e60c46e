"""Workers with short limits under a supervisor, from the moment they have their partitions until all that they wrote has been judged."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from cli.shop_rules import SHOP_RULES
from processor.made_programs import JudgedWith, OfferedSet, compiled
from processor.rule_directory import read_sources
from tests.e2e.crew import Crew
from tests.e2e.judgement import Complaint, Judged, Limits, Written, is_quiet, judge
from tests.e2e.stage import PARTITIONS, Stage
from tests.e2e.topic_logs import Follower, read_commits, read_topic

if TYPE_CHECKING:
    from collections.abc import Callable

    from compiler import RuleSet
    from tests.e2e.storm_input import Play, Player

_NOISY_RULES = tuple(Path(__file__).parent / "storm_rules" / name for name in ("noisy.yaml", "otherwise.yaml"))
_S = 10**9
_ROOT_GRACE_S, _IDLE_S, _RETENTION_S, _SKEW_S, _SESSION_S = 1, 4, 20, 2, 6
_LIMITS = Limits(_IDLE_S * _S, _RETENTION_S * _S, _SKEW_S * _S)
_BEGIN_TIMEOUT_S = 120.0
_QUIET_TIMEOUT_S = 150.0


@dataclass
class Trial:
    """A stage whose workers judge by the rules of the shop and by some that most traces break. `settings` are those beside the limits."""

    stage: Stage
    settings: dict[str, object]
    complaints: list[Complaint] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._rules = self.stage.folder / "rules"
        self._rules.mkdir()
        for source in SHOP_RULES.glob("*.yaml"):
            shutil.copy(source, self._rules)
        self._programs: dict[str, RuleSet] = {}
        for file in reversed(_NOISY_RULES):
            self._put(file)
            found = compiled(OfferedSet(tuple(read_sources(self._rules)), JudgedWith()))
            self._programs[found.program_id] = found.rule_set
        self._in_force = _NOISY_RULES[0]
        environment = self.stage.environment(
            rules=self._rules,
            group_session_timeout_s=_SESSION_S,
            root_grace_s=_ROOT_GRACE_S,
            idle_timeout_s=_IDLE_S,
            closed_retention_s=_RETENTION_S,
            timestamp_skew_max_s=_SKEW_S,
            idle_interval_s=1,
            store_interval_s=1,
            is_early=True,
            **self.settings,
        )
        self.crew = Crew(environment, self.stage.folder)

    def begin(self, worker_count: int) -> float:
        """Start the workers, and return when every partition has been taken: after so many seconds."""
        started = time.monotonic()
        for _ in range(worker_count):
            self.crew.add()
        journal = Follower(self.stage.broker.servers, self.stage.rule_stats_topic)
        while len(journal.found) < PARTITIONS:
            assert time.monotonic() < started + _BEGIN_TIMEOUT_S, "nobody takes the partitions"
            time.sleep(0.2)
            journal.read_on()
        journal.close()
        return time.monotonic() - started

    def change_rules(self) -> str:
        """Put other rules in the place of some; return from which file."""
        self._in_force = next(file for file in _NOISY_RULES if file != self._in_force)
        self._put(self._in_force)
        return self._in_force.name

    def _put(self, file: Path) -> None:
        half_written = self._rules / "noisy.half"
        shutil.copy(file, half_written)
        half_written.replace(self._rules / "noisy.yaml")

    def finish(self, play: Play, player: Player, say: Callable[[str], None]) -> Judged:
        """Wait until all that was played is judged and every trace has closed, stop the workers, and judge them."""
        self._wait_until_quiet()
        say("all is quiet")
        self.crew.stop()
        say("all workers have stopped")
        servers, spans_topic = self.stage.broker.servers, self.stage.spans_topic
        written = Written(
            spans=read_topic(servers, spans_topic),
            journal=read_topic(servers, self.stage.rule_stats_topic),
            violations=read_topic(servers, self.stage.violations_topic),
            commits=read_commits(servers, f"betrace-{self.stage.name}", [spans_topic]),
        )
        planned = sorted((record.key or b"", record.value) for _, record in play.records)
        if planned != sorted((found.key or b"", found.value) for found in written.spans):
            self.complaints.append(Complaint("player", "what was played does not stand on the topic once"))
        judged = judge(written, self._programs, _LIMITS, play.origins)
        say("all has been judged")
        told = [Complaint("player", error) for error in player.errors] + [Complaint("worker", text) for text in self.crew.complaints]
        figures = {**judged.figures, "ended by themselves": len(self.crew.ended)}
        return Judged([*self.complaints, *told, *judged.complaints], figures)

    def _wait_until_quiet(self) -> None:
        servers = self.stage.broker.servers
        spans, journal = Follower(servers, self.stage.spans_topic), Follower(servers, self.stage.rule_stats_topic)
        until = time.monotonic() + _QUIET_TIMEOUT_S
        while True:
            spans.read_on()
            journal.read_on()
            if is_quiet(journal.found, spans.found, _LIMITS):
                break
            if time.monotonic() > until:
                self.complaints.append(Complaint("position", f"not all was read and closed within {_QUIET_TIMEOUT_S:g} s"))
                break
            self.crew.supervise()
            time.sleep(0.5)
        spans.close()
        journal.close()
