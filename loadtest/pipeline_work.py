"""The work that workers are given: rounds of records, the rules they are judged by, and what the reference engine says of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Final

from cli.shop_rules import SHOP_RULES
from compiler import SourceFile, rule_texts
from loadtest.corpora.corpus import Corpus, Facts, Form, written
from loadtest.corpora.shop_traces import shop_traces
from loadtest.corpora.wire import Layout
from loadtest.expected import Expected, expected_of
from loadtest.loops import NS, Loop, Piece
from loadtest.rule_sample import RuleSample, firing, sampled
from loadtest.rule_writing import compiled, named_rules
from processor.inputs import InputRecord, read_inputs
from processor.rule_directory import read_sources
from topics.otlp import decode_protobuf
from topics.recordings import SHOP_PROTO_KEYED, recording

SEED: Final = 7
RULE_COUNT: Final = 10
SPANS_PER_RECORD: Final = 10
ROUND_TRACES: Final = 750
CHANGED_TRACES: Final = 500
CHANGES_MAX: Final = 20
# A rule that every other trace violates is wrong: evidence is made for the few.
_SHARE_MAX: Final = 0.02
# These two are decided as soon as the span has come.
_DECIDED_EARLY: Final = ("never { auth.bypass }", "never { payment.refund }")


@dataclass(frozen=True, slots=True)
class Work:
    """Records and the rules over them."""

    name: str
    rules: RuleSample
    loop: Loop
    facts: Facts
    expected: Expected

    @property
    def sources(self) -> tuple[SourceFile, ...]:
        """The rule files."""
        return self.rules.sources


class PipelineWork:
    """Makes the work of all rows; the traces of the generated shop by ten rules, the recorded shop by its own."""

    def __init__(self, trace_count: int = ROUND_TRACES) -> None:
        shop = (trace for trace in shop_traces(SEED) if len(trace) >= SPANS_PER_RECORD)
        self._traces = [trace[:SPANS_PER_RECORD] for trace in islice(shop, trace_count)]
        self._corpus = written("shop, ten spans", self._traces, Form.TRACES, Layout.COLLECTOR)
        texts = chain(_DECIDED_EARLY, named_rules(SEED))
        self.rules = firing("named 10", texts, RULE_COUNT, self._corpus, _SHARE_MAX)

    def ten_spans(self) -> Work:
        """Return traces of ten spans, a record each."""
        ids = tuple(trace[0].trace_id for trace in self._traces)
        pieces = [Piece(number, 0, value, SPANS_PER_RECORD) for number, value in enumerate(self._corpus.records)]
        return _work("10 rules, 10 spans a record", self.rules, Loop(ids, tuple(pieces)), self._corpus)

    def probes(self) -> Work:
        """Return the traces of `ten_spans` that violate a rule as soon as they are seen."""
        of_all = self.ten_spans()
        chosen = [number for number, rules in of_all.expected.early.items() if rules]
        loop = of_all.loop.restricted(chosen)
        return _work("traces that violate a rule at once", self.rules, loop, _corpus_of("probes", loop))

    def changing(self, change_count: int = CHANGES_MAX, every_ns: int = NS, trace_count: int = CHANGED_TRACES) -> Work:
        """Return traces that get a span of theirs `every_ns`, a record each, and stay open."""
        shop = (trace for trace in shop_traces(SEED + 1) if len(trace) >= CHANGES_MAX)
        traces = [trace[:change_count] for trace in islice(shop, trace_count)]
        records = [written("", [(span,) for span in trace], Form.TRACES, Layout.COLLECTOR).records for trace in traces]
        gap_ns = every_ns // len(traces)
        pieces = [
            Piece(number, change * every_ns + number * gap_ns, of_trace[change], 1, change == change_count - 1)
            for change in range(change_count)
            for number, of_trace in enumerate(records)
        ]
        loop = Loop(tuple(trace[0].trace_id for trace in traces), tuple(pieces))
        corpus = _corpus_of("shop, a span a record", loop)
        return _work("traces that change every second", sampled("named 10", self.rules.rule_set, corpus, self.rules.sources), loop, corpus)

    def open_traces(self) -> Loop:
        """Return traces of which one span has come, not their root."""
        records = [written("", [(trace[1],)], Form.TRACES, Layout.COLLECTOR).records[0] for trace in self._traces]
        ids = tuple(trace[0].trace_id for trace in self._traces)
        return Loop(ids, tuple([Piece(number, 0, value, 1) for number, value in enumerate(records)]))


def recorded_shop(rule_count: int | None = None) -> Work:
    """Return the keyed recording by the rules of the recorded shop: all, or those that fire and remember least."""
    records = [item for item in read_inputs([str(recording(SHOP_PROTO_KEYED))]) if isinstance(item, InputRecord)]
    loop = _loop(records)
    corpus = _corpus_of("recorded shop", loop)
    sources = list(_one_by_one(read_sources(SHOP_RULES)))
    whole = sampled("rules of the recorded shop", compiled(sources), corpus, sources)
    if rule_count is None:
        return _work(f"the keyed recording, {len(whole.violated)} rules", whole, loop, corpus)
    fired = [rule for rule in whole.rule_set.enabled if whole.violated[rule.id]]
    fired.sort(key=lambda rule: (rule.report.state.captured_rows, rule.report.state.counters, rule.report.state.bits))
    kept = {f"{rule.id}.yaml" for rule in fired[:rule_count]}
    few = [source for source in sources if source.name in kept]
    rules = sampled(f"{len(few)} rules of the recorded shop", compiled(few), corpus, few)
    return _work(f"the keyed recording, {len(few)} rules", rules, loop, corpus)


def _loop(records: Sequence[InputRecord]) -> Loop:
    """Return a round of keyed records at the distances in which they were recorded."""
    numbers: dict[bytes, int] = {}
    last = {record.key: index for index, record in enumerate(records)}
    first_ns = records[0].timestamp_ns or 0
    pieces = []
    for index, record in enumerate(records):
        number = numbers.setdefault(record.key or b"", len(numbers))
        spans = len(decode_protobuf(record.value).spans)
        pieces.append(Piece(number, (record.timestamp_ns or 0) - first_ns, record.value, spans, last[record.key] == index))
    return Loop(tuple(bytes.fromhex(key.decode()) for key in numbers), tuple(pieces))


def _one_by_one(sources: Sequence[SourceFile]) -> Iterator[SourceFile]:
    for source in sources:
        for rule_id, text in rule_texts(source).items():
            yield SourceFile(f"{rule_id}.yaml", text.encode())


def _work(name: str, rules: RuleSample, loop: Loop, corpus: Corpus) -> Work:
    return Work(name, rules, loop, corpus.facts(), expected_of(rules.rule_set, loop))


def _corpus_of(name: str, loop: Loop) -> Corpus:
    return Corpus(name, "keyed records of one trace", "collector layout", tuple(piece.value for piece in loop.pieces))
