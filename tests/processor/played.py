"""A partition to play with: rules from text, spans by name, times in seconds."""

from __future__ import annotations

from dataclasses import dataclass, field

from compiler.compile import compile_sources
from compiler.rule_set import RuleSet
from compiler.source import SourceFile
from processor.closing import SECOND_NS, ClosingPolicy
from processor.inputs import InputRecord
from processor.judging import Judging, SaidVerdict
from processor.metrics import Tally
from processor.partition import Partition
from processor.records_read import ReadRecords
from tests.doubles.reading import reread
from tests.trace_engines import engine_for
from topics.journal import Mark
from topics.otlp import encode_protobuf
from topics.span import Attributes, Resource, Span
from topics.violation import CloseReason, Violation

START_NS = 1_700_000_000 * SECOND_NS
NEEDS_CHECK = """
rules:
  - id: needs-check
    evidence: [amount, customer, region]
    redact: {customer: mask}
    rule: |
      when { charge }
      always { check }
"""
NO_BYPASS = """
rules:
  - id: no-bypass
    rule: |
      never { bypass }
"""


def rules(*texts: str) -> RuleSet:
    """Compile rule files that have no errors."""
    sources = [SourceFile(f"rules-{number}.yaml", text.encode()) for number, text in enumerate(texts)]
    compilation = compile_sources(sources)
    assert compilation.rule_set is not None, compilation.errors
    return compilation.rule_set


def trace_id(number: int = 1) -> str:
    return f"{number:032x}"


def span(name: str, number: int, *, of: int = 1, parent: int | None = 99, attributes: Attributes | None = None) -> Span:
    """Return a span of trace `of`; `parent` None makes it a root."""
    start = START_NS + number * 1_000_000
    return Span(
        trace_id=trace_id(of),
        span_id=f"{number:016x}",
        name=name,
        start_ns=start,
        end_ns=start + 500_000,
        parent_id="" if parent is None else f"{parent:016x}",
        attributes=attributes or {},
        resource=Resource({"service.name": "shop", "region": "eu"}),
    )


@dataclass
class Played:
    """A partition whose input comes at given seconds; `said` is all it said."""

    rule_set: RuleSet = field(default_factory=lambda: rules(NEEDS_CHECK))
    policy: ClosingPolicy = field(default_factory=ClosingPolicy)
    said: list[SaidVerdict] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)
    offset: int = 0

    def __post_init__(self) -> None:
        judging = Judging(engine_for(self.rule_set), self.said.append, self.tally, says_all=True)
        self.partition = Partition(0, self.policy, judging, self.tally)

    def arrive(self, second: float, *spans: Span, scattered: bool = False) -> None:
        """One record, without a mark."""
        key = b"another" if scattered else spans[0].trace_id.encode()
        record = InputRecord("otlp_spans", 0, self.offset, self.at(second), key, (), encode_protobuf(spans), "protobuf", 0)
        self.partition.take(ReadRecords.of([record]), [self.at(second)], is_keyed=scattered)
        self.offset += 1

    def mark(self, second: float) -> None:
        self.partition.obey(Mark(position=self.offset, time_ns=self.at(second), cut=tuple(self.partition.overdue(self.at(second)))))

    def drain(self, second: float, reason: CloseReason = CloseReason.DRAINED) -> None:
        self.partition.end(reason, self.at(second))

    def first_offset(self) -> int | None:
        return self.partition.first_offset

    @staticmethod
    def at(second: float) -> int:
        return START_NS + round(second * SECOND_NS)

    @property
    def words(self) -> list[str]:
        return [str(said.judgement.verdict) for said in self.said]

    @property
    def records(self) -> list[Violation]:
        return [reread(said.record) for said in self.said if said.record is not None]

    @property
    def reasons(self) -> dict[str, int]:
        """Close reasons by how often."""
        return {key[1]: count for key, count in self.tally.counts.items() if key[0] == "betrace_traces_closed_total"}
