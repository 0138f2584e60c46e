"""What the benchmarks of workers have in common: a run, and what it has found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from loadtest.corpora.corpus import Facts
from loadtest.pipeline_work import Work
from loadtest.rows import Row
from loadtest.rule_sample import RuleSample


@dataclass
class WorkerRun:
    """One run of a benchmark and what it has found so far; `heard` is told what is measured next.

    Raises DisagreementError where a worker does not say what the reference engine says: there are no figures then. Raises NoKafka,
    KafkaStartError, StoreStartError, NotMeasuredError, WorkerEndedError.
    """

    quick: bool = False
    heard: Callable[[str], None] = lambda _what: None
    rows: list[Row] = field(default_factory=list)
    rules: dict[str, RuleSample] = field(default_factory=dict)
    corpora: list[Facts] = field(default_factory=list)
    measurements: list[dict[str, object]] = field(default_factory=list)

    def note(self, work: Work) -> None:
        """Take note of the rules and the records that are measured with."""
        self.rules.setdefault(work.rules.name, work.rules)
        if work.facts not in self.corpora:
            self.corpora.append(work.facts)
