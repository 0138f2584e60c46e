"""Everything the processor counts: one table. Each metric has a name, a kind, a unit, labels and a sentence."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Kind(StrEnum):
    """A counter only grows; a gauge is a state."""

    COUNTER = "counter"
    GAUGE = "gauge"


@dataclass(frozen=True, slots=True)
class Metric:
    """One row of the table; `unit` is what one of it is."""

    name: str
    kind: Kind
    unit: str
    labels: tuple[str, ...]
    sentence: str


METRICS: list[Metric] = []


def _row(name: str, kind: Kind, unit: str, labels: str, sentence: str) -> Metric:
    metric = Metric(name, kind, unit, tuple(labels.split()), sentence)
    METRICS.append(metric)
    return metric


def _counter(name: str, unit: str, labels: str, sentence: str) -> Metric:
    return _row(f"betrace_{name}_total", Kind.COUNTER, unit, labels, sentence)


def _gauge(name: str, unit: str, labels: str, sentence: str) -> Metric:
    return _row(f"betrace_{name}", Kind.GAUGE, unit, labels, sentence)


RECORDS_READ = _counter("records_read", "records", "", "Input records read.")
RECORDS_UNKEYED = _counter(
    "records_unkeyed",
    "records",
    "",
    "Records of a keyed topic whose key is not the id of the one trace they hold: their traces count as incomplete.",
)
RECORDS_REFUSED = _counter(
    "records_refused", "records", "reason", "Records with at least one item refused for this reason; each is a dead letter."
)
DEAD_LETTERS_TOO_LARGE = _counter("dead_letters_too_large", "records", "", "Refused records too large for the dead-letter topic: not kept.")
ITEMS_REFUSED = _counter("items_refused", "items", "reason", "Spans or whole records refused; what else the record holds is judged.")
RECORDS_SHARDED = _counter("records_sharded", "records", "", "Records of one trace each that betrace shard wrote.")
RECORDS_SPLIT = _counter("records_split", "records", "", "Input records of betrace shard that held several traces.")
RECORDS_WITHOUT_SPANS = _counter("records_without_spans", "records", "", "Input records of betrace shard with nothing to write of them.")
TIMESTAMPS_CLAMPED = _counter(
    "timestamps_clamped",
    "records",
    "",
    "Record timestamps further ahead of the wall clock than timestamp_skew_max_s, moved back to that limit.",
)
SPANS_READ = _counter("spans_read", "spans", "", "Spans read, redelivered ones included.")
SPANS_REDELIVERED = _counter("spans_redelivered", "spans", "", "Spans that had come before with the same content: they change nothing.")
SPANS_DIFFERING = _counter(
    "spans_differing",
    "spans",
    "",
    "Spans that had come before with other content: the first stands. Only the reference engine tells them from redelivered ones.",
)
SPANS_OVER_LIMIT = _counter(
    "spans_over_limit", "spans", "", "Spans beyond span_count_max of their trace, not kept: the trace closes as span_limit."
)
TRACES_OPENED = _counter("traces_opened", "traces", "", "Traces that began.")
TRACES_CLOSED = _counter("traces_closed", "traces", "reason", "Traces that closed, by close reason.")
TRACES_REVISED = _counter("traces_revised", "traces", "", "Closed traces judged again because spans came late.")
TRACES_CUT = _counter(
    "traces_cut", "traces", "", "Traces forgotten by age while records still came; the next record of that id begins a new trace."
)
TRACES_EVICTED = _counter(
    "traces_evicted", "traces", "", "Traces of which, for want of memory, only times are remembered; open ones were closed."
)
TRACES_STATE_LOST = _counter(
    "traces_state_lost", "traces", "", "Traces that may have begun in input or state that is gone: all verdicts inconclusive, nothing said."
)
TRACES_SHED = _counter("traces_shed", "traces", "", "Traces that were not judged because the worker lagged: they are in no rule's counts.")
RECORDS_SHED = _counter("records_shed", "records", "", "Records of shed traces, which were not decoded.")
VERDICTS = _counter("verdicts", "verdicts", "rule verdict", "Verdicts said when traces closed.")
VERDICTS_MOVED = _counter("verdicts_moved", "verdicts", "rule before verdict", "Verdicts that late spans changed.")
VIOLATIONS = _counter(
    "violations",
    "records",
    "rule severity mode change",
    "Violation records written; severity and mode are those of the rule when it judged the trace. Shadow rules are counted too.",
)
RECORDS_REPEATED = _counter(
    "records_repeated", "records", "", "Violations and dead letters written once more after a recovery, equal in every byte."
)
JOURNAL_RECORDS = _counter("journal_records", "records", "", "Checkpoint records appended to the journal.")
PARTITIONS_FENCED = _counter(
    "partitions_fenced",
    "partitions",
    "",
    "Partitions given up because another worker had taken them: nothing of the last interval was said.",
)
STORE_WRITES = _counter("store_writes", "writes", "outcome", "Writes of a partition's trace states: done, stale, newer, unavailable.")
STATES_RECOVERED = _counter("states_recovered", "partitions", "source", "Partitions taken: from the store, from the input, or fresh.")
PARTITIONS_STATE_LOST = _counter(
    "partitions_state_lost", "partitions", "reason", "Partitions whose state could not be brought back whole, and why."
)
COMMITS_REFUSED = _counter("commits_refused", "commits", "", "Offset commits the broker refused; the records are read again.")
GAPS_READ_AGAIN = _counter(
    "gaps_read_again", "gaps", "", "Gaps in the input that were read again, lest the client had passed over records that are there."
)
TRACES_REMEMBERED = _gauge(
    "traces_remembered", "traces", "", "Traces in memory, open ones and closed ones that late spans may still revise."
)
PARTITIONS_OWNED = _gauge("partitions_owned", "partitions", "", "Partitions this worker judges now.")
POSITION = _gauge("position", "offset", "topic partition", "Offset of the next record to read.")
PARTITION_TIME = _gauge("partition_time_seconds", "seconds", "topic partition", "Partition time: what closes traces.")
LAG_RECORDS = _gauge(
    "lag_records",
    "records",
    "topic partition",
    "Records of the partition not yet read, as of the last look: every second while it is quiet, else every five where traces may be shed.",
)
LAG_SECONDS = _gauge(
    "lag_seconds", "seconds", "topic partition", "How far partition time is behind this machine's clock; 0 where the whole log was read."
)
SHED_LEVEL = _gauge("shed_level", "256ths", "topic partition", "Share of the traces that begin now which is shed, in 256ths.")
CLOCK_OFFSET = _gauge("clock_offset_seconds", "seconds", "", "This machine's clock less the broker's time of the last journal append.")
NOT_READY = _gauge("not_ready", "reasons", "reason", "1 for each reason for which the worker is not ready, as of this look.")
RULES_IN_FORCE = _gauge(
    "rules_in_force", "rules", "fingerprint program", "Rules that judge new traces: of the rule set with this fingerprint, by this program."
)
RULE_SETS = _gauge("rule_sets", "rule sets", "outcome", "Rule sets that came into force (taken) or did not (refused), since the start.")
RULES_REFUSED = _gauge("rules_refused", "faults", "", "Faults for which the newest rule set is refused; 0: it is in force.")

_OF_PARTITION = tuple(it for it in METRICS if it.kind is Kind.GAUGE and it.labels == ("topic", "partition"))


class Metrics(Protocol):
    """Where the flow counts."""

    def add(self, metric: Metric, amount: int = 1, *labels: str) -> None:
        """Let a counter grow; `labels` are the values in the order of the table."""

    def set(self, metric: Metric, value: float, *labels: str) -> None:
        """Set a gauge."""

    def forget(self, metric: Metric, *labels: str) -> None:
        """Show a gauge no longer for these labels."""


def forget_partition(metrics: Metrics, topic: str, partition: int) -> None:
    """Show no gauge of a partition any longer: it is somebody else's."""
    for gauge in _OF_PARTITION:
        metrics.forget(gauge, topic, str(partition))


class Tally:
    """Metrics kept in memory, for finite runs and tests."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, ...]] = Counter()
        self.gauges: dict[tuple[str, ...], float] = {}

    def add(self, metric: Metric, amount: int = 1, *labels: str) -> None:
        """Let a counter grow."""
        self.counts[(metric.name, *labels)] += amount

    def set(self, metric: Metric, value: float, *labels: str) -> None:
        """Set a gauge."""
        self.gauges[(metric.name, *labels)] = value

    def forget(self, metric: Metric, *labels: str) -> None:
        """Show a gauge no longer for these labels."""
        self.gauges.pop((metric.name, *labels), None)

    def count(self, metric: Metric, *labels: str) -> int:
        """Return a counter's value; without labels the sum over all of them."""
        if labels or not metric.labels:
            return self.counts[(metric.name, *labels)]
        return sum(amount for key, amount in self.counts.items() if key[0] == metric.name)

    def by_label(self, metric: Metric) -> dict[str, int]:
        """Return a counter with one label as a table, sorted by the label."""
        return {key[1]: amount for key, amount in sorted(self.counts.items()) if key[0] == metric.name}


class Mutable:
    """Passes on what is counted, unless it is muted: for records that were counted before a restart."""

    def __init__(self, metrics: Metrics) -> None:
        self.is_muted = False
        self._metrics = metrics

    def add(self, metric: Metric, amount: int = 1, *labels: str) -> None:
        """Let a counter grow."""
        if not self.is_muted:
            self._metrics.add(metric, amount, *labels)

    def set(self, metric: Metric, value: float, *labels: str) -> None:
        """Set a gauge."""
        if not self.is_muted:
            self._metrics.set(metric, value, *labels)

    def forget(self, metric: Metric, *labels: str) -> None:
        """Show a gauge no longer for these labels."""
        self._metrics.forget(metric, *labels)


class Silent:
    """Counts nothing: for runs that nobody asks about."""

    def add(self, metric: Metric, amount: int = 1, *labels: str) -> None:
        """Count nothing."""

    def set(self, metric: Metric, value: float, *labels: str) -> None:
        """Set nothing."""

    def forget(self, metric: Metric, *labels: str) -> None:
        """Have nothing to forget."""
